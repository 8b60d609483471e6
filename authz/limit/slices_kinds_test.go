package limit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
)

// hourlySpecs are limits of which nothing comes free while a test runs.
var hourlySpecs = map[string]Spec{
	"sliding window": {Algorithm: SlidingWindow, Requests: 1000, Window: 1000 * time.Hour},
	"fixed window":   {Algorithm: FixedWindow, Requests: 1000, Window: MaxWindow},
	"two buckets":    {Algorithm: TwoBucket, Requests: 1000, Window: MaxWindow},
	"gcra":           {Algorithm: GCRA, Requests: 1000, Window: 1000 * time.Hour},
}

func TestFromOneReplicaExactlyTheLimitIsAdmitted(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for name, spec := range hourlySpecs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, r := newReplica(client, nil), Request{Key: name, Spec: spec, Lease: Auto}
			var admitted atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 250 {
						if p.admit(t, r).Allowed {
							admitted.Add(1)
						}
					}
				})
			}
			all.Wait()
			p.settled(t)
			for p.admit(t, r).Allowed { // what was still under way
				admitted.Add(1)
			}
			if got := admitted.Load(); got != spec.Requests {
				t.Errorf("%d of %d admitted", got, spec.Requests)
			}
			if asked := p.asked.Load(); asked > 1900 {
				t.Errorf("Redis was asked for %d of 2000 calls", asked)
			}
		})
	}
}

func TestWhatRemainsGoesDownByOneWithEachHit(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for name, spec := range hourlySpecs {
		for _, lease := range []int64{Auto, 100} {
			c := newClock()
			p := newReplica(client, c.now)
			r := Request{Key: Key(name, time.Duration(lease).String()), Spec: spec, Lease: lease}
			for used := range spec.Requests {
				c.advance(5 * time.Millisecond)
				got := p.admit(t, r)
				if !got.Allowed || got.Remaining != spec.Requests-used-1 || got.Reset <= 0 {
					t.Fatalf("%s, lease %d: after %d hits: %+v", name, lease, used, got)
				}
				p.settled(t)
			}
			if got := p.admit(t, r); got.Allowed {
				t.Errorf("%s, lease %d: %+v", name, lease, got)
			}
		}
	}
}

func TestOfGCRASlicesTakeAFiftiethOfTheBurstAtMost(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for name, spec := range map[string]Spec{
		"slower than the user": {Algorithm: GCRA, Requests: 1000, Window: time.Minute},
		"faster than the user": {Algorithm: GCRA, Requests: 1000, Window: 2 * time.Second},
	} {
		c := newClock()
		p, r := newReplica(client, c.now), Request{Key: name, Spec: spec, Lease: Auto}
		m := &model{spec: spec}
		for used := range 1500 {
			c.advance(5 * time.Millisecond)
			got := p.admit(t, r)
			p.settled(t)
			exact := float64(spec.Requests) - m.bucket(c.now()) - 1
			if told := float64(got.Remaining); told < exact-float64(spec.Requests)/50-1 || !got.Allowed && exact > float64(spec.Requests)/50 {
				t.Fatalf("%s: after %d hits, where %.1f remain: %+v", name, used, exact, got)
			}
			if got.Allowed {
				m.take(c.now(), 1)
			}
		}
	}
}

func TestASliceEndsBeforeItsHitsCount(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for name, spec := range slicedSpecs {
		c := newClock()
		p, r := newReplica(client, c.now), Request{Key: name, Spec: spec, Lease: 20}
		for range 50 {
			c.advance(spec.Window / 77)
			p.admit(t, r)
			p.settled(t)
			l := p.slices.find(&r, r.redisKey())
			if l == nil || l.left == 0 {
				continue
			}
			counted := l.index // in µs, the end of the cell
			if l.cell == 0 {
				counted = (l.index + 1) * spec.Window.Microseconds()
			}
			if l.ends.UnixMicro() > counted {
				t.Fatalf("%s: used until %s, counted at %s", name, l.ends, time.UnixMicro(counted))
			}
		}
	}
}

func TestWhatIsNotUsedComesBack(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for name, spec := range hourlySpecs {
		c := newClock()
		p, r := newReplica(client, c.now), Request{Key: name, Spec: spec, Lease: 100}
		used := int64(0)
		for range 250 {
			c.advance(2 * time.Millisecond)
			p.admit(t, r)
			p.settled(t)
			used++
		}
		for _, later := range []time.Duration{0, 10 * time.Second} { // of a slice in use, and of one that has ended
			p.admit(t, r)
			p.admit(t, r)
			p.settled(t)
			used += 2
			c.advance(later)
			p.slices.sweep(t.Context(), c.now(), 0)
			peek := r
			peek.Peek = true
			if got := p.ask(t, peek).Remaining; got != spec.Requests-used {
				t.Errorf("%s: %d remain, want %d", name, got, spec.Requests-used)
			}
		}
	}
}

