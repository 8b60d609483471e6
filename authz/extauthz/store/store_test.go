package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

// patience is what a test gives to Redis on a busy machine.
const patience = 10 * time.Second

type fixture struct {
	*Store
	manager *session.Manager
	client  redis.UniversalClient
	trips   *trips
	user    session.User
	token   string
}

// trips counts writes to Redis.
type trips struct{ n atomic.Int64 }

func (h *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmds)
	}
}

// newFixture has a user whom nobody else has.
func newFixture(t testing.TB, client redis.UniversalClient) *fixture {
	t.Helper()
	f := &fixture{
		client: client, trips: &trips{}, manager: session.New(client, time.Now, rand.Reader),
		user: session.User{ID: rand.Text(), Name: "ann@example.com", Tenant: rand.Text()},
	}
	f.Store = New(f.manager, limit.NewLine(client, patience), nil)
	f.token = f.open(t, f.user)
	return f
}

func (f *fixture) open(t testing.TB, user session.User) string {
	t.Helper()
	token, _, err := f.manager.Create(t.Context(), user, session.Grant{Idle: time.Hour, Absolute: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (f *fixture) byIP(requests int64) limit.Request {
	return limit.Request{Slot: f.user.Name + f.user.ID, Key: "ip", Spec: limit.Spec{Name: "ip", Requests: requests, Window: time.Hour}}
}

func byUser(id string, requests int64) limit.Request {
	return limit.Request{
		Slot: session.Handle(id), Key: "user",
		Spec: limit.Spec{Name: "user", Requests: requests, Window: time.Hour, Algorithm: limit.GCRA},
	}
}

func (f *fixture) query(token string) Query {
	return Query{Token: token, Limits: []limit.Request{f.byIP(5)}, UserLimits: []limit.Request{byUser(f.user.ID, 3)}}
}

// left is what remains of the user's three.
func (f *fixture) left(t testing.TB) int64 {
	t.Helper()
	// A shadow that is refused counts nothing and tells what remains.
	r := byUser(f.user.ID, 3)
	r.Hits, r.Shadow = 4, true
	results, err := limit.New(f.client, nil).Admit(t.Context(), []limit.Request{r})
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Remaining
}

func TestOnOneRedisAndInACluster(t *testing.T) {
	t.Parallel()
	clients := map[string]func(t *testing.T) redis.UniversalClient{
		"one Redis": func(t *testing.T) redis.UniversalClient { return redistest.Start(t).Client() },
		"a Cluster": func(t *testing.T) redis.UniversalClient {
			client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: redistest.StartCluster(t).Addrs()})
			t.Cleanup(func() { _ = client.Close() })
			return client
		},
	}
	for name, open := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t)
			for name, test := range map[string]func(t *testing.T, f *fixture){
				"nobody uses up the limits of another":       nobodyUsesUpTheLimitsOfAnother,
				"the limits of a good session are counted":   theLimitsOfAGoodSessionAreCounted,
				"a tenant's revocation counts for nobody":    aTenantsRevocationCountsForNobody,
				"places are taken for a good session alone":  placesAreTakenForAGoodSessionAlone,
				"a limit by both is counted with the user's": aLimitByBothIsCountedWithTheUsers,
			} {
				t.Run(name, func(t *testing.T) { test(t, newFixture(t, client)) })
			}
		})
	}
}

func TestTheSessionAndAllLimitsTakeOneRoundTrip(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	f := newFixture(t, client)
	client.AddHook(f.trips)
	f.Ask(t.Context(), f.query(f.token))
	for name, c := range map[string]struct {
		query Query
		want  int64
	}{
		"session and limits":     {f.query(f.token), 1},
		"session alone":          {Query{Token: f.token}, 1},
		"limits alone":           {Query{Limits: []limit.Request{f.byIP(100)}, UserLimits: []limit.Request{byUser("bob", 3)}}, 1},
		"a malformed token":      {Query{Token: "ghs_x"}, 0},
		"a malformed one counts": {Query{Token: "ghs_x", Limits: []limit.Request{f.byIP(100)}}, 1},
	} {
		f.Ask(t.Context(), c.query) // Redis gets to know the script
		before := f.trips.n.Load()
		f.Ask(t.Context(), c.query)
		if got := f.trips.n.Load() - before; got != c.want {
			t.Errorf("%s: %d round trips, want %d", name, got, c.want)
		}
	}
}

