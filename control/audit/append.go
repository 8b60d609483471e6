package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/transparency-dev/tessera"

	"gatehouse/authz/event"
)

// lookUpFor bounds the question to the index whether it knows an old event.
const lookUpFor = 2 * time.Second

// Append implements Log. Calls at the same time are written together.
func (l *Tlog) Append(ctx context.Context, events []event.Event) ([]event.Event, error) {
	weight := int64(min(max(len(events), 1), maxPending))
	if err := l.room.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait for the audit log: %w", err)
	}
	defer l.room.Release(weight)
	var fresh []event.Event
	for {
		written, others, err := l.appendMine(ctx, events)
		fresh = append(fresh, written...)
		if err != nil {
			return nil, err
		}
		failed, err := waitFor(ctx, others)
		if err != nil {
			return nil, err
		}
		if !failed {
			return fresh, nil
		}
	}
}

// waitFor waits for calls of others; failed says that one of them has not
// written its events, and that they are ours to write.
func waitFor(ctx context.Context, others []*call) (failed bool, err error) {
	for _, c := range others {
		select {
		case <-c.done:
			failed = failed || c.err != nil
		case <-ctx.Done():
			return false, fmt.Errorf("wait for the audit log: %w", ctx.Err())
		}
	}
	return failed, nil
}

// appendMine writes those events that nobody else is writing.
func (l *Tlog) appendMine(ctx context.Context, events []event.Event) (fresh []event.Event, others []*call, err error) {
	c := &call{done: make(chan struct{})}
	l.mu.Lock()
	c.events, others = l.split(events)
	for _, e := range c.events {
		l.claimed[e.ID] = c
	}
	l.mu.Unlock()
	fresh = c.events
	if len(fresh) == 0 {
		return nil, others, nil
	}
	if err := l.prepare(ctx, c); err != nil {
		l.abandon(c, err)
		return nil, nil, err
	}
	if fresh = c.events; len(fresh) == 0 {
		l.abandon(c, nil)
		return nil, others, nil
	}
	if err := l.submit(c); err != nil {
		l.abandon(c, err)
		return nil, nil, err
	}
	select {
	case <-c.done:
		return fresh, others, c.err
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("wait for the audit log: %w", ctx.Err()) // it is written all the same
	}
}

// prepare leaves out what the index knows, and makes entries of the rest.
func (l *Tlog) prepare(ctx context.Context, c *call) error {
	l.dropKnown(ctx, c)
	c.entries = make([]*tessera.Entry, 0, len(c.events))
	for _, e := range c.events {
		entry, err := encode(e)
		if err != nil {
			return err
		}
		c.entries = append(c.entries, tessera.NewEntry(entry))
	}
	return nil
}

// dropKnown asks the index about events that are older than what the window
// holds. Without an answer they are kept: rather twice than not at all.
func (l *Tlog) dropKnown(ctx context.Context, c *call) {
	var ids []string
	l.mu.Lock()
	for _, e := range c.events {
		if l.seen.old(e) {
			ids = append(ids, e.ID)
		}
	}
	l.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	known, err := l.known(ctx, ids)
	if err != nil {
		l.metrics.unchecked.Add(float64(len(ids)))
		l.o.Log.Warn("the index of the audit log cannot say whether old events are in the log; they are kept, perhaps twice", "events", len(ids), "error", err)
		return
	}
	var unknown, gone []event.Event
	for _, e := range c.events {
		if known[e.ID] {
			gone = append(gone, e)
		} else {
			unknown = append(unknown, e)
		}
	}
	c.events = unknown
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(gone)
}

func (l *Tlog) known(ctx context.Context, ids []string) (map[string]bool, error) {
	if l.o.Index == nil {
		return nil, errNoIndex
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpFor)
	defer cancel()
	return l.o.Index.KnownEvents(ctx, ids)
}

// abandon ends a call that was never queued.
func (l *Tlog) abandon(c *call, err error) {
	l.mu.Lock()
	l.release(c.events)
	l.mu.Unlock()
	c.err = err
	close(c.done)
}