// A thousand in ten seconds are one each 10 ms; slices end 133 ms apart.
var thousand = Spec{Algorithm: GCRA, Requests: 1000, Window: 10 * time.Second}

// cells is a counter whose slices are taken and given back by hand.
type cells struct {
	*replica
	c *clock
	l *slice
}

func newCells(t *testing.T, key string) *cells {
	t.Helper()
	c := newClock()
	p := newReplica(redistest.Start(t).Client(), c.now)
	r := Request{Key: key, Spec: thousand, Lease: 100}
	return &cells{replica: p, c: c, l: p.slices.make(&r, r.redisKey(), 0, c.now())}
}

func (p *cells) run(t *testing.T, k taking) sliced {
	t.Helper()
	got, err := p.slices.run(t.Context(), p.l, k)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// until goes to a time that is so far from the end of a slice.
func (p *cells) until(at int64, off time.Duration) {
	p.c.advance(time.UnixMicro(at).Add(off).Sub(p.c.now()))
}

func (p *cells) hit(t *testing.T, hits int64) int64 {
	t.Helper()
	r := Request{Key: "k", Spec: thousand, Hits: hits}
	return p.ask(t, r).Remaining
}

func (p *cells) remaining(t *testing.T) int64 {
	t.Helper()
	return p.ask(t, Request{Key: "k", Spec: thousand, Peek: true}).Remaining
}

func TestOfGCRANothingComesBackForTimeThatPassedUnused(t *testing.T) {
	t.Parallel()
	t.Run("the bucket was empty between", func(t *testing.T) {
		t.Parallel()
		p := newCells(t, "k")
		first := p.run(t, taking{n: 5})
		p.until(first.index, 55*time.Millisecond) // five are gone after 50
		p.hit(t, 20)
		if second := p.run(t, taking{n: 5}); second.index != first.index+p.l.cell.Microseconds() {
			t.Fatalf("%+v, then %+v", first, second)
		}
		before := p.remaining(t)
		p.run(t, taking{back: 5, index: first.index})
		if got := p.remaining(t); got != before {
			t.Errorf("%d remain, before %d", got, before)
		}
	})
	t.Run("without it the bucket was empty when somebody came", func(t *testing.T) {
		t.Parallel()
		p := newCells(t, "k")
		first := p.run(t, taking{n: 30})
		p.until(first.index, 150*time.Millisecond)
		before := p.hit(t, 1)
		p.run(t, taking{back: 30, index: first.index})
		if got := p.remaining(t); got != before {
			t.Errorf("%d remain, before %d", got, before)
		}
	})
	t.Run("without it the bucket was empty when somebody came, after the next slice", func(t *testing.T) {
		t.Parallel()
		p := newCells(t, "k")
		p.hit(t, 50)
		first := p.run(t, taking{n: 40}) // 90 are gone after 900 ms, 50 after 500
		p.until(first.index, time.Millisecond)
		p.run(t, taking{n: 5})
		p.until(first.index, 600*time.Millisecond)
		before := p.hit(t, 1)
		p.run(t, taking{back: 40, index: first.index})
		if got := p.remaining(t); got != before {
			t.Errorf("%d remain, before %d", got, before)
		}
	})
	t.Run("others took theirs after it, and it had none to give them", func(t *testing.T) {
		t.Parallel()
		p := newCells(t, "k")
		first := p.run(t, taking{n: 5})
		p.until(first.index, time.Millisecond) // the second slice ends 132 ms later, after 13 hits' time
		p.run(t, taking{n: 50})
		before := p.remaining(t)
		p.run(t, taking{back: 5, index: first.index})
		if got := p.remaining(t); got != before {
			t.Errorf("%d remain, before %d", got, before)
		}
	})
	t.Run("it was there all the time", func(t *testing.T) {
		t.Parallel()
		p := newCells(t, "k")
		p.hit(t, 500)
		first := p.run(t, taking{n: 50})
		p.until(first.index, time.Millisecond)
		p.run(t, taking{n: 20})
		p.hit(t, 3)
		before := p.remaining(t)
		p.run(t, taking{back: 50, index: first.index})
		if got := p.remaining(t); got != before+50 {
			t.Errorf("%d remain, want %d", got, before+50)
		}
	})
	t.Run("two slices later", func(t *testing.T) {
		t.Parallel()
		p := newCells(t, "k")
		p.hit(t, 500)
		first := p.run(t, taking{n: 50})
		p.until(first.index, time.Millisecond)
		p.run(t, taking{n: 20})
		p.c.advance(p.l.cell)
		p.run(t, taking{n: 20})
		before := p.remaining(t)
		p.run(t, taking{back: 50, index: first.index})
		if got := p.remaining(t); got != before {
			t.Errorf("%d remain, before %d", got, before)
		}
	})
}

func TestOfGCRATheTimeOfASliceIsNotOthersToo(t *testing.T) {
	t.Parallel()
	p := newCells(t, "k")
	const held = 200
	slice := p.run(t, taking{n: held})
	if slice.taken != held {
		t.Fatalf("%+v", slice)
	}
	p.until(slice.index, -time.Millisecond) // and only then they are used
	if others := p.remaining(t); others+held > thousand.Requests {
		t.Errorf("%d remain for others beside %d", others, held)
	}
}

func TestAfterAResetNothingOfTheBudgetBeforeComesBack(t *testing.T) {
	t.Parallel()
	for name, spec := range hourlySpecs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			client := redistest.Start(t).Client()
			p := newReplica(client, c.now)
			r := Request{Key: "k", Spec: spec, Lease: 200}
			p.admit(t, r)
			p.admit(t, r)
			p.settled(t)
			client.Del(t.Context(), r.redisKey())
			exact := r
			exact.Lease, exact.Hits = 0, 10
			p.ask(t, exact)
			p.slices.sweep(t.Context(), c.now(), 0)
			exact.Peek = true
			if got := p.ask(t, exact).Remaining; got != spec.Requests-10 {
				t.Errorf("%d remain", got)
			}
		})
	}
}

