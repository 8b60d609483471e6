package limit

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/every"
)

// Slices serve limits of a Limiter, or the fixed windows of a Windows, whose Request has
// a Lease from this replica, while they are asked for often: of a hot counter so many hits
// are counted in Redis ahead, and used here. Their owner asks them first (Use), and Redis
// with what they do not have, and tells them what was counted (Asked). They are safe for
// concurrent use.
//
// They promise that all replicas together admit no more than an owner does that asks
// Redis each time. The price is the other way. With N replicas, up to N slices may be
// refused although nobody has used them, of which never more than a share of what was
// left was taken at once (Auto: a sixteenth; else a quarter). What is idle for a second
// goes back, and so does what is left of a slice that has ended; a replica that is killed
// takes its slices along. Hits of slices count in a sliding window and in GCRA as if they
// came when the slice ends: a fiftieth of the window later at most, and a second.
type Slices struct {
	line   *Line
	plain  bool // the counters are those of Windows
	script Script
	redis  func() time.Time // nil: Redis's clock; see New
	now    func() time.Time
	hot    time.Duration
	uses   time.Duration // usesOfCell
	resets resets
	recent *recent

	mu   sync.RWMutex
	held map[string]*slice
}

// NewSlices returns Slices of the counters that a Limiter on that line keeps. now is
// as of New.
func NewSlices(line *Line, now func() time.Time) *Slices {
	s := &Slices{
		line: line, script: NewScript(clockSource + kindsSource + sliceSource), redis: now, now: wallClock(now),
		hot: hotWithin, uses: usesOfCell, held: map[string]*slice{},
	}
	s.recent = newRecent(s.now())
	return s
}

// newWindowSlices are of the counters that Windows keeps: each is of one window, and has
// its number in its name.
func newWindowSlices(line *Line, now func() time.Time) *Slices {
	s := NewSlices(line, now)
	s.plain = true
	return s
}

// Bounds of Slices.
const (
	// maxSlices bounds the slices that one replica holds; what has none is asked of
	// Redis each time.
	maxSlices = 10_000
	// idleAfter is when a slice that nobody uses goes back.
	idleAfter = time.Second
	// lookAfter is how often slices and members are looked after.
	lookAfter = 250 * time.Millisecond
)

// Served is what a slice said of a request.
type Served struct {
	Result
	mine
	index int64 // of the slice
}

// mine is what is left of a slice where it was no answer.
type mine struct {
	held int64
	turn int64 // as of which
}

// Use takes the request's hits from a slice, if there is one. It is false where Redis
// is to be asked. Until Asked is called, nothing else follows from it.
func (s *Slices) Use(r *Request) (Served, bool) {
	if !r.Leasable() {
		return Served{}, false
	}
	l, now := s.find(r, r.redisKey()), s.now()
	if l == nil {
		return Served{}, false
	}
	return l.use(r, now)
}

// use is Use of a slice there is.
func (l *slice) use(r *Request, now time.Time) (Served, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	within := l.within(now)
	if l.left >= r.hits() && within && !l.gone {
		l.left -= r.hits()
		return Served{Result: r.result(true, l.remaining(now), l.reset(now), 0), index: l.index}, true
	}
	none := Served{mine: mine{turn: l.turn}}
	if within || l.cell > 0 && now.Before(l.ends.Add(l.cell)) { // what has ended just now goes back
		none.held = l.left
	}
	return none, false
}

// Correct adds to what Redis said after Use what is counted there and not used yet here:
// it remains to this replica's callers, who would else be told of less, and of more again.
func (s *Slices) Correct(r *Request, used Served, said *Result) {
	if used.held > 0 && said.Allowed {
		if l := s.find(r, r.redisKey()); l != nil {
			l.correct(used.mine, said)
		}
	}
}

func (l *slice) correct(used mine, said *Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn == used.turn && !l.taking { // or Redis may have said it of other slices
		said.Remaining = min(said.Remaining+used.held, max(said.Remaining, l.spec.capacity()-1))
	}
}

// Asked notes that the request counts, whoever has answered it: a counter that is asked
// for often gets a slice, before the last one is used up, so that nobody waits.
func (s *Slices) Asked(ctx context.Context, r *Request) {
	if r.Watched() {
		key := r.redisKey()
		s.asked(ctx, r, s.find(r, key), key, 0, s.now())
	}
}

