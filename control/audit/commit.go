package audit

import (
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"

	"gatehouse/authz/event"
)

// A commit waits for as many callers as the one before it had, for a third of the
// time which that one took, within these bounds. Those callers have just been let
// go and are likely to come again; without the wait the first of them would be
// committed alone, and the others wait for that.
const (
	minGather = 300 * time.Microsecond
	maxGather = 5 * time.Millisecond
)

// ErrClosed says that a log was closed.
var ErrClosed = errors.New("the audit log is closed")

// call is one Append under way.
type call struct {
	events  []event.Event
	entries []*tessera.Entry
	err     error         // once done is closed
	done    chan struct{} // closed when events are durable, or are not
}

// submit queues a call for the next commit.
func (l *Tlog) submit(c *call) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.pending = append(l.pending, c)
	notify := len(l.pending) == 1 || len(l.pending) >= l.target
	l.mu.Unlock()
	if notify {
		signal(l.wake)
	}
	return nil
}

// signal wakes whoever waits; one notice is enough.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// commits is the goroutine that writes, until the log is closed and nothing is
// left to be written.
func (l *Tlog) commits() {
	defer close(l.written)
	for range l.wake {
		for {
			calls, closed := l.gather()
			if len(calls) > 0 {
				l.commit(calls)
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

// gather takes what is pending, after a short wait for more if more is likely.
func (l *Tlog) gather() (calls []*call, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.pending); n > 0 && n < l.target && !l.closed {
		l.mu.Unlock()
		l.await()
		l.mu.Lock()
	}
	if len(l.pending) > 0 {
		l.target = len(l.pending)
	}
	n := whole(l.pending, l.size.Load())
	calls = l.pending[:n:n]
	l.pending = append(make([]*call, 0, len(l.pending)), l.pending[n:]...)
	return calls, l.closed
}

// whole is how many of the calls are committed at a time: all, or so many that
// they fill the last bundle. A commit that fills a bundle and begins the next
// takes as long as two (7.6 ms against 4.7 and 3.2, measured with 64 writers),
// and what begins off a bundle's edge comes to one again and again.
func whole(calls []*call, size uint64) int {
	entries, fills := size, 0
	for n, c := range calls {
		if entries += uint64(len(c.entries)); entries%layout.EntryBundleWidth == 0 {
			fills = n + 1
		}
	}
	if fills > 0 {
		return fills
	}
	return len(calls)
}

func (l *Tlog) await() {
	timer := time.NewTimer(min(max(l.took/3, minGather), maxGather))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-l.wake:
			l.mu.Lock()
			enough := len(l.pending) >= l.target || l.closed
			l.mu.Unlock()
			if enough {
				return
			}
		}
	}
}

// commit writes the entries of calls in one batch.
func (l *Tlog) commit(calls []*call) {
	begin := time.Now()
	err := l.settle(calls)
	if err == nil {
		err = l.write(calls)
	}
	l.took = time.Since(begin)
	l.metrics.committed(l.took, err)
	l.mu.Lock()
	for _, c := range calls {
		c.err = err
		l.release(c.events)
	}
	l.mu.Unlock()
	for _, c := range calls {
		close(c.done)
	}
	if err == nil {
		signal(l.grown)
	}
}

func (l *Tlog) write(calls []*call) error {
	var entries []*tessera.Entry
	for _, c := range calls {
		entries = append(entries, c.entries...)
	}
	if len(entries) == 0 {
		return nil
	}
	first, err := l.sequencer.append(entries)
	if err != nil {
		l.doubt = true
		return fmt.Errorf("write to the audit log in %s: %w", l.dir, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	leaf := first
	for _, c := range calls {
		for _, e := range c.events[:len(c.entries)] {
			l.seen.add(e.ID, e.Time, leaf)
			leaf++
		}
	}
	l.size.Store(leaf)
	return nil
}

// settle finds out what a failed write has left in the log after all. What is
// found there is not written again.
func (l *Tlog) settle(calls []*call) error {
	if !l.doubt {
		return nil
	}
	size, err := l.sequencer.size()
	if err == nil {
		err = l.remember(l.size.Load(), size)
	}
	if err != nil {
		return fmt.Errorf("look what a failed write has left in the audit log in %s: %w", l.dir, err)
	}
	l.size.Store(size)
	l.doubt = false
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range calls {
		c.drop(func(e event.Event) bool {
			_, there := l.seen.leaf(e.ID)
			return there
		})
	}
	return nil
}

// drop removes the entries of events that are there already and puts those
// events last: what is left of entries belongs to the first.
func (c *call) drop(there func(event.Event) bool) {
	var events, written []event.Event
	var entries []*tessera.Entry
	for i, e := range c.events {
		if there(e) {
			written = append(written, e)
			continue
		}
		events, entries = append(events, e), append(entries, c.entries[i])
	}
	c.events, c.entries = append(events, written...), entries
}
