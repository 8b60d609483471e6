package limit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
)

// clock stands still until it is told to go on.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().Truncate(time.Hour).Add(time.Hour)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// admitter is what Limiter and Local have in common here.
type admitter func(requests ...Request) ([]Result, error)

// both runs a test against Redis and against Local: they make the same promise.
func both(t *testing.T, test func(t *testing.T, c *clock, admit admitter)) {
	t.Helper()
	t.Run("on Redis", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		limiter := New(redistest.Start(t).Client(), c.now)
		test(t, c, func(requests ...Request) ([]Result, error) { return limiter.Admit(context.Background(), requests) })
	})
	t.Run("locally", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		local := NewLocal(DefaultLocalBudget, c.now)
		test(t, c, func(requests ...Request) ([]Result, error) { return local.Admit(requests) })
	})
}

func must(t *testing.T, admit admitter, requests ...Request) []Result {
	t.Helper()
	results, err := admit(requests...)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

var specs = map[string]Spec{
	"sliding window":                       {Algorithm: SlidingWindow, Requests: 7, Window: 10 * time.Second},
	"sliding window of one":                {Algorithm: SlidingWindow, Requests: 1, Window: 250 * time.Millisecond},
	"fixed window":                         {Algorithm: FixedWindow, Requests: 7, Window: 10 * time.Second},
	"gcra":                                 {Algorithm: GCRA, Requests: 10, Window: 10 * time.Second, Burst: 3},
	"gcra with an interval of no whole µs": {Algorithm: GCRA, Requests: 7, Window: time.Second, Burst: 2},
	"gcra whose burst is the rate":         {Algorithm: GCRA, Requests: 5, Window: 5 * time.Second},
	"two buckets":                          {Algorithm: TwoBucket, Requests: 7, Window: 10 * time.Second},
	"two buckets of many":                  {Algorithm: TwoBucket, Requests: 60, Window: time.Second},
	"quota of a day":                       {Algorithm: Quota, Requests: 7, Window: 25 * time.Hour, Calendar: Calendar{Period: Daily, Zone: lordHowe}},
	"quota of a month":                     {Algorithm: Quota, Requests: 20, Window: 31*24*time.Hour + time.Hour, Calendar: Calendar{Period: Monthly, Zone: lordHowe}},
}

// lordHowe is half an hour off, and its clocks change by half an hour.
var lordHowe = func() *time.Location {
	zone, _ := time.LoadLocation("Australia/Lord_Howe") // is embedded
	return zone
}()

func TestRandomTrafficIsAdmittedExactlyAsTheModelDoes(t *testing.T) {
	t.Parallel()
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, c *clock, admit admitter) {
				random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same traffic in each run
				m := &model{spec: spec}
				for i := range 700 {
					c.advance(pause(random, spec))
					hits := 1 + random.Int64N(2)
					want := m.admits(c.now(), hits)
					got := must(t, admit, Request{Key: "k", Spec: spec, Hits: hits})[0]
					if got.Allowed != want {
						t.Fatalf("request %d of %d hits: allowed %v, the model says %v (%+v)", i, hits, got.Allowed, want, got)
					}
					if got.Allowed {
						m.take(c.now(), hits)
					}
					consistent(t, m, c, got)
				}
				bounded(t, m)
			})
		})
	}
}

// pause is sometimes nothing, often short, rarely longer than the window.
func pause(random *rand.Rand, spec Spec) time.Duration {
	switch random.IntN(10) {
	case 0:
		return time.Duration(random.Int64N(int64(2 * spec.Window))).Truncate(time.Microsecond)
	case 1, 2, 3:
		return 0
	default:
		return time.Duration(random.Int64N(int64(spec.Window) / 8)).Truncate(time.Microsecond)
	}
}

// consistent checks what the result says beside yes and no.
func consistent(t *testing.T, m *model, c *clock, got Result) {
	t.Helper()
	if got.Remaining > 0 != m.admits(c.now(), 1) || (got.Remaining > 0 && !m.admits(c.now(), got.Remaining)) ||
		m.admits(c.now(), got.Remaining+1) {
		t.Fatalf("remaining is %d, which the model denies", got.Remaining)
	}
	longest := m.spec.Window
	if m.spec.Algorithm == TwoBucket {
		longest *= 2
	}
	if got.Allowed != (got.RetryAfter == 0) || got.Reset < 0 || got.Reset > longest {
		t.Fatalf("allowed %v, retry after %s, reset %s", got.Allowed, got.RetryAfter, got.Reset)
	}
}

