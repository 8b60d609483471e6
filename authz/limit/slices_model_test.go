package limit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

// slicedSpecs are of every algorithm that has slices, busy enough for them.
var slicedSpecs = map[string]Spec{
	"sliding window":               {Algorithm: SlidingWindow, Requests: 150, Window: 10 * time.Second},
	"short sliding window":         {Algorithm: SlidingWindow, Requests: 400, Window: time.Second},
	"gcra":                         {Algorithm: GCRA, Requests: 150, Window: 10 * time.Second},
	"gcra of a large burst":        {Algorithm: GCRA, Requests: 40, Window: 2 * time.Second, Burst: 300},
	"gcra of intervals of 3.75 µs": {Algorithm: GCRA, Requests: 800_000, Window: 3 * time.Second},
	"fixed window":                 {Algorithm: FixedWindow, Requests: 150, Window: 2 * time.Second},
	"two buckets":                  {Algorithm: TwoBucket, Requests: 150, Window: 2 * time.Second},
}

// world is some replicas, one Redis, and time that passes also while Redis is asked.
type world struct {
	c        *clock
	random   *rand.Rand
	replicas []*replica
	m        *model
	request  Request
	burst    bool // now all want to be served at once
}

func newWorld(client redis.UniversalClient, spec Spec, lease int64, seed uint64) *world {
	w := &world{
		c: newClock(), random: rand.New(rand.NewPCG(seed, 1)), m: &model{spec: spec}, // #nosec G404 -- the same traffic in each run
		request: Request{Key: fmt.Sprintf("k%d:%d", seed, lease), Spec: spec, Lease: lease},
	}
	w.pass(time.Minute)
	far := []time.Duration{2 * time.Microsecond, 50 * time.Microsecond, 3 * time.Millisecond}[seed%3]
	onTheWay := func() time.Time {
		w.pass(far)
		return w.c.now()
	}
	for range 1 + seed/3%4 {
		p := newReplica(client, onTheWay)
		p.slices.now = w.c.now // of each its own, which runs as fast
		w.replicas = append(w.replicas, p)
	}
	return w
}

// pass lets less than that time pass.
func (w *world) pass(most time.Duration) {
	w.c.advance(time.Duration(w.random.Int64N(int64(most))).Truncate(time.Microsecond))
}

// step lets some time pass and one thing happen.
func (w *world) step(t *testing.T) {
	t.Helper()
	spec, p := w.request.Spec, w.replicas[w.random.IntN(len(w.replicas))]
	if w.random.IntN(60) == 0 {
		w.burst = !w.burst
		if w.random.IntN(3) == 0 {
			w.pass(3 * spec.Window / 2)
		}
	}
	switch w.random.IntN(40) {
	case 1:
		p.slices.sweep(t.Context(), w.c.now(), 0)
	case 2, 3:
		w.pass(max(spec.cell(), spec.Window/50))
	case 4: // what another limit refuses
		if served, ok := p.slices.Use(&w.request); ok {
			w.pass(20 * time.Millisecond)
			p.slices.Return(&w.request, served)
		}
	default:
		if !w.burst {
			w.pass(2 * spec.Window / time.Duration(spec.Requests))
		}
		r := w.request
		if w.random.IntN(8) == 0 {
			r.Lease = 0 // one that is asked of Redis
		}
		w.hit(t, p, r)
	}
}

func (w *world) hit(t *testing.T, p *replica, r Request) {
	t.Helper()
	served, ok := p.slices.Use(&r)
	got := served.Result
	if !ok {
		got = p.ask(t, r)
		p.slices.Correct(&r, served, &got)
	}
	at := w.c.now()
	p.slices.Asked(t.Context(), &r)
	p.settled(t)
	if !got.Allowed {
		return
	}
	if !w.m.admits(at, 1) {
		t.Fatalf("after %d hits one more was admitted: %+v", len(w.m.hits), got)
	}
	w.m.take(at, 1)
	if got.Remaining < 0 || got.Remaining >= r.Spec.capacity() || got.Reset <= 0 {
		t.Fatalf("%+v", got)
	}
}

func TestReplicasWithSlicesAdmitNothingThatTheModelRefuses(t *testing.T) {
	t.Parallel()
	const seeds, steps = 12, 200
	client := redistest.Start(t).Client()
	for name, spec := range slicedSpecs {
		for _, lease := range []int64{Auto, 30} {
			t.Run(fmt.Sprintf("%s with a lease of %d", name, lease), func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(seeds) {
					w := newWorld(client, spec, lease, seed)
					w.request.Key += name
					for range steps {
						w.step(t)
					}
				}
			})
		}
	}
}
