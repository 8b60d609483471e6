package store

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

// leasing is a query whose limits are fixed windows with a lease; the user's admits
// so many requests.
func (f *fixture) leasing(token string, users int64) Query {
	const week = 7 * 24 * time.Hour
	ip, user := f.byIP(1_000_000), byUser(f.user.ID, users)
	ip.Spec.Algorithm, ip.Spec.Window, ip.Lease = limit.FixedWindow, week, 50
	user.Spec.Algorithm, user.Spec.Window, user.Lease = limit.FixedWindow, week, 50
	return Query{Token: token, Limits: []limit.Request{ip}, UserLimits: []limit.Request{user}}
}

// used is what Redis has counted.
func (f *fixture) used(t *testing.T, r limit.Request) int64 {
	t.Helper()
	r.Hits, r.Shadow, r.Lease = r.Spec.Requests+1, true, 0
	results, err := limit.New(f.client, nil).Admit(t.Context(), []limit.Request{r})
	if err != nil {
		t.Fatal(err)
	}
	return r.Spec.Requests - results[0].Remaining
}

// heat asks until a slice has answered.
func (f *fixture) heat(t testing.TB, requests ...limit.Request) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for i := range requests {
		for served := false; !served; {
			_, served = f.slices.Use(&requests[i])
			f.slices.Asked(t.Context(), &requests[i])
			select {
			case <-deadline.C:
				t.Fatal("there never was a slice")
			default:
			}
		}
	}
}

func TestLimitsOfAHotUserTakeNoRoundTrip(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []limit.Algorithm{limit.SlidingWindow, limit.GCRA, limit.TwoBucket, limit.FixedWindow} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			client := redistest.Start(t).Client()
			f := newFixture(t, client)
			f.cache(t, client)
			client.AddHook(f.trips)
			q := f.leasing(f.token, 100_000)
			for _, r := range []*limit.Request{&q.Limits[0], &q.UserLimits[0]} {
				r.Spec.Algorithm, r.Spec.Requests, r.Lease = algorithm, 100_000, limit.Auto
			}
			deadline := time.NewTimer(patience)
			defer deadline.Stop()
			for {
				before := f.trips.n.Load()
				a := f.Ask(t.Context(), q)
				if a.Err != nil || !a.Limits[0].Allowed || !a.UserLimits[0].Allowed || a.Limits[0].Name != "ip" || a.UserLimits[0].Name != "user" {
					t.Fatalf("%+v", a)
				}
				if f.trips.n.Load() == before && a.Limits[0].Remaining > 0 {
					return
				}
				select {
				case <-deadline.C:
					t.Fatal("each request took a round trip")
				default:
				}
			}
		})
	}
}

// cache gives the fixture a Store whose sessions are cached.
func (f *fixture) cache(t testing.TB, client redis.UniversalClient) {
	t.Helper()
	f.manager = session.NewWith(client, time.Now, rand.Reader, session.Settings{CacheSize: 10})
	f.Store = New(f.manager, limit.NewLine(client, patience), nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.manager.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func TestATokenThatOnlyNamesAUserTakesNothingOfTheirSlice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redistest.Start(t).Client())
	q := f.leasing(f.token, 1_000)
	f.heat(t, q.Limits[0], q.UserLimits[0])
	revoked := f.open(t, f.user)
	if _, err := f.manager.Revoke(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	forged := q
	forged.Token = revoked
	before := f.Ask(t.Context(), q).UserLimits[0].Remaining
	for range 200 {
		a := f.Ask(t.Context(), forged)
		if !errors.Is(a.Err, session.ErrInvalid) || a.UserLimits != nil || !a.Limits[0].Allowed {
			t.Fatalf("%+v", a)
		}
	}
	if after := f.Ask(t.Context(), q).UserLimits[0].Remaining; after != before-1 {
		t.Errorf("%d remain, want %d", after, before-1)
	}
}

func TestATokenThatOnlyNamesAUserMakesNoCounterHot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redistest.Start(t).Client())
	revoked := f.open(t, f.user)
	if _, err := f.manager.Revoke(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	q := f.leasing(revoked, 1_000)
	for range 200 {
		f.Ask(t.Context(), q)
	}
	if _, ok := f.slices.Use(&q.UserLimits[0]); ok {
		t.Error("there is a slice of the user's limit")
	}
	if used := f.used(t, q.UserLimits[0]); used != 0 {
		t.Errorf("%d of the user's limit are counted", used)
	}
}