func bounded(t *testing.T, m *model) {
	t.Helper()
	for _, span := range []time.Duration{m.spec.Window / 3, m.spec.Window, 2 * m.spec.Window} {
		var most int64
		switch m.spec.algorithm() {
		case SlidingWindow:
			most = m.spec.Requests * int64((span+m.spec.Window-1)/m.spec.Window)
		case FixedWindow:
			most = m.spec.Requests * int64((span+m.spec.Window-1)/m.spec.Window+1)
		case GCRA:
			most = m.spec.capacity() + int64(float64(span.Microseconds())/m.spec.interval())
		case TwoBucket:
			// Its error: hits that came all at the end of a window weigh as if they had
			// come evenly.
			most = m.spec.Requests * int64((span+m.spec.Window-1)/m.spec.Window+1)
		case Quota:
			most = m.spec.Requests * int64(span/(27*24*time.Hour)+2)
			if m.spec.Calendar.Period == Daily {
				most = m.spec.Requests * int64(span/(23*time.Hour)+2)
			}
		}
		if worst := m.worst(span); worst > most {
			t.Errorf("%d were admitted within %s, the promise is %d", worst, span, most)
		}
	}
}

func TestRetryAfterIsTheFirstMomentThatAdmits(t *testing.T) {
	t.Parallel()
	for name, spec := range specs {
		for _, hits := range []int64{1, 2} {
			if hits > spec.capacity() {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d hits", name, hits), func(t *testing.T) {
				t.Parallel()
				both(t, func(t *testing.T, c *clock, admit admitter) {
					request := Request{Key: "k", Spec: spec, Hits: hits}
					for {
						c.advance(spec.Window / 64)
						// What is further off than a window is said to be a window off.
						result := must(t, admit, request)[0]
						if !result.Allowed && (result.RetryAfter < spec.Window || spec.Algorithm != TwoBucket) {
							c.advance(result.RetryAfter - time.Microsecond)
							break
						}
					}
					if must(t, admit, request)[0].Allowed {
						t.Error("a microsecond earlier was admitted as well")
					}
					c.advance(time.Microsecond)
					if result := must(t, admit, request)[0]; !result.Allowed {
						t.Errorf("was not admitted: %+v", result)
					}
				})
			})
		}
	}
}

func TestResetIsWhenRemainingGrows(t *testing.T) {
	t.Parallel()
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, c *clock, admit admitter) {
				// Hits beyond the limit look without counting.
				look := Request{Key: "k", Spec: spec, Hits: spec.capacity() + 1}
				before := must(t, admit, Request{Key: "k", Spec: spec})[0]
				c.advance(before.Reset - time.Microsecond)
				if now := must(t, admit, look)[0]; now.Remaining != before.Remaining {
					t.Errorf("grew too early: %+v, then %+v", before, now)
				}
				c.advance(time.Microsecond)
				if now := must(t, admit, look)[0]; now.Remaining <= before.Remaining {
					t.Errorf("did not grow: %+v, then %+v", before, now)
				}
			})
		})
	}
}

func TestALimitOfNothingAdmitsNothing(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, _ *clock, admit admitter) {
		for _, algorithm := range []Algorithm{SlidingWindow, FixedWindow, GCRA} {
			got := must(t, admit, Request{Key: "k", Spec: Spec{Algorithm: algorithm, Window: time.Minute, Burst: 3}})[0]
			if got.Allowed || got.Remaining != 0 || got.RetryAfter != time.Minute {
				t.Errorf("%s: %+v", algorithm, got)
			}
		}
	})
}

