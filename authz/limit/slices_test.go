package limit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

// replica is one that asks its slices first, as Check does.
type replica struct {
	limiter *Limiter
	slices  *Slices
	asked   atomic.Int64 // calls that Redis was asked for
}

// newReplica finds every counter hot that was asked for before.
func newReplica(client redis.UniversalClient, now func() time.Time) *replica {
	line := NewLine(client, patient)
	r := &replica{limiter: NewOn(line, now), slices: NewSlices(line, now)}
	r.slices.hot, r.slices.uses = 1000*24*time.Hour, 0
	return r
}

func (p *replica) admit(t *testing.T, r Request) Result {
	t.Helper()
	defer p.slices.Asked(t.Context(), &r)
	served, ok := p.slices.Use(&r)
	if ok {
		return served.Result
	}
	got := p.ask(t, r)
	p.slices.Correct(&r, served, &got)
	return got
}

// ask is what Redis says.
func (p *replica) ask(t *testing.T, r Request) Result {
	t.Helper()
	p.asked.Add(1)
	results, err := p.limiter.Admit(t.Context(), []Request{r})
	if err != nil {
		t.Error(err)
		return Result{}
	}
	return results[0]
}

// settled waits for the slices that are on their way.
func (p *replica) settled(t *testing.T) {
	t.Helper()
	settle(t, p.slices)
}

func settle(t *testing.T, s *Slices) {
	t.Helper()
	eventually(t, func() bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, l := range s.held {
			l.mu.Lock()
			taking := l.taking
			l.mu.Unlock()
			if taking {
				return false
			}
		}
		return true
	})
}

func TestReplicasWithSlicesNeverAdmitMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for _, lease := range []int64{0, 1, 10, 100, 5000} {
		t.Run(fmt.Sprintf("with leases of %d", lease), func(t *testing.T) {
			const limit, replicas, callers = 2000, 3, 8
			r := hourly(fmt.Sprintf("hot%d", lease), limit, lease)
			var admitted, calls atomic.Int64
			var all sync.WaitGroup
			var made []*replica
			for range replicas {
				p := newReplica(client, nil)
				made = append(made, p)
				for range callers {
					all.Go(func() {
						for range 150 {
							calls.Add(1)
							if p.admit(t, r).Allowed {
								admitted.Add(1)
							}
						}
					})
				}
			}
			all.Wait()
			// What nobody used goes back, and is there for one that asks.
			for _, p := range made {
				p.settled(t)
				p.slices.sweep(t.Context(), time.Now(), 0)
			}
			last := newReplica(client, nil)
			r.Lease = 0
			for last.admit(t, r).Allowed {
				admitted.Add(1)
			}
			if got := admitted.Load(); got != limit {
				t.Errorf("%d of %d admitted", got, limit)
			}
		})
	}
}

func TestAHotCounterIsServedFromHere(t *testing.T) {
	t.Parallel()
	p := newReplica(redistest.Start(t).Client(), nil)
	r := hourly("k", 1_000_000, 100)
	for range 2000 {
		if !p.admit(t, r).Allowed {
			t.Fatal("refused")
		}
		p.settled(t)
	}
	if asked := p.asked.Load(); asked > 3 {
		t.Errorf("Redis was asked for %d of 2000 calls", asked)
	}
}

func TestACounterThatIsSeldomAskedForHasNoSlice(t *testing.T) {
	t.Parallel()
	c := newClock()
	p := newReplica(redistest.Start(t).Client(), c.now)
	p.slices.hot = hotWithin
	for range 20 {
		p.admit(t, hourly("k", 1000, 100))
		p.settled(t)
		c.advance(hotWithin)
	}
	if asked := p.asked.Load(); asked != 20 {
		t.Errorf("Redis was asked for %d of 20 calls", asked)
	}
	if got := p.admit(t, hourly("k", 1000, 0)); got.Remaining != 979 {
		t.Errorf("more than was asked for is counted: %+v", got)
	}
}

