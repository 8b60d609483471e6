package audit

import (
	"time"

	"gatehouse/authz/event"
)

// window remembers the last so many ids and where their events lie in the log.
type window struct {
	known map[string]uint64
	ring  []seen
	next  int
	// horizon is the latest time of an event that was forgotten: an event that is
	// not younger may be in the log although its id is not known any more.
	horizon time.Time
}

type seen struct {
	id string
	at time.Time
}

func newWindow(size int) *window {
	return &window{known: make(map[string]uint64, size), ring: make([]seen, 0, size)}
}

// leaf is where the event of an id lies.
func (w *window) leaf(id string) (uint64, bool) {
	leaf, ok := w.known[id]
	return leaf, ok
}

func (w *window) add(id string, at time.Time, leaf uint64) {
	if _, ok := w.known[id]; ok {
		return
	}
	w.known[id] = leaf
	if len(w.ring) < cap(w.ring) {
		w.ring = append(w.ring, seen{id, at})
		return
	}
	oldest := w.ring[w.next]
	w.forget(oldest.at)
	delete(w.known, oldest.id)
	w.ring[w.next] = seen{id, at}
	w.next = (w.next + 1) % len(w.ring)
}

// forget says that an event of that time is in the log and not in the window.
func (w *window) forget(at time.Time) {
	if at.After(w.horizon) {
		w.horizon = at
	}
}

// old says whether an event may be in the log although the window does not know
// it.
func (w *window) old(e event.Event) bool {
	return !w.horizon.IsZero() && !e.Time.After(w.horizon)
}

// split sorts events: those that nobody has, each once, and the calls in which
// others are being written. What the window knows is left out. l.mu is held.
func (l *Tlog) split(events []event.Event) (mine []event.Event, others []*call) {
	waiting := map[*call]bool{}
	taken := make(map[string]bool, len(events))
	for _, e := range events {
		if _, known := l.seen.leaf(e.ID); known || taken[e.ID] {
			continue
		}
		if other, claimed := l.claimed[e.ID]; claimed {
			if !waiting[other] {
				waiting[other] = true
				others = append(others, other)
			}
			continue
		}
		taken[e.ID] = true
		mine = append(mine, e)
	}
	return mine, others
}

// release gives up claims. l.mu is held.
func (l *Tlog) release(events []event.Event) {
	for _, e := range events {
		delete(l.claimed, e.ID)
	}
}
