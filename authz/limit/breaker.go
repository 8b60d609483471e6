package limit

import (
	"errors"
	"sync"
	"time"
)

// The breaker opens after tripAfter failures in a row. Then one batch at a time is
// let through as a probe, at first after probeFirst and then ever later, up to
// probeLast; closeAfter probes in a row that are answered in time close it. It takes
// more to close than to stay open, so that a Redis that barely answers does not make
// it flutter; and what waited meanwhile does not come all at once, since a probe is
// one batch.
const (
	tripAfter  = 5
	closeAfter = 3
	probeFirst = 100 * time.Millisecond
	probeLast  = 500 * time.Millisecond // the client itself looks for a server that is back once a second, and 2 s are promised
)

// ErrOpen is in the chain, below ErrUnavailable, while Redis is not asked because it
// did not answer before.
var ErrOpen = errors.New("no answer from Redis lately: it is asked again shortly")

type breaker struct {
	mu       sync.Mutex
	now      func() time.Time
	failures int // in a row, while closed
	open     bool
	healed   int // probes in a row, while open
	probing  bool
	wait     time.Duration
	probeAt  time.Time
}

func newBreaker() *breaker { return &breaker{now: time.Now} }

// enter says whether Redis may be asked; who may must leave.
func (b *breaker) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return nil
	}
	if b.probing || b.now().Before(b.probeAt) {
		return ErrOpen
	}
	b.probing = true
	return nil
}

// leave takes note of how it went.
func (b *breaker) leave(answered bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	switch {
	case !answered:
		b.fail()
	case !b.open:
		b.failures = 0
	default:
		b.healed++
		if b.healed >= closeAfter {
			b.open, b.failures, b.healed = false, 0, 0
		}
	}
}

func (b *breaker) fail() {
	if !b.open {
		b.failures++
		if b.failures < tripAfter {
			return
		}
		b.open, b.wait = true, probeFirst
	} else {
		b.wait = min(2*b.wait, probeLast)
	}
	b.healed, b.probeAt = 0, b.now().Add(b.wait)
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}