func TestACachedSessionTakesOneForItsLimitsAndNoneWithout(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	f := newFixture(t, client)
	f.manager = session.NewWith(client, time.Now, rand.Reader, session.Settings{CacheSize: 10})
	f.Store = New(f.manager, limit.NewLine(client, patience), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.manager.Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	client.AddHook(f.trips)
	f.Ask(ctx, Query{Limits: []limit.Request{f.byIP(100)}}) // its script
	cached := func(q Query) int64 {
		f.Ask(ctx, q)
		before := f.trips.n.Load()
		f.Ask(ctx, q)
		return f.trips.n.Load() - before
	}
	// Run listens in a moment, and an entry is good for less than a second.
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for want, q := range []Query{{Token: f.token}, {Token: f.token, Limits: []limit.Request{f.byIP(1 << 30)}, UserLimits: []limit.Request{byUser(f.user.ID, 1<<30)}}} {
		for got := cached(q); got != int64(want); got = cached(q) {
			select {
			case <-deadline.C:
				t.Fatalf("%d round trips, want %d", got, want)
			default:
			}
		}
	}
}

func placesAreTakenForAGoodSessionAlone(t *testing.T, f *fixture) {
	places := func(r limit.Request) limit.Request {
		r.Key, r.Spec = "places-"+r.Key, limit.Spec{Name: "places", Requests: 2, Window: time.Hour, Algorithm: limit.Concurrency}
		return r
	}
	ask := func(token string) Answer {
		t.Helper()
		return f.Ask(t.Context(), Query{
			Token: token, Limits: []limit.Request{places(f.byIP(0))}, UserLimits: []limit.Request{places(byUser(f.user.ID, 0))},
		})
	}
	closed := f.open(t, f.user)
	if _, err := f.manager.Revoke(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	// The address's place is taken whoever asks; whoever decides gives it back.
	none := ask(closed)
	if len(none.UserLimits) != 0 || len(none.Limits) != 1 || !none.Limits[0].Hold.Held() {
		t.Fatalf("%+v", none)
	}
	held := []limit.Hold{none.Limits[0].Hold}
	good := ask(f.token)
	if good.Err != nil || len(good.UserLimits) != 1 || !good.UserLimits[0].Hold.Held() || good.UserLimits[0].Remaining != 1 || good.Limits[0].Remaining != 0 {
		t.Fatalf("%+v", good)
	}
	held = append(held, good.Limits[0].Hold, good.UserLimits[0].Hold)
	if err := f.limiter.Release(t.Context(), held...); err != nil {
		t.Fatal(err)
	}
	if again := ask(f.token); again.UserLimits[0].Remaining != 1 || again.Limits[0].Remaining != 1 {
		t.Errorf("after all have ended: %+v", again)
	}
}

func nobodyUsesUpTheLimitsOfAnother(t *testing.T, f *fixture) {
	revoked := f.open(t, f.user)
	if _, err := f.manager.Revoke(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	forged := f.open(t, f.user) // of her handle, and it opens nothing
	sum := sha256.Sum256([]byte(forged))
	if err := f.client.HDel(t.Context(), "gh:u:{"+session.Handle(f.user.ID)+"}", string(sum[:])).Err(); err != nil {
		t.Fatal(err)
	}
	bound, _, err := f.manager.Create(t.Context(), f.user, session.Grant{
		Idle: time.Hour, Absolute: time.Hour, Bind: session.BindFingerprint, Client: session.Client{Fingerprint: "hers"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]Query{
		"a revoked token": f.query(revoked), "a token that only names her": f.query(forged), "no token's form": f.query("ghs_x"),
		"a session that is bound to another client": f.query(bound),
	} {
		a := f.Ask(t.Context(), q)
		if !errors.Is(a.Err, session.ErrInvalid) || len(a.UserLimits) > 0 {
			t.Errorf("%s: %v, %v", name, a.Err, a.UserLimits)
		}
		if len(a.Limits) != 1 || a.Limits[0].Err != nil || a.Limits[0].Limit != 5 {
			t.Errorf("%s: its address is not counted: %+v", name, a.Limits)
		}
	}
	if left := f.left(t); left != 3 {
		t.Errorf("she has %d left of 3", left)
	}
}

func theLimitsOfAGoodSessionAreCounted(t *testing.T, f *fixture) {
	for i := range 4 {
		a := f.Ask(t.Context(), f.query(f.token))
		if a.Err != nil || a.Session.User != f.user {
			t.Fatalf("%+v", a)
		}
		want := fmt.Sprint(i < 3)
		if got := fmt.Sprint(a.UserLimits[0].Allowed); a.UserLimits[0].Err != nil || got != want {
			t.Errorf("request %d: %+v", i, a.UserLimits)
		}
	}
	// What the user's limit refused, the address was not counted for, where one
	// script decides.
	want := int64(2)
	if f.line.Cluster() {
		want = 1
	}
	a := f.Ask(t.Context(), Query{Limits: []limit.Request{f.byIP(5)}})
	if got := a.Limits[0].Remaining + 1; got != want {
		t.Errorf("the address has %d left, want %d", got, want)
	}
}

func aTenantsRevocationCountsForNobody(t *testing.T, f *fixture) {
	nameless := f.open(t, session.User{ID: "cy", Tenant: f.user.Tenant})
	other := f.open(t, session.User{ID: "bob", Tenant: "other"})
	if err := f.manager.RevokeTenant(t.Context(), f.user.Tenant); err != nil {
		t.Fatal(err)
	}
	a := f.Ask(t.Context(), f.query(f.token))
	if !errors.Is(a.Err, session.ErrRevoked) || len(a.UserLimits) > 0 {
		t.Errorf("%+v", a)
	}
	if left := f.left(t); left != 3 {
		t.Errorf("she has %d left of 3", left)
	}
	q := Query{Token: nameless, UserLimits: []limit.Request{byUser("cy", 3)}}
	if a := f.Ask(t.Context(), q); !errors.Is(a.Err, session.ErrRevoked) || len(a.UserLimits) > 0 {
		t.Errorf("one without a name: %+v", a)
	}
	if a := f.Ask(t.Context(), Query{UserLimits: []limit.Request{byUser("cy", 3)}}); a.UserLimits[0].Remaining != 2 {
		t.Errorf("one without a name has %d left after one of 3", a.UserLimits[0].Remaining)
	}
	q = Query{Token: other, Limits: []limit.Request{f.byIP(5)}, UserLimits: []limit.Request{byUser("bob", 3)}}
	if a := f.Ask(t.Context(), q); a.Err != nil || len(a.UserLimits) != 1 || a.UserLimits[0].Remaining != 2 || a.UserLimits[0].Err != nil {
		t.Errorf("another tenant's: %+v", a)
	}
}

func aLimitByBothIsCountedWithTheUsers(t *testing.T, f *fixture) {
	both := byUser(f.user.ID, 1)
	both.Key, both.Spec.Name = "both|203.0.113.7", "both"
	q := Query{Token: f.token, Limits: []limit.Request{f.byIP(5)}, UserLimits: []limit.Request{byUser(f.user.ID, 3), both}}
	for _, allowed := range []bool{true, false} {
		a := f.Ask(t.Context(), q)
		if a.Err != nil || len(a.UserLimits) != 2 || a.UserLimits[1].Allowed != allowed || a.UserLimits[0].Remaining != 2 {
			t.Errorf("%+v", a)
		}
	}
}

func TestWithoutRedisNothingIsKnown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	f := newFixture(t, server.Client())
	f.Ask(t.Context(), f.query(f.token))
	server.Stop()
	a := f.Ask(t.Context(), f.query(f.token))
	if !errors.Is(a.Err, session.ErrUnavailable) || len(a.Limits) != 1 || !errors.Is(a.Limits[0].Err, limit.ErrUnavailable) || len(a.UserLimits) > 0 {
		t.Errorf("%+v", a)
	}
	a = f.Ask(t.Context(), Query{UserLimits: []limit.Request{byUser(f.user.ID, 3)}})
	if len(a.UserLimits) != 1 || !errors.Is(a.UserLimits[0].Err, limit.ErrUnavailable) {
		t.Errorf("%+v", a)
	}
}

func TestAnImpossibleLimitLeavesTheSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t, redistest.Start(t).Client())
	q := f.query(f.token)
	q.Limits[0].Spec.Window = 0
	a := f.Ask(t.Context(), q)
	if a.Err != nil || !errors.Is(a.Limits[0].Err, limit.ErrSpec) || !errors.Is(a.UserLimits[0].Err, limit.ErrSpec) {
		t.Errorf("%+v", a)
	}
}
