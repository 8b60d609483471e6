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

	"gatehouse/authz/internal/redistest"
)

func places(key string, n int64) Request {
	return Request{Key: key, Spec: Spec{Name: key, Algorithm: Concurrency, Requests: n, Window: time.Minute}}
}

func TestNeverMoreStreamsAtOnceThanTheModelAllows(t *testing.T) {
	t.Parallel()
	c := newClock()
	w := NewWindows(redistest.Start(t).Client(), patient, c.now)
	random := rand.New(rand.NewPCG(3, 4)) // #nosec G404 -- the same traffic in each run
	type stream struct {
		hold Hold
		till time.Time
	}
	var open []stream // the model: who holds a place, and until when at most
	for range 1500 {
		c.advance(time.Duration(random.Int64N(int64(8 * time.Second))))
		left, used := open[:0], int64(0)
		for _, s := range open {
			if s.till.After(c.now()) {
				left, used = append(left, s), used+s.hold.Hits
			}
		}
		open = left
		if len(open) > 0 && random.IntN(3) == 0 {
			i := random.IntN(len(open))
			for range 1 + random.IntN(2) { // told twice, it counts once
				if err := w.Release(t.Context(), open[i].hold); err != nil {
					t.Fatal(err)
				}
			}
			used -= open[i].hold.Hits
			open = append(open[:i], open[i+1:]...)
		}
		r := places("model", 6)
		r.Hits, r.Peek = 1+random.Int64N(2), random.IntN(10) == 0
		fits := used+r.hits() <= 6
		got := count(t, w, r)
		if got.Allowed != fits || got.Hold.Held() != (fits && !r.Peek) {
			t.Fatalf("%d of 6 used, %+v: %+v", used, r, got)
		}
		if got.Hold.Held() {
			open, used = append(open, stream{got.Hold, c.now().Add(time.Minute)}), used+r.Hits
		}
		if got.Remaining != 6-used || got.Allowed != (got.RetryAfter == 0) || got.Reset > time.Minute {
			t.Fatalf("%d of 6 used: %+v", used, got)
		}
	}
}

