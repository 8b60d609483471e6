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
// empty, or ctx is done.
func (w *Writer) run(ctx context.Context) {
	defer close(w.done)
	for first := range w.queue {
		if left := w.deliver(ctx, w.batch(first)); left > 0 {
			w.abandon(left)
			return
		}
		if !w.confess(ctx) {
			w.abandon(0)
			return
		}
	}
}

// batch takes what is there, without waiting for more, and looks at it.
func (w *Writer) batch(first *Event) []*Event {
	batch := w.taken(first)
	for _, e := range batch {
		w.clean(e)
	}
	return batch
}

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

// abandon counts what will not be written any more: n events and those that are
// still queued. The queue is closed by then: only Close cancels.
func (w *Writer) abandon(n int64) {
	for range w.queue {
		n++
	}
	if n > 0 {
		w.lose(n)
	}
}