func TestOneRefusalKeepsEveryOtherLimitUntouched(t *testing.T) {
	t.Parallel()
	narrow := Spec{Name: "narrow", Requests: 1, Window: time.Minute}
	for _, algorithm := range []Algorithm{SlidingWindow, FixedWindow, GCRA} {
		wide := Spec{Name: "wide", Algorithm: algorithm, Requests: 10, Window: time.Minute}
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, _ *clock, admit admitter) {
				requests := []Request{{Key: "w", Spec: wide}, {Key: "n", Spec: narrow}}
				first := must(t, admit, requests...)
				second := must(t, admit, requests...)
				if !Admitted(first) || Admitted(second) || !second[0].Allowed || second[1].Allowed {
					t.Fatalf("%+v, then %+v", first, second)
				}
				if first[0].Remaining != 9 || second[0].Remaining != 9 {
					t.Errorf("the wide limit counted the refused call: %d, then %d", first[0].Remaining, second[0].Remaining)
				}
			})
		})
	}
}

func TestAShadowIsCountedAndRefusesNothing(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, _ *clock, admit admitter) {
		requests := []Request{
			{Key: "shadow", Spec: Spec{Requests: 1, Window: time.Minute}, Shadow: true},
			{Key: "real", Spec: Spec{Requests: 3, Window: time.Minute}},
		}
		for want := int64(2); want >= 0; want-- {
			got := must(t, admit, requests...)
			if !Admitted(got) || got[1].Remaining != want || got[0].Allowed != (want == 2) {
				t.Fatalf("with %d to remain: %+v", want, got)
			}
		}
		if Admitted(must(t, admit, requests...)) {
			t.Error("the fourth passed the real limit")
		}
	})
}

func TestAKeyThatAppearsTwiceCountsTwice(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []Algorithm{SlidingWindow, FixedWindow, GCRA} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, _ *clock, admit admitter) {
				r := Request{Key: "k", Spec: Spec{Algorithm: algorithm, Requests: 3, Window: time.Minute}}
				if got := must(t, admit, r, r); !Admitted(got) || got[0].Remaining != 1 || got[1].Remaining != 1 {
					t.Fatalf("first: %+v", got)
				}
				if got := must(t, admit, r, r); Admitted(got) || !got[0].Allowed || got[1].Allowed || got[1].Remaining != 1 {
					t.Fatalf("second: %+v", got)
				}
			})
		})
	}
}

