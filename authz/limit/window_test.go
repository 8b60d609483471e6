package limit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

// patient is long enough for any machine that tests run on.
const patient = 20 * time.Second

func hourly(key string, limit, lease int64) Request {
	return Request{Key: key, Spec: Spec{Algorithm: FixedWindow, Requests: limit, Window: 400 * 24 * time.Hour}, Lease: lease}
}

func count(t *testing.T, w *Windows, r Request) Result {
	t.Helper()
	results, err := w.Count(t.Context(), []Request{r})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func TestWindowsCountExactlyAsTheModelDoes(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	for _, lease := range []int64{0, 1, 7, Auto} {
		t.Run(fmt.Sprintf("with leases of %d", lease), func(t *testing.T) {
			c := newClock()
			replicas := []*Windows{alwaysHot(client, c.now), alwaysHot(client, c.now)}
			random := rand.New(rand.NewPCG(1, uint64(lease))) //nolint:gosec // a test's traffic, the same each time
			used, admitted := map[int64]int64{}, map[int64]int64{}
			for range 2000 {
				c.advance(time.Duration(random.IntN(int(100 * time.Millisecond))))
				w := replicas[random.IntN(2)]
				if random.IntN(40) == 0 {
					w.slices.sweep(t.Context(), c.now(), 0)
				}
				r := Request{
					Key: fmt.Sprintf("model%d", lease), Hits: 1 + random.Int64N(3), Lease: lease, Peek: random.IntN(10) == 0,
					Spec: Spec{Algorithm: FixedWindow, Requests: 70, Window: 5 * time.Second},
				}
				index := c.now().UnixMicro() / r.Spec.Window.Microseconds()
				if !r.Peek {
					used[index] += r.Hits
				}
				got := count(t, w, r)
				settle(t, w.slices)
				if got.Allowed && !r.Peek {
					admitted[index] += r.Hits
				}
				if admitted[index] > r.Spec.Requests {
					t.Fatalf("%d admitted of 70", admitted[index])
				}
				if fits := used[index] <= r.Spec.Requests; got.Allowed != fits && lease == 0 {
					t.Fatalf("%d used of 70, hits %d, peek %v: %+v", used[index], r.Hits, r.Peek, got)
				}
				if lease == 0 && got.Remaining != max(0, 70-used[index]) {
					t.Fatalf("%d used of 70: %+v", used[index], got)
				}
			}
		})
	}
}

// alwaysHot finds every counter hot that was asked for before.
func alwaysHot(client redis.UniversalClient, now func() time.Time) *Windows {
	w := NewWindows(client, patient, now)
	w.slices.hot = 1000 * 24 * time.Hour
	return w
}

// hold has w take a slice, by two hits.
func hold(t *testing.T, w *Windows, r Request) {
	t.Helper()
	for range 2 {
		count(t, w, r)
	}
	settle(t, w.slices)
}

func TestReplicasTogetherNeverAdmitMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	const limit, replicas, callers = 2000, 3, 8
	client := redistest.Start(t).Client()
	for _, lease := range []int64{0, 1, 10, 100, 5000} {
		t.Run(fmt.Sprintf("with leases of %d", lease), func(t *testing.T) {
			var admitted atomic.Int64
			var all sync.WaitGroup
			for range replicas {
				w := alwaysHot(client, nil)
				for range callers {
					all.Go(func() {
						for range 150 {
							results, err := w.Count(context.Background(), []Request{hourly(fmt.Sprintf("hot%d", lease), limit, lease)})
							if err != nil {
								t.Error(err)
								return
							}
							if results[0].Allowed {
								admitted.Add(1)
							}
						}
					})
				}
			}
			all.Wait()
			// What is under-used is what the replicas still hold.
			if got := admitted.Load(); got > limit || got < max(0, limit-replicas*(lease+lease/4+1)) {
				t.Errorf("%d of %d admitted", got, limit)
			}
		})
	}
}

func TestASliceOfAWindowThatIsNotUsedGoesBack(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	a, b := alwaysHot(client, nil), NewWindows(client, patient, nil)
	hold(t, a, hourly("k", 100, 20))
	if got := count(t, b, hourly("k", 100, 0)); got.Remaining != 77 {
		t.Errorf("while a holds 20: %+v", got)
	}
	a.slices.sweep(t.Context(), time.Now(), time.Hour)
	if got := count(t, b, hourly("k", 100, 0)); got.Remaining != 76 {
		t.Errorf("a slice in use went back: %+v", got)
	}
	a.slices.sweep(t.Context(), time.Now().Add(idleAfter), idleAfter)
	if got := count(t, b, hourly("k", 100, 0)); got.Remaining != 95 {
		t.Errorf("after a gave back: %+v", got)
	}
	for _, key := range client.Keys(t.Context(), "*:c*").Val() {
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 {
			t.Errorf("%s lives for %s", key, ttl)
		}
	}
}