func TestCountersThatAreNotHotTakeNoPlace(t *testing.T) {
	t.Parallel()
	p := newReplica(redistest.Start(t).Client(), nil)
	for i := range 5000 {
		r := hourly(Key("cold", time.Duration(i).String()), 1000, Auto)
		p.slices.Asked(t.Context(), &r)
	}
	if n := len(p.slices.held); n > 0 {
		t.Errorf("%d counters that were asked for once are held", n)
	}
}

func TestWhatHasNoSlices(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Request{
		"a limit so small that its last hits are all it has": hourly("k", 63, Auto),
		"a window that is too short":                         {Spec: Spec{Requests: 1000, Window: 999 * time.Millisecond}, Lease: Auto},
		"a bucket that is full too soon":                     {Spec: Spec{Algorithm: GCRA, Requests: 1000, Window: time.Minute, Burst: 10}, Lease: 2},
		"a quota":                                            {Spec: Spec{Algorithm: Quota, Requests: 1000, Calendar: Calendar{Period: Daily}}, Lease: Auto},
		"places":                                             {Spec: Spec{Algorithm: Concurrency, Requests: 1000, Window: time.Hour}, Lease: Auto},
		"one that is to be asked":                            hourly("k", 1000, 0),
		"a question":                                         {Spec: hourly("k", 1000, 0).Spec, Lease: Auto, Peek: true},
		"more hits than a slice has":                         {Spec: hourly("k", 1000, 0).Spec, Lease: 5, Hits: 6},
	} {
		if r.Leasable() {
			t.Error(name)
		}
	}
}

func TestWhatRedisSaidIsSaidAgainForATenthOfASecondAtMost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		r     Request
		said  Result
		after time.Duration
		want  Result
		known bool
	}{
		{"a refusal, and when it ends", hourly("k", 10, Auto), Result{Reset: time.Second, RetryAfter: time.Second}, 99 * time.Millisecond,
			Result{Reset: 901 * time.Millisecond, RetryAfter: 901 * time.Millisecond}, true},
		{"not later", hourly("k", 10, Auto), Result{Reset: time.Second, RetryAfter: time.Second}, 100 * time.Millisecond, Result{}, false},
		{"not a refusal that has ended", hourly("k", 10, Auto), Result{Reset: time.Second, RetryAfter: 20 * time.Millisecond}, 20 * time.Millisecond, Result{}, false},
		{"what remained of one that admits", hourly("k", 1000, Auto), Result{Allowed: true, Remaining: 5, Reset: time.Second}, 40 * time.Millisecond,
			Result{Allowed: true, Remaining: 5, Reset: 960 * time.Millisecond}, true},
		{"nothing where each request is to be asked about", hourly("k", 10, 0), Result{RetryAfter: time.Second}, 0, Result{}, false},
		{"nothing of places, which come free at any time", Request{Key: "k", Lease: Auto, Spec: Spec{Algorithm: Concurrency, Requests: 1, Window: time.Hour}},
			Result{RetryAfter: time.Second}, 0, Result{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			p := newReplica(redistest.Start(t).Client(), c.now)
			p.slices.Asked(t.Context(), &test.r)
			p.slices.Asked(t.Context(), &test.r)
			p.settled(t)
			p.slices.Said(&test.r, &test.said)
			c.advance(test.after)
			if got, known := p.slices.Recall(&test.r); got != test.want || known != test.known {
				t.Errorf("%+v, %v", got, known)
			}
		})
	}
}
