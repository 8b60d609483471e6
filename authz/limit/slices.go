package limit

import (
	"context"
	_ "embed" // for slice.lua
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed slice.lua
var sliceSource string

// hotWithin is how soon a counter is asked for again that gets a slice. For one that
// is asked for less often, taking a slice and giving it back cost more than asking.
const hotWithin = 100 * time.Millisecond

// Slices serve the fixed windows of a Limiter whose Request has a Lease from this
// replica, while they are asked for often: of a hot counter so many hits are counted
// in Redis ahead, and used here. Their owner asks them first (Use), and Redis with what
// they do not have, and tells them what was counted (Asked). They are safe for
// concurrent use.
//
// They promise that no more than Requests hits of a window are admitted by all
// replicas together, as a Limiter does. With N replicas, up to N times Lease hits may
// be refused although nobody has used them, of which never more than a quarter of the
// budget was taken at once. What is idle for a second goes back; a replica that is
// killed takes its slices along.
type Slices struct {
	line   *Line
	script Script
	redis  func() time.Time // nil: Redis's clock; see New
	now    func() time.Time
	hot    time.Duration
	resets resets

	mu   sync.RWMutex
	held map[string]*slice
}

// slice is what is known of one counter.
type slice struct {
	mu     sync.Mutex
	key    string
	spec   Spec
	left   int64
	others int64 // of the budget, what Redis had left when this was taken
	index  int64 // of the window
	ends   time.Time
	taking bool // one is on its way
	gone   bool // taken out of the table
	dry    time.Time
	last   time.Time // when it was asked for
}

// NewSlices returns Slices of the counters that a Limiter on that line keeps. now is
// as of New.
func NewSlices(line *Line, now func() time.Time) *Slices {
	return &Slices{
		line: line, script: NewScript(sliceSource), redis: now, now: wallClock(now), hot: hotWithin, held: map[string]*slice{},
	}
}

// Served is what a slice said of a request.
type Served struct {
	Result
	index int64 // of the window
}

// leasable says whether a slice may serve the request.
func (r *Request) leasable() bool {
	return r.Lease > 0 && !r.Peek && r.hits() <= r.Lease && r.Spec.algorithm() == FixedWindow
}

// Use takes the request's hits from a slice, if there is one. It is false where Redis
// is to be asked. Until Asked is called, nothing else follows from it.
func (s *Slices) Use(r *Request) (Served, bool) {
	if !r.leasable() {
		return Served{}, false
	}
	l, now := s.find(r), s.now()
	if l == nil {
		return Served{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone || l.left < r.hits() || !l.within(now) {
		return Served{}, false
	}
	l.left -= r.hits()
	return Served{r.result(true, l.left+l.others, l.ends.Sub(now), 0), l.index}, true
}

// within says whether its window lasts. The wall clock is looked at as well: the other
// one stands still while the machine sleeps.
func (l *slice) within(now time.Time) bool {
	return now.Before(l.ends) && now.Round(0).Before(l.ends.Round(0))
}

// Asked notes that the request counts, whoever has answered it: a counter that is asked
// for often gets a slice, before the last one is used up, so that nobody waits.
func (s *Slices) Asked(ctx context.Context, r *Request) {
	if !r.leasable() {
		return
	}
	l, now := s.get(r), s.now()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	hot := now.Sub(l.last) < s.hot
	l.last = now
	low := l.left < (r.Lease+3)/4 || !l.within(now)
	if hot && low && !l.taking && !l.gone && !now.Before(l.dry) {
		l.taking = true
		go s.take(context.WithoutCancel(ctx), l, r.Lease)
	}
}

// Return takes back what Use gave: the call was not admitted after all. Of a window
// that has ended since, nothing is left to give.
func (s *Slices) Return(r *Request, served Served) {
	l := s.find(r)
	if l == nil {
		return // it has ended, or gone back without this
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone && l.index == served.index {
		l.left += r.hits()
	}
}

// find is nil where there is none. A limit that was edited has another counter, or none
// of the slice's: the spec is part of what is compared.
func (s *Slices) find(r *Request) *slice {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := s.held[r.redisKey()]
	if l == nil || l.spec != r.Spec {
		return nil
	}
	return l
}

// get is find, and makes one; nil where no more can be held.
func (s *Slices) get(r *Request) *slice {
	if l := s.find(r); l != nil {
		return l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.redisKey()
	l := s.held[key]
	switch {
	case l != nil && l.spec == r.Spec:
		return l
	case l != nil || len(s.held) >= maxLeases || r.validate() != nil:
		return nil
	}
	l = &slice{key: key, spec: r.Spec}
	s.held[key] = l
	return l
}

// take asks for a slice. If the answer is lost, the slice is too: less is admitted
// then, never more.
func (s *Slices) take(ctx context.Context, l *slice, n int64) {
	begun := s.now() // before Redis looks at its clock, so that it ends here first
	got, err := s.run(ctx, l, n, 0)
	l.mu.Lock()
	l.taking = false
	if err != nil {
		l.dry = s.now().Add(s.hot)
		l.mu.Unlock()
		return
	}
	back := got.taken
	if !l.gone {
		if got.index != l.index {
			l.left = 0
		}
		l.index, l.ends, l.left, back = got.index, begun.Add(got.ends), l.left+got.taken, 0
		l.others = max(0, l.spec.Requests-got.used)
		if got.taken == 0 {
			l.dry = s.now().Add(s.hot) // others may give back theirs
		}
	}
	l.mu.Unlock()
	if back > 0 {
		s.giveBack(ctx, l, got.index, back)
	}
}

func (s *Slices) giveBack(ctx context.Context, l *slice, index, n int64) {
	// An error means that less will be admitted; a second try could give back twice.
	_, _ = s.run(ctx, l, -n, index)
}

// sliced is what slice.lua answers.
type sliced struct {
	taken, used, index int64
	ends               time.Duration
}

func (s *Slices) run(ctx context.Context, l *slice, n, index int64) (sliced, error) {
	at := int64(0)
	if s.redis != nil {
		at = s.redis().UnixMicro()
	}
	call := &Call{Script: s.script, Keys: []string{l.key}, Args: []any{at, n, l.spec.Requests, l.spec.Window.Microseconds(), index}}
	s.line.Run(ctx, call)
	if call.Err != nil {
		return sliced{}, call.Err
	}
	list, _ := call.Value.([]any)
	var numbers [4]int64
	if len(list) != len(numbers) {
		return sliced{}, fmt.Errorf("%w: the script answered %.80q", ErrUnavailable, fmt.Sprint(call.Value))
	}
	for i := range numbers {
		var ok bool
		if numbers[i], ok = list[i].(int64); !ok {
			return sliced{}, fmt.Errorf("%w: the script answered %.20q for a number", ErrUnavailable, fmt.Sprint(list[i]))
		}
	}
	return sliced{numbers[0], numbers[1], numbers[2], micros(numbers[3])}, nil
}

// Run looks after the slices until ctx ends, and then gives all of them back.
func (s *Slices) Run(ctx context.Context) {
	tick := time.NewTicker(lookAfter)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.sweep(ctx, s.now(), idleAfter)
			s.hear(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			s.sweep(last, s.now(), 0)
			return
		}
	}
}

// sweep gives back what nobody used for so long, and forgets what is over.
func (s *Slices) sweep(ctx context.Context, now time.Time, idle time.Duration) {
	type leftover struct {
		of       *slice
		index, n int64
	}
	var back []leftover
	s.mu.Lock()
	for key, l := range s.held {
		l.mu.Lock()
		within := l.within(now)
		quiet := now.Sub(l.last)
		if quiet >= idle || !within && quiet >= s.hot {
			if within && l.left > 0 {
				back = append(back, leftover{l, l.index, l.left})
			}
			l.left, l.gone = 0, true
			delete(s.held, key)
		}
		l.mu.Unlock()
	}
	s.mu.Unlock()
	for _, b := range back {
		s.giveBack(ctx, b.of, b.index, b.n)
	}
}

// hear drops the slices of counters that somebody has reset.
func (s *Slices) hear(ctx context.Context) {
	s.mu.RLock()
	none := len(s.held) == 0
	s.mu.RUnlock()
	if none {
		return
	}
	cmd := redis.NewStringSliceCmd(ctx, "zrange", resetsKey, 0, maxRefused)
	if err := s.line.lanes.do(ctx, cmd); err != nil || cmd.Err() != nil {
		return // at the next turn
	}
	for _, key := range s.resets.unheard(cmd.Val()) {
		s.forget(key)
	}
}

// forget drops a slice: it was cut from a budget that is no more.
func (s *Slices) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.held[key]; l != nil {
		l.mu.Lock()
		l.left, l.gone = 0, true
		l.mu.Unlock()
		delete(s.held, key)
	}
}