func TestAClockSetBackAdmitsNoMore(t *testing.T) {
	t.Parallel()
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, c *clock, admit admitter) {
				r := Request{Key: "k", Spec: spec}
				for must(t, admit, r)[0].Allowed {
				}
				c.advance(-spec.Window / 2)
				got := must(t, admit, r)[0]
				if got.Allowed || got.RetryAfter > spec.Window || got.RetryAfter <= 0 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestImpossibleRequestsAreAllNamed(t *testing.T) {
	t.Parallel()
	good := Spec{Requests: 1, Window: time.Second}
	both(t, func(t *testing.T, _ *clock, admit admitter) {
		_, err := admit(
			Request{Key: "k", Spec: Spec{Name: "a", Requests: 1}},
			Request{Key: "k", Spec: Spec{Name: "b", Requests: -1, Window: time.Second}},
			Request{Key: "k", Spec: Spec{Name: "c", Requests: MaxLogged + 1, Window: time.Second}},
			Request{Key: "k", Spec: Spec{Name: "d", Algorithm: "token", Requests: 1, Window: time.Second}},
			Request{Key: "k", Spec: Spec{Name: "e", Requests: 1, Window: MaxWindow + 1}},
			Request{Spec: Spec{Name: "f", Requests: 1, Window: time.Second}},
			Request{Key: "k", Spec: good, Hits: -1},
		)
		if !errors.Is(err, ErrSpec) {
			t.Fatalf("error %v", err)
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != 7 {
			t.Errorf("%d mistakes named, want 7:\n%v", n, err)
		}
	})
}

func TestManyCallersAreAdmittedExactlyToTheLimit(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	limiter := New(client, nil) // Redis's own clock
	for _, algorithm := range []Algorithm{SlidingWindow, FixedWindow, GCRA} {
		spec := Spec{Algorithm: algorithm, Requests: 100, Window: 24 * time.Hour}
		var admitted atomic.Int64
		var callers sync.WaitGroup
		for range 32 {
			callers.Go(func() {
				for range 25 {
					got, err := limiter.Admit(context.Background(), []Request{{Key: "hot", Spec: spec}})
					if err != nil {
						t.Error(err)
						return
					}
					if Admitted(got) {
						admitted.Add(1)
					}
				}
			})
		}
		callers.Wait()
		if n := admitted.Load(); n != 100 {
			t.Errorf("%s: %d of 800 admitted, want exactly 100", algorithm, n)
		}
	}
}

func TestCountDecidesEachLimitForItself(t *testing.T) {
	t.Parallel()
	c := newClock()
	limiter := New(redistest.Start(t).Client(), c.now)
	count := func(requests ...Request) []Result {
		t.Helper()
		results, err := limiter.Count(context.Background(), requests)
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	wide := Request{Key: "w", Spec: Spec{Algorithm: FixedWindow, Requests: 5, Window: time.Minute}}
	narrow := Request{Key: "n", Spec: Spec{Algorithm: FixedWindow, Requests: 1, Window: time.Minute}}
	for want := int64(4); want >= 2; want-- {
		if got := count(wide, narrow); got[0].Remaining != want || got[1].Allowed != (want == 4) {
			t.Fatalf("%+v", got)
		}
	}
	t.Run("a refused fixed window counts all the same, as envoyproxy/ratelimit does", func(t *testing.T) {
		over := wide
		over.Hits = 3
		if got := count(over)[0]; got.Allowed || got.Remaining != 0 {
			t.Fatalf("three more than remain: %+v", got)
		}
		if got := count(wide)[0]; got.Allowed {
			t.Fatalf("one after the overrun: %+v", got)
		}
		c.advance(time.Minute)
		if got := count(wide)[0]; !got.Allowed || got.Remaining != 4 {
			t.Fatalf("in the next window: %+v", got)
		}
	})
}

func TestCountersLeaveRedisByThemselves(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	limiter := New(client, nil)
	ctx := context.Background()
	for _, algorithm := range []Algorithm{SlidingWindow, FixedWindow, GCRA} {
		spec := Spec{Algorithm: algorithm, Requests: 5, Window: time.Minute}
		if _, err := limiter.Admit(ctx, []Request{{Key: string(algorithm), Spec: spec}}); err != nil {
			t.Fatal(err)
		}
	}
	keys := client.Keys(ctx, "*").Val()
	if len(keys) != 3 {
		t.Fatalf("keys %q", keys)
	}
	for _, key := range keys {
		if ttl := client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > time.Minute+time.Second {
			t.Errorf("%s lives for %s", key, ttl)
		}
		if !strings.HasPrefix(key, "gh:l:{") {
			t.Errorf("key %q", key)
		}
	}
}

func TestALongPauseLeavesNoOldEntryBehind(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	c := newClock()
	limiter := New(client, c.now)
	spec := Spec{Requests: 3000, Window: time.Minute}
	ctx := context.Background()
	for _, step := range []time.Duration{0, 30 * time.Second, 40 * time.Second} {
		c.advance(step)
		if _, err := limiter.Admit(ctx, []Request{{Key: "k", Spec: spec, Hits: 1200}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := client.LLen(ctx, "gh:l:{k}:s").Val(); n != 2400 {
		t.Errorf("the log has %d entries, want the 2400 of the last minute", n)
	}
}

func TestRedisGoneOrHangingIsSaidInTime(t *testing.T) {
	t.Parallel()
	stopped := redistest.Start(t)
	gone := stopped.Client()
	stopped.Stop()
	requests := []Request{{Key: "k", Spec: Spec{Requests: 1, Window: time.Second}}}
	for name, limiter := range map[string]*Limiter{"gone": New(gone, nil), "hanging": New(redistest.Deaf(t), nil)} {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		start := time.Now()
		_, err := limiter.Admit(ctx, requests)
		cancel()
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

func TestTheScriptIsLoadedAgainAfterRedisForgotIt(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	limiter := New(client, nil)
	ctx := context.Background()
	for range 2 {
		if _, err := limiter.Admit(ctx, []Request{{Key: "k", Spec: Spec{Requests: 5, Window: time.Second}}}); err != nil {
			t.Fatal(err)
		}
		if err := client.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoRequestsAskNothing(t *testing.T) {
	t.Parallel()
	results, err := New(redistest.Deaf(t), nil).Admit(context.Background(), nil)
	if err != nil || len(results) != 0 {
		t.Errorf("%v, %v", results, err)
	}
}
