package event

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// run moves events from the queue to the stream until the queue is closed and
// empty, and nothing came late, or ctx is done.
func (w *Writer) run(ctx context.Context) {
	defer close(w.done)
	for first := range w.queue {
		if !w.move(ctx, w.taken(first)) {
			return
		}
	}
	for batch := w.stragglers(); len(batch) > 0; batch = w.stragglers() {
		if !w.move(ctx, batch) {
			return
		}
	}
}

// move is false after ctx is done and the rest was given up.
func (w *Writer) move(ctx context.Context, batch []*Event) bool {
	if left := w.deliver(ctx, w.ready(batch)); left > 0 {
		w.abandon(left)
		return false
	}
	if !w.confess(ctx) {
		w.abandon(0)
		return false
	}
	return true
}

// ready looks at events and seals what names a person.
func (w *Writer) ready(batch []*Event) []*Event {
	for _, e := range batch {
		w.clean(e)
		if err := w.transit.Seal(e); err != nil {
			w.log.Error("an event goes without its personal fields", "event", e.ID, "error", err)
		}
	}
	return batch
}

// taken is a batch of what is there, without waiting for more.
func (w *Writer) taken(first *Event) []*Event {
	batch := []*Event{first}
	for len(batch) < maxBatch {
		select {
		case e, open := <-w.queue:
			if !open {
				return batch
			}
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// deliver repeats until the whole batch is in the stream, or ctx is done. It
// returns how many events are not.
func (w *Writer) deliver(ctx context.Context, batch []*Event) int64 {
	defer w.held.Store(0)
	wait := firstRetry
	for {
		w.held.Store(int64(len(batch)))
		rest, err := w.write(ctx, batch)
		if err == nil {
			return 0
		}
		if len(rest) < len(batch) {
			wait = firstRetry
		}
		batch = rest
		if !w.pause(ctx, wait, err) {
			return int64(len(batch))
		}
		wait = min(2*wait, lastRetry)
	}
}

func (w *Writer) pause(ctx context.Context, wait time.Duration, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	w.metrics.streamErrors.Inc()
	w.log.Warn("the event stream takes nothing; trying again", "error", err, "queued", w.Queued(), "wait", wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// write appends the batch in one pipeline and returns what Redis has not
// confirmed, in order. What it took without our seeing the confirmation goes in
// a second time, under the same ID.
func (w *Writer) write(ctx context.Context, batch []*Event) ([]*Event, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	pipe := w.redis.Pipeline()
	cmds := make([]*redis.StringCmd, len(batch))
	for i, e := range batch {
		// An Event holds nothing that cannot be marshalled.
		text, err := json.Marshal(e)
		if err != nil {
			return batch, fmt.Errorf("marshal event %s: %w", e.ID, err)
		}
		cmds[i] = pipe.XAdd(ctx, &redis.XAddArgs{Stream: StreamKey, Values: []any{StreamField, text}})
	}
	_, err := pipe.Exec(ctx)
	var rest []*Event
	for i, cmd := range cmds {
		if cmd.Err() != nil || (err != nil && cmd.Val() == "") {
			rest = append(rest, batch[i])
		}
	}
	w.metrics.appended.Add(float64(len(batch) - len(rest)))
	if len(rest) == 0 {
		return nil, nil
	}
	return rest, fmt.Errorf("append %d events to %s: %w", len(batch), StreamKey, err)
}

// confess reports the losses so far by an event of its own.
func (w *Writer) confess(ctx context.Context) bool {
	n := w.lost.Swap(0)
	if n == 0 {
		return true
	}
	now := w.now()
	left := w.deliver(ctx, []*Event{{
		ID: newID(now), Time: now, Type: EventsLost, Severity: Critical, Outcome: Failure,
		Source: w.source, Instance: w.instance,
		Reason: "the queue of the event writer was full",
		Detail: map[string]string{"count": strconv.FormatInt(n, 10)},
	}})
	if left > 0 {
		w.lost.Add(n) // still untold
		return false
	}
	w.log.Error("events were lost", "count", n)
	return true
}

// follow takes an event after the queue was closed: the look at the last events of
// a run may find a secret in them, and says so by an event. It is false once the
// writing has ended, or when too many come.
func (w *Writer) follow(e *Event) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || len(w.late) >= maxBatch {
		return false
	}
	w.late = append(w.late, e)
	return true
}

// stragglers are the events that came late. With none left the writing ends.
func (w *Writer) stragglers() []*Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.late
	w.late, w.ended = nil, len(batch) == 0
	return batch
}

// abandon counts what will not be written any more: n events, and those that are
// still queued or came late. The queue is closed by then: only Close cancels.
func (w *Writer) abandon(n int64) {
	for range w.queue {
		n++
	}
	w.mu.Lock()
	n += int64(len(w.late))
	w.late, w.ended = nil, true
	w.mu.Unlock()
	if n > 0 {
		w.lose(n)
	}
}