func TestSlicesAreOfTheirWindowAlone(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	c := newClock()
	replicas := []*replica{newReplica(client, c.now), newReplica(client, c.now)}
	random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test's traffic, the same each time
	r := Request{Key: "k", Lease: 5, Spec: Spec{Algorithm: FixedWindow, Requests: 20, Window: 5 * time.Second}}
	admitted := map[int64]int64{}
	for range 3000 {
		c.advance(time.Duration(random.IntN(int(300 * time.Millisecond))))
		p, index := replicas[random.IntN(2)], c.now().UnixMicro()/r.Spec.Window.Microseconds()
		if served, ok := p.slices.Use(&r); ok && random.IntN(3) == 0 {
			c.advance(time.Duration(random.IntN(int(time.Second)))) // perhaps into the next window
			p.slices.Return(&r, served)
			continue
		} else if ok || p.admit(t, r).Allowed {
			admitted[index]++
		}
		p.settled(t)
		if admitted[index] > r.Spec.Requests {
			t.Fatalf("%d admitted of 20", admitted[index])
		}
	}
}

func TestASliceThatIsReturnedIsOfTheSameWindow(t *testing.T) {
	t.Parallel()
	c := newClock()
	p := newReplica(redistest.Start(t).Client(), c.now)
	r := Request{Key: "k", Lease: 5, Spec: Spec{Algorithm: FixedWindow, Requests: 20, Window: time.Second}}
	p.admit(t, r)
	p.admit(t, r)
	p.settled(t)
	served, ok := p.slices.Use(&r)
	if !ok {
		t.Fatal("no slice")
	}
	left := func() int64 { return p.slices.held[r.redisKey()].left }
	had := left()
	p.slices.Return(&r, served)
	if left() != had+1 {
		t.Errorf("%d left, want %d", left(), had+1)
	}
	c.advance(time.Second)
	p.admit(t, r)
	p.settled(t)
	had = left()
	p.slices.Return(&r, served)
	if left() != had {
		t.Errorf("a hit of the window before came back: %d left, had %d", left(), had)
	}
}

func TestAnIdleSliceGoesBackAndAResetOneIsDropped(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	p := newReplica(client, nil)
	r := hourly("k", 100, 20)
	hold := func() {
		p.admit(t, r)
		p.admit(t, r)
		p.settled(t)
	}
	peek := func() int64 {
		r := r
		r.Peek = true
		return p.admit(t, r).Remaining
	}
	hold()
	if got := peek(); got != 78 {
		t.Errorf("with a slice %d remain", got)
	}
	p.slices.sweep(t.Context(), time.Now(), time.Hour)
	if got := peek(); got != 78 {
		t.Errorf("a slice in use went back: %d remain", got)
	}
	p.slices.sweep(t.Context(), time.Now().Add(idleAfter), idleAfter)
	if got := peek(); got != 98 {
		t.Errorf("after it went back %d remain", got)
	}
	hold()
	inspector := NewInspector(client)
	counters, err := inspector.Show(t.Context(), "k")
	if err != nil || len(counters) != 1 {
		t.Fatalf("%v, %v", counters, err)
	}
	if _, err := inspector.Reset(t.Context(), counters); err != nil {
		t.Fatal(err)
	}
	p.slices.hear(t.Context())
	if _, ok := p.slices.Use(&r); ok {
		t.Error("a slice of the budget before the reset is still used")
	}
}

func TestWithoutRedisSlicesLastAndNoMoreAreTaken(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	p := newReplica(server.Client(), nil)
	r := hourly("k", 100, 20)
	p.admit(t, r)
	p.admit(t, r)
	p.settled(t)
	server.Stop()
	served := 0
	for range 50 {
		if _, ok := p.slices.Use(&r); ok {
			served++
		}
		p.slices.Asked(t.Context(), &r)
		p.settled(t)
	}
	if served != 20 {
		t.Errorf("%d served of a slice of 20", served)
	}
}