func TestManyCallersHoldNoMorePlacesThanThereAre(t *testing.T) {
	t.Parallel()
	w := NewWindows(redistest.Start(t).Client(), patient, nil)
	var now, most, refused atomic.Int64
	var callers sync.WaitGroup
	for range 12 {
		callers.Go(func() {
			for range 60 {
				got, err := w.Count(context.Background(), []Request{places("busy", 5)})
				if err != nil {
					t.Error(err)
					return
				}
				if !got[0].Allowed {
					refused.Add(1)
					continue
				}
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				now.Add(-1)
				if err := w.Release(context.Background(), got[0].Hold); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if most.Load() > 5 {
		t.Errorf("%d at once of 5", most.Load())
	}
	if got := count(t, w, places("busy", 5)); got.Remaining != 4 {
		t.Errorf("at rest: %+v", got)
	}
}

func TestACallThatFailsKeepsNoPlace(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := NewWindows(client, patient, nil)
	client.Set(t.Context(), Hold{Key: "broken"}.redisKey(), "no sorted set", 0)
	if _, err := w.Count(t.Context(), []Request{places("held", 2), places("broken", 2), hourly("fixed", 5, 0)}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("%v", err)
	}
	if got := count(t, w, places("held", 2)); got.Remaining != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAHoldIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	w := NewWindows(redistest.Start(t).Client(), patient, nil)
	r := places(Key("rls", "a domain", "k|v{}"), 9)
	r.Hits = 3
	hold := count(t, w, r).Hold
	if got, err := ParseHold(hold.String()); err != nil || got != hold {
		t.Errorf("%q: %+v, %v", hold, got, err)
	}
	for _, text := range []string{"", "1", "1 a b", "1 " + hold.ID, "0 " + hold.ID + " k", "99999999 " + hold.ID + " k", "1 " + hold.ID + " k}:c", "1 " + hold.ID + " a b"} {
		if got, err := ParseHold(text); !errors.Is(err, ErrHold) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestAlgorithmsOfOneCallAreCountedEachByItsOwn(t *testing.T) {
	t.Parallel()
	w := NewWindows(redistest.Start(t).Client(), patient, nil)
	var requests []Request
	for _, algorithm := range []Algorithm{FixedWindow, Concurrency, GCRA, TwoBucket, SlidingWindow, Quota} {
		requests = append(requests, Request{Key: "same", Spec: Spec{
			Name: string(algorithm), Algorithm: algorithm, Requests: 3, Window: 400 * 24 * time.Hour, Calendar: Calendar{Period: Monthly},
		}})
	}
	for i := range int64(3) {
		results, err := w.Count(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		for j, got := range results {
			if got.Name != requests[j].Spec.Name || !got.Allowed || got.Remaining != 2-i {
				t.Errorf("call %d: %+v", i, got)
			}
		}
	}
	for i := range requests {
		requests[i].Peek = true
	}
	results, err := w.Count(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range results {
		if !got.Allowed || got.Remaining != 0 {
			t.Errorf("looking counts nothing and exceeds nothing: %+v", got)
		}
	}
}

func TestACallTakesPlacesOnlyIfAllItsLimitsAdmitIt(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	l := New(client, nil)
	stream, window := places("streams", 2), hourly("window", 1, 0)
	stream.Slot, window.Slot = "someone", "someone"
	admit := func() []Result {
		t.Helper()
		results, err := l.Admit(t.Context(), []Request{stream, window})
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	first := admit()
	if !Admitted(first) || !first[0].Hold.Held() || first[1].Hold.Held() || first[0].Remaining != 1 {
		t.Fatalf("%+v", first)
	}
	for range 3 { // the window refuses, and no place is taken
		if got := admit(); Admitted(got) || got[0].Remaining != 1 {
			t.Errorf("%+v", got)
		}
	}
	hold, err := ParseHold(first[0].Hold.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context(), hold, hold); err != nil {
		t.Fatal(err)
	}
	if keys := client.Keys(t.Context(), "*}streams:h").Val(); len(keys) != 0 {
		t.Errorf("a place is still taken: %v", keys)
	}
}

func TestALimitOfImpossibleSizeIsRefused(t *testing.T) {
	t.Parallel()
	many := places("k", MaxHeld+1)
	if err := validate([]Request{many, {Key: "q", Spec: Spec{Algorithm: Quota}}}); !errors.Is(err, ErrSpec) {
		t.Errorf("%v", err)
	}
}

func TestWithoutRedisPlacesAreAdmittedByTheirWindow(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := NewLocal(DefaultLocalBudget, c.now)
	admitted := 0
	for range 10 {
		results, err := l.Count([]Request{places("k", 3)})
		if err != nil {
			t.Fatal(err)
		}
		if results[0].Allowed {
			admitted++
		}
	}
	if admitted != 3 {
		t.Errorf("%d of 3", admitted)
	}
}

func TestAPeriodIsFromMidnightToMidnightOfThePlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ period, zone, now, begins, ends string }{
		{"day", "", "2026-02-28T23:59:59Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"month", "", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"month", "", "2026-12-31T23:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}, // 25 hours
		{"day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"}, // 23 hours
		{"day", "Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},  // no midnight: it begins at one
		{"day", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z"},
	} {
		t.Run(fmt.Sprintf("%s of %s at %s", test.period, test.zone, test.now), func(t *testing.T) {
			t.Parallel()
			calendar, err := NewCalendar(test.period, test.zone)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.Parse(time.RFC3339, test.now)
			if err != nil {
				t.Fatal(err)
			}
			begins, ends := calendar.Bounds(now)
			if got := begins.UTC().Format(time.RFC3339); got != test.begins {
				t.Errorf("begins %s, not %s", got, test.begins)
			}
			if got := ends.UTC().Format(time.RFC3339); got != test.ends {
				t.Errorf("ends %s, not %s", got, test.ends)
			}
		})
	}
	for _, bad := range [][2]string{{"week", ""}, {"day", "Local"}, {"day", "Europe/Atlantis"}, {"", ""}, {"day", "../../etc/passwd"}} {
		if c, err := NewCalendar(bad[0], bad[1]); !errors.Is(err, ErrPeriod) {
			t.Errorf("%v: %+v, %v", bad, c, err)
		}
	}
}

func TestACounterThatRedisLostEndsAlsoIfTheFirstAttemptFails(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	w := NewWindows(client, patient, nil)
	r := hourly("lost", 100, 0)
	count(t, w, r)
	w.clock.synced.Store(1 << 62) // is not asked meanwhile
	key := client.Keys(t.Context(), "gh:l:{lost}*").Val()[0]
	client.Del(t.Context(), key)
	// The INCRBY goes through, and then Redis fails.
	c := counted{key: key, left: time.Hour, kind: add, cmd: client.IncrBy(t.Context(), key, 1)}
	if cmd, err := w.read(t.Context(), &r, &c); err != nil || cmd == nil || client.TTL(t.Context(), key).Val() != -1 {
		t.Fatalf("%v %v", cmd, err)
	}
	w.adopt(t.Context(), time.Now())
	if ttl := client.TTL(t.Context(), key).Val(); ttl <= 0 {
		t.Errorf("it stays for ever: %s", ttl)
	}
	if len(w.orphans.ends) != 0 {
		t.Errorf("%v are still looked after", w.orphans.ends)
	}
}

func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