// asked is Asked of a counter that has that slice, or none; of Windows it is of the window
// of that number.
func (s *Slices) asked(ctx context.Context, r *Request, l *slice, key string, window int64, now time.Time) {
	leasable, soon := r.Leasable(), s.hot
	if leasable {
		soon = s.soon(r.Spec.cell())
	}
	if l == nil {
		if !s.recent.again(key, now, soon) {
			return
		}
		if l = s.make(r, key, window, now); l == nil {
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	hot := now.Sub(l.last) < soon
	l.last = now
	// One that will end soon makes place for the next: its rest goes back on the same way.
	lasts := l.within(now.Add(l.cell / 4))
	if !leasable || !hot || lasts && 4*l.left > l.had || l.taking || l.gone || now.Before(l.dry) {
		return
	}
	t := taking{begun: now, n: l.wish(now)}
	if !lasts {
		t.back, t.index, l.left = l.left, l.index, 0
	}
	l.taking = true
	l.turn++
	go s.take(context.WithoutCancel(ctx), l, t)
}

// Said notes what Redis has just said of the request, of a counter that is hot.
func (s *Slices) Said(r *Request, said *Result) {
	if !r.Watched() || r.hits() != 1 {
		return
	}
	l, now := s.find(r, r.redisKey()), s.now()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said, l.saidAt = *said, now
}

// Recall is what Redis has said of the counter a moment ago, if it still holds for a call
// that is refused: what was over its limit is until time, or somebody who gives back,
// makes room, and the others are not counted.
func (s *Slices) Recall(r *Request) (Result, bool) {
	if !r.Watched() || r.hits() != 1 {
		return Result{}, false
	}
	l, now := s.find(r, r.redisKey()), s.now()
	if l == nil {
		return Result{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	said, age := l.said, now.Sub(l.saidAt)
	if l.gone || l.saidAt.IsZero() || age >= recallFor || !said.Allowed && age >= said.RetryAfter {
		return Result{}, false
	}
	said.Reset = max(said.Reset-age, 0)
	if !said.Allowed {
		said.RetryAfter -= age
	}
	return said, true
}

// soon is how soon a counter that is hot is asked for again.
func (s *Slices) soon(cell time.Duration) time.Duration {
	if cell == 0 || s.uses == 0 {
		return s.hot
	}
	return min(s.hot, cell/s.uses)
}

// Return takes back what Use gave: the call was not admitted after all. Of a slice that
// has ended since, nothing is left to give.
func (s *Slices) Return(r *Request, served Served) {
	l := s.find(r, r.redisKey())
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
func (s *Slices) find(r *Request, key string) *slice {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := s.held[key]
	if l == nil || l.spec != r.Spec || l.lease != r.Lease {
		return nil
	}
	return l
}

// make makes one; nil where no more can be held.
func (s *Slices) make(r *Request, key string, window int64, now time.Time) *slice {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.held[key]
	switch {
	case l != nil && l.spec == r.Spec && l.lease == r.Lease:
		return l
	case l != nil || len(s.held) >= maxSlices || r.validate() != nil:
		return nil
	}
	l = &slice{key: key, window: window, spec: r.Spec, lease: r.Lease, cell: r.Spec.cell(), last: now}
	s.held[key] = l
	return l
}

// Run looks after the slices until ctx ends, and then gives all of them back.
func (s *Slices) Run(ctx context.Context) {
	every.Turn(ctx, lookAfter, func(ctx context.Context) {
		s.sweep(ctx, s.now(), idleAfter)
		s.hear(ctx)
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.sweep(last, s.now(), 0)
}

// sweep gives back what nobody used for so long, and what is left of slices that have
// ended, and forgets what is over.
func (s *Slices) sweep(ctx context.Context, now time.Time, idle time.Duration) {
	type leftover struct {
		of       *slice
		index, n int64
	}
	var back []leftover
	s.mu.Lock()
	for key, l := range s.held {
		l.mu.Lock()
		quiet := now.Sub(l.last)
		if quiet >= idle || !l.within(now) && quiet >= s.hot {
			if l.left > 0 {
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