func TestASliceMakesACounterThatRedisLostAndGivesItAnEnd(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := alwaysHot(client, nil)
	hold(t, w, hourly("k", 100, 20))
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	// What was taken before that does not make the new counter smaller than it is.
	w.slices.sweep(t.Context(), time.Now(), 0)
	if n := client.Exists(t.Context(), client.Keys(t.Context(), "*:c*").Val()...).Val(); n != 0 {
		t.Errorf("%d counters of what went back", n)
	}
	r := hourly("k", 100, 20)
	now := time.Now()
	key := windowKey("k", now.UnixMicro()/r.Spec.Window.Microseconds())
	w.slices.recent.again(key, now, time.Hour)
	w.slices.asked(t.Context(), &r, nil, key, now.UnixMicro()/r.Spec.Window.Microseconds(), now)
	settle(t, w.slices)
	left := r.Spec.Window - time.Duration(now.UnixMicro()%r.Spec.Window.Microseconds())*time.Microsecond
	if n, ttl := client.Get(t.Context(), key).Val(), client.PTTL(t.Context(), key).Val(); n != "20" || ttl < left-time.Minute || ttl > left+time.Minute {
		t.Errorf("%s counted, for %s; the window lasts %s", n, ttl, left)
	}
}

func TestAHotWindowIsServedFromHereUntilRedisIsNeeded(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := alwaysHot(server.Client(), nil)
	hold(t, w, hourly("k", 100, 20))
	server.Stop()
	for i := range int64(20) {
		got := count(t, w, hourly("k", 100, 20))
		if !got.Allowed || got.Remaining != 97-i || got.Reset <= 0 {
			t.Fatalf("hit %d: %+v", i, got)
		}
		settle(t, w.slices)
	}
	if got, err := w.Count(t.Context(), []Request{hourly("k", 100, 20)}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after the slice: %+v, %v", got, err)
	}
}

func TestAReplicaThatEndsGivesBackAllItHolds(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	a, b := alwaysHot(client, nil), NewWindows(client, patient, nil)
	hold(t, a, hourly("k", 100, 20))
	ctx, end := context.WithCancel(t.Context())
	end()
	a.Run(ctx)
	if got := count(t, b, hourly("k", 100, 0)); got.Remaining != 97 {
		t.Errorf("got %+v", got)
	}
}

func TestAKilledReplicaCostsAtMostItsSlice(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	admitted := 0
	for range 5 { // each is lost, with what it holds
		w := alwaysHot(client, nil)
		for range 3 {
			if count(t, w, hourly("k", 100, 10)).Allowed {
				admitted++
			}
			settle(t, w.slices)
		}
	}
	last := NewWindows(client, patient, nil)
	for range 200 {
		if count(t, last, hourly("k", 100, 0)).Allowed {
			admitted++
		}
	}
	if admitted > 100-5*5 || admitted < 100-5*10 {
		t.Errorf("%d of 100 admitted", admitted)
	}
}

func TestWhatIsOverItsLimitIsSoWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := NewWindows(server.Client(), patient, nil)
	for range 3 {
		count(t, w, hourly("k", 1, 0))
	}
	server.Stop()
	got := count(t, w, hourly("k", 1, 0))
	if got.Allowed || got.Remaining != 0 || got.RetryAfter <= 0 || got.Reset != got.RetryAfter {
		t.Errorf("got %+v", got)
	}
}

func TestACounterThatRedisLostGetsAnEndAgain(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := NewWindows(client, patient, nil)
	count(t, w, hourly("k", 9, 0))
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	count(t, w, hourly("k", 9, 0))
	for _, key := range client.Keys(t.Context(), "*").Val() {
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 {
			t.Errorf("%s lives for %s", key, ttl)
		}
	}
}

// gate holds the first command until it is opened, and counts what goes out.
type gate struct {
	open  chan struct{}
	held  chan struct{}
	once  sync.Once
	trips atomic.Int64
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		g.trips.Add(1)
		g.once.Do(func() { close(g.held); <-g.open })
		return next(ctx, cmd)
	}
}

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		g.trips.Add(1)
		return next(ctx, cmds)
	}
}

