package api

import (
	"slices"
	"sync"

	"gatehouse/authz/event"
)

const (
	// subscriberQueue is how many events wait for a slow reader before some are
	// left out.
	subscriberQueue = 256
	maxSubscribers  = 64
)

// Hub hands events on to those who watch. Publish never waits.
type Hub struct {
	closed      chan struct{}
	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
}

// NewHub returns a Hub that nobody watches yet.
func NewHub() *Hub { return &Hub{closed: make(chan struct{}), subscribers: map[*subscriber]struct{}{}} }

type subscriber struct {
	types  []string // empty means all
	events chan event.Event

	mu   sync.Mutex
	lost int
}

// Publish hands on events that the log holds.
func (h *Hub) Publish(events []event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subscribers {
		for _, e := range events {
			s.offer(e)
		}
	}
}

func (s *subscriber) offer(e event.Event) {
	if len(s.types) > 0 && !slices.Contains(s.types, string(e.Type)) {
		return
	}
	select {
	case s.events <- readable(e):
	default:
		s.mu.Lock()
		s.lost++
		s.mu.Unlock()
	}
}

// takeLost is how many events were left out since it was last asked.
func (s *subscriber) takeLost() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.lost
	s.lost = 0
	return n
}

// Close ends what watches, once: control stops, and does not wait for readers.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
}

// subscribe is false when too many watch already.
func (h *Hub) subscribe(types []string) (*subscriber, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subscribers) >= maxSubscribers {
		return nil, false
	}
	s := &subscriber{types: types, events: make(chan event.Event, subscriberQueue)}
	h.subscribers[s] = struct{}{}
	return s, true
}

func (h *Hub) leave(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subscribers, s)
}