func TestWhatOneLimitRefusesTheSlicesOfOthersGetBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redistest.Start(t).Client())
	q := f.leasing(f.token, 1_000_000)
	exact := byUser(f.user.ID, 1)
	exact.Key, exact.Spec.Name = "exact", "exact"
	q.UserLimits = append(q.UserLimits, exact)
	f.heat(t, q.Limits[0], q.UserLimits[0])
	if a := f.Ask(t.Context(), q); !a.UserLimits[1].Allowed {
		t.Fatalf("%+v", a)
	}
	before := f.Ask(t.Context(), q)
	for range 200 {
		a := f.Ask(t.Context(), q)
		if a.UserLimits[1].Allowed || !a.Limits[0].Allowed || !a.UserLimits[0].Allowed {
			t.Fatalf("%+v", a)
		}
		if a.Limits[0].Remaining != before.Limits[0].Remaining || a.UserLimits[0].Remaining != before.UserLimits[0].Remaining {
			t.Fatalf("before %+v, then %+v", before, a)
		}
	}
}

func TestExactlyTheLimitPassesWhereReplicasCountAheadUntold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redistest.Start(t).Client())
	q := f.leasing(f.token, 1000)
	q.UserLimits[0].Spec.Algorithm, q.UserLimits[0].Lease = limit.SlidingWindow, limit.Auto
	for i := range 1000 {
		a := f.Ask(t.Context(), q)
		if user := a.UserLimits[0]; !user.Allowed || user.Remaining >= 1000 {
			t.Fatalf("request %d: %+v", i+1, user)
		}
	}
	for range 100 {
		if user := f.Ask(t.Context(), q).UserLimits[0]; user.Allowed || user.Remaining != 0 {
			t.Fatalf("one after the last: %+v", user)
		}
	}
}

// over is a query whose user's limit is reached, and said to be a moment ago.
func (f *fixture) over(t *testing.T, users int64) Query {
	t.Helper()
	q := f.leasing(f.token, users)
	q.UserLimits[0].Lease = limit.Auto
	for range users {
		f.Ask(t.Context(), q)
	}
	return q
}

func TestARefusalIsRepeatedWithoutARoundTrip(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	f := newFixture(t, client)
	f.cache(t, client)
	client.AddHook(f.trips)
	q := f.over(t, 3) // so few that there is no slice
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for repeated := 0; repeated < 5; {
		before := f.trips.n.Load()
		a := f.Ask(t.Context(), q)
		if user := a.UserLimits[0]; a.Err != nil || user.Allowed || user.RetryAfter <= 0 || user.Name != "user" || !a.Limits[0].Allowed || a.Limits[0].Name != "ip" {
			t.Fatalf("%+v", a)
		}
		if f.trips.n.Load() == before {
			repeated++
		}
		select {
		case <-deadline.C:
			t.Fatal("each refusal took a round trip")
		default:
		}
	}
	if used := f.used(t, q.UserLimits[0]); used != 3 {
		t.Errorf("%d of 3 counted", used)
	}
}

func TestATokenThatOnlyNamesAUserIsCountedThoughTheUserIsOverTheLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redistest.Start(t).Client())
	revoked := f.open(t, f.user)
	if _, err := f.manager.Revoke(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	q := f.over(t, 3)
	q.Limits[0].Spec.Requests, q.Limits[0].Key, q.Limits[0].Lease = 63, "few", limit.Auto
	for range 10 {
		f.Ask(t.Context(), q) // and both are known
	}
	q.Token = revoked
	before := f.used(t, q.Limits[0])
	for i := range int64(20) {
		a := f.Ask(t.Context(), q)
		if !errors.Is(a.Err, session.ErrInvalid) || a.UserLimits != nil || len(a.Limits) != 1 || !a.Limits[0].Allowed {
			t.Fatalf("%+v", a)
		}
		if used := f.used(t, q.Limits[0]); used != before+i+1 {
			t.Fatalf("%d of the address's are counted, want %d", used, before+i+1)
		}
	}
}

func TestNoMoreIsAdmittedThanALeasedLimitSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redistest.Start(t).Client())
	q := f.leasing(f.token, 500)
	admitted := 0
	for range 2000 {
		if a := f.Ask(t.Context(), q); a.UserLimits[0].Allowed {
			admitted++
		}
	}
	if admitted > 500 || admitted < 500-50 {
		t.Errorf("%d of 500 admitted", admitted)
	}
	if used := f.used(t, q.UserLimits[0]); used != 500 {
		t.Errorf("Redis has %d of 500", used)
	}
}

func TestWithoutASessionNothingIsCountedInSlices(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	f := newFixture(t, server.Client())
	q := f.leasing(f.token, 1_000)
	q.Needed = true
	f.heat(t, q.Limits[0], q.UserLimits[0])
	server.Stop()
	for range 200 {
		if a := f.Ask(t.Context(), q); !errors.Is(a.Err, session.ErrUnavailable) || a.Limits != nil || a.UserLimits != nil {
			t.Fatalf("%+v", a)
		}
	}
	if _, ok := f.slices.Use(&q.UserLimits[0]); !ok {
		t.Error("the slice is used up")
	}
}