func TestWhatArrivesTogetherSharesARoundTrip(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := NewWindows(client, patient, nil)
	count(t, w, hourly("first", 9, 0)) // the clock is known now
	g := &gate{open: make(chan struct{}), held: make(chan struct{})}
	client.AddHook(g)
	w.lanes.only.mu.Lock()
	w.lanes.only.flying = maxFlying - 1 // as if the others were busy
	w.lanes.only.mu.Unlock()
	var callers sync.WaitGroup
	ask := func(key string) {
		callers.Go(func() {
			if _, err := w.Count(context.Background(), []Request{hourly(key, 9, 0)}); err != nil {
				t.Error(err)
			}
		})
	}
	ask("held")
	<-g.held
	for i := range 50 {
		ask(fmt.Sprint("k", i))
	}
	eventually(t, func() bool {
		w.lanes.only.mu.Lock()
		defer w.lanes.only.mu.Unlock()
		return len(w.lanes.only.queue) == 50
	})
	close(g.open)
	callers.Wait()
	// The one that was held, the rest, and perhaps a new connection and the clock.
	if n := g.trips.Load(); n > 5 {
		t.Errorf("51 callers made %d round trips", n)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patient)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never came to that")
		}
	}
}

func TestARedisThatHangsIsGivenUpInTimeAndThenNotAsked(t *testing.T) {
	t.Parallel()
	w := NewWindows(redistest.Deaf(t), 20*time.Millisecond, newClock().now)
	var err error
	for range tripAfter {
		if _, err = w.Count(t.Context(), []Request{hourly("k", 9, 0)}); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOpen) {
			t.Fatal(err)
		}
	}
	if !w.lanes.only.breaker.isOpen() {
		t.Error("the breaker is closed")
	}
	w.lanes.only.breaker.mu.Lock()
	w.lanes.only.breaker.probeAt = time.Now().Add(time.Hour)
	w.lanes.only.breaker.mu.Unlock()
	if _, err = w.Count(t.Context(), []Request{hourly("k", 9, 0)}); !errors.Is(err, ErrOpen) || !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestRedisThatComesBackIsUsedAgainAndNothingIsOverAdmitted(t *testing.T) {
	t.Parallel()
	server := redistest.StartDurable(t)
	w := NewWindows(server.Client(), time.Second, nil)
	const limit = 40
	admitted := 0
	try := func() error {
		results, err := w.Count(t.Context(), []Request{hourly("k", limit, 0)})
		if err == nil && results[0].Allowed {
			admitted++
		}
		return err
	}
	for range 2 {
		for range 10 {
			if err := try(); err != nil {
				t.Fatal(err)
			}
		}
		server.Stop()
		eventually(t, func() bool { return errors.Is(try(), ErrOpen) })
		server.Restart()
		eventually(t, func() bool { return try() == nil })
		eventually(t, func() bool { _ = try(); return !w.lanes.only.breaker.isOpen() })
	}
	for range 2 * limit {
		_ = try() // over or not is what is counted
	}
	if admitted > limit || admitted < 20 {
		t.Errorf("%d of %d admitted", admitted, limit)
	}
}

func TestTheBreakerTakesMoreToCloseThanToStayOpen(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := &breaker{now: c.now}
	fail := func() { b.leave(false) }
	for range tripAfter - 1 {
		fail()
	}
	b.leave(true) // failures have to be in a row
	for range tripAfter - 1 {
		fail()
	}
	if b.isOpen() || b.enter() != nil {
		t.Fatal("it opened early")
	}
	fail()
	if b.enter() == nil {
		t.Fatal("it is not open")
	}
	c.advance(probeFirst)
	if b.enter() != nil || b.enter() == nil {
		t.Fatal("not exactly one probe")
	}
	fail()
	c.advance(probeFirst)
	if b.enter() == nil {
		t.Fatal("the second wait is not longer")
	}
	c.advance(probeFirst)
	for i := range closeAfter {
		if err := b.enter(); err != nil || !b.isOpen() {
			t.Fatalf("probe %d: %v", i, err)
		}
		b.leave(true)
	}
	if b.isOpen() {
		t.Error("it is still open")
	}
}

func TestMembersAreCounted(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	a, b := NewWindows(client, patient, nil), NewWindows(client, patient, nil)
	a.members.tell(t.Context(), a.lanes)
	b.members.tell(t.Context(), b.lanes)
	if a.Members() != 1 || b.Members() != 2 {
		t.Errorf("%d and %d", a.Members(), b.Members())
	}
	b.members.leave(t.Context(), b.lanes)
	a.members.told = time.Time{}
	a.members.tell(t.Context(), a.lanes)
	if a.Members() != 1 {
		t.Errorf("after one left: %d", a.Members())
	}
}
