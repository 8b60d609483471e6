package limit

import (
	"context"
	_ "embed" // for lease.lua
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lease.lua
var leaseSource string

const (
	// maxLeases bounds the slices that one replica holds; what has none is asked of
	// Redis each time.
	maxLeases = 10_000
	// idleAfter is when a slice that nobody uses goes back.
	idleAfter = time.Second
	// lookAfter is how often slices and members are looked after.
	lookAfter = 250 * time.Millisecond
)

// leases are the slices that this replica holds, by counter.
type leases struct {
	script *redis.Script
	mu     sync.RWMutex
	held   map[string]*lease
}

// lease is a slice of one window's budget: counted in Redis already, to be used here.
type lease struct {
	mu     sync.Mutex
	spec   Spec
	left   int64
	others int64 // of the budget, what Redis had left when this was taken
	taking bool  // a slice is on its way
	dry    bool  // Redis had none left
	gone   bool  // taken out of the table
	ends   time.Time
	last   time.Time // when it was used
}

func newLeases() *leases {
	return &leases{script: redis.NewScript(leaseSource), held: map[string]*lease{}}
}

// leased serves the request from a slice, if it can.
func (w *Windows) leased(ctx context.Context, r *Request, c *counted, out *Result) bool {
	if r.Lease < 1 || r.Peek || r.hits() > r.Lease {
		return false
	}
	l := w.leases.get(c.key, r.Spec, c.left)
	if l == nil {
		return false
	}
	if l.use(r, c, out) {
		if l.low(r.Lease) {
			// Before it is used up, so that nobody waits.
			go w.take(context.WithoutCancel(ctx), l, r.Lease, c.key, c.left)
		}
		return true
	}
	if !l.start() {
		return false
	}
	w.take(ctx, l, r.Lease, c.key, c.left)
	return l.use(r, c, out)
}

func (s *leases) get(key string, spec Spec, left time.Duration) *lease {
	s.mu.RLock()
	l := s.held[key]
	s.mu.RUnlock()
	if l != nil {
		return l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l = s.held[key]; l != nil || len(s.held) >= maxLeases {
		return l
	}
	now := time.Now()
	l = &lease{spec: spec, ends: now.Add(left), last: now}
	s.held[key] = l
	return l
}

func (l *lease) use(r *Request, c *counted, out *Result) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A limit that was edited may be smaller than what the slice was cut from.
	if l.left < r.hits() || l.gone || l.spec.Requests > r.Spec.Requests {
		return false
	}
	l.left -= r.hits()
	l.last = time.Now()
	*out = r.result(true, l.left+l.others, c.left, 0)
	return true
}

// start is true for the one who is to take a slice.
func (l *lease) start() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taking || l.dry || l.gone {
		return false
	}
	l.taking = true
	return true
}

func (l *lease) low(slice int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left >= (slice+1)/4 || l.taking || l.dry || l.gone {
		return false
	}
	l.taking = true
	return true
}

// take asks for a slice. If the answer is lost, the slice is too: less is admitted
// then, never more.
func (w *Windows) take(ctx context.Context, l *lease, slice int64, key string, left time.Duration) {
	taken, used, err := w.leases.run(ctx, w.lanes.do, key, slice, l.spec.Requests, w.lifetime(left))
	l.mu.Lock()
	l.taking = false
	if err == nil {
		l.dry = taken < slice
		l.others = max(0, l.spec.Requests-used)
		if !l.gone {
			l.left, taken = l.left+taken, 0
		}
	}
	l.mu.Unlock()
	if err == nil && taken > 0 {
		w.giveBack(ctx, key, taken)
	}
}

func (w *Windows) giveBack(ctx context.Context, key string, n int64) {
	// An error means that less will be admitted; a second try could give back twice.
	once := func(ctx context.Context, cmds ...redis.Cmder) error { return w.lanes.once(ctx, key, cmds[0]) }
	_, _, _ = w.leases.run(ctx, once, key, -n, 0, 0)
}

// doing sends commands, as lanes.do does.
type doing func(ctx context.Context, cmds ...redis.Cmder) error

func (s *leases) run(ctx context.Context, do doing, key string, n, limit, lifetime int64) (taken, used int64, err error) {
	cmd := redis.NewCmd(ctx, "evalsha", s.script.Hash(), 1, key, n, limit, lifetime)
	if err := do(ctx, cmd); err != nil {
		return 0, 0, err
	}
	if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		cmd = redis.NewCmd(ctx, "eval", leaseSource, 1, key, n, limit, lifetime)
		if err := do(ctx, cmd); err != nil {
			return 0, 0, err
		}
	}
	numbers, err := cmd.Int64Slice()
	if err == nil && len(numbers) != 2 {
		err = fmt.Errorf("the script answered %d numbers", len(numbers))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return numbers[0], numbers[1], nil
}

// Run looks after slices until ctx ends, and then gives all of them back.
func (w *Windows) Run(ctx context.Context) {
	tick := time.NewTicker(lookAfter)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.sweep(ctx, time.Now(), idleAfter)
			w.adopt(ctx, time.Now())
			w.hear(ctx)
			w.members.tell(ctx, w.lanes)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			w.sweep(last, time.Now(), 0)
			w.members.leave(last, w.lanes)
			return
		}
	}
}

// sweep gives back slices that nobody used for so long, and forgets those whose
// window has ended.
func (w *Windows) sweep(ctx context.Context, now time.Time, idle time.Duration) {
	type leftover struct {
		key string
		n   int64
	}
	var back []leftover
	w.leases.mu.Lock()
	for key, l := range w.leases.held {
		l.mu.Lock()
		ended := !now.Before(l.ends)
		if ended || now.Sub(l.last) >= idle {
			if !ended && l.left > 0 {
				back = append(back, leftover{key, l.left})
			}
			l.left, l.gone = 0, true
			delete(w.leases.held, key)
		}
		l.mu.Unlock()
	}
	w.leases.mu.Unlock()
	for _, b := range back {
		w.giveBack(ctx, b.key, b.n)
	}
}
