package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

// byPushAlone takes every other way to learn of a revocation away: what a cache
// holds does not age, and nothing is asked again.
func byPushAlone(m *Manager) {
	m.cache.keep, m.revoked.stale, m.revoked.poll = time.Hour, time.Hour, time.Hour
}

// generously bounds what has no bound of its own: a machine may be busy.
const generously = 20 * time.Second

// ends are all ways in which sessions end before their time.
func ends(t *testing.T, by *Manager, user User) map[string]func(token string, s Session) error {
	return map[string]func(token string, s Session) error{
		"one":        func(token string, _ Session) error { _, err := by.Revoke(t.Context(), token); return err },
		"one by id":  func(_ string, s Session) error { _, err := by.RevokeID(t.Context(), user.ID, s.ID); return err },
		"a user's":   func(string, Session) error { _, err := by.RevokeAll(t.Context(), user.ID); return err },
		"a tenant's": func(string, Session) error { return by.RevokeTenant(t.Context(), user.Tenant) },
		"everything": func(string, Session) error { return by.RevokeEverything(t.Context()) },
		"a rotation without grace": func(token string, _ Session) error {
			_, _, err := by.Rotate(t.Context(), token, Change{Grace: -1})
			return err
		},
	}
}

// Of the ways to hear of a revocation only the push is left: that a replica ends
// a session which it holds in its cache proves that the push has come. How long
// it takes is for `make bench-revocation`, since a test's machine may be busy.
func TestARevocationReachesEveryReplicasCache(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, others := newReplica(t, server.Client()), []*replica{
		newReplica(t, server.Client(), byPushAlone), newReplica(t, server.Client(), byPushAlone), newReplica(t, server.Client(), byPushAlone),
	}
	user := User{ID: "u-9", Tenant: "blue"}
	for name, revoke := range ends(t, one.Manager, user) {
		token, s, err := one.Create(t.Context(), user, usual)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range others {
			// The one before may still be on its way, and empties the cache.
			eventually(t, name+": it is in the cache", generously, func() bool {
				before := r.asked.Load()
				if !r.valid(t, token) {
					t.Fatalf("%s: not valid at replica %d", name, i)
				}
				return r.asked.Load() == before
			})
		}
		if err := revoke(token, s); err != nil {
			t.Fatal(err)
		}
		if one.valid(t, token) {
			t.Errorf("%s: valid where it was revoked", name)
		}
		for _, r := range others {
			eventually(t, name, generously, func() bool { return !r.valid(t, token) })
		}
	}
}

// The other way round: where the push is not sent, and nothing else is left, a
// replica goes on. What the test above waits for is the push.
func TestWithoutThePushAndAllElseACacheKnowsNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := newReplica(t, server.Client(), byPushAlone)
	token, _, err := r.Create(t.Context(), alice, usual)
	if err != nil || !r.valid(t, token) {
		t.Fatal(err)
	}
	if err := neverTold(t, server.Client())["a user's"](); err != nil {
		t.Fatal(err)
	}
	if !r.valid(t, token) {
		t.Error("it has heard of what nobody said")
	}
	if _, err := r.Lookup(t.Context(), token, Demand{Fresh: true}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a route that takes nothing from the cache: %v", err)
	}
}

// neverTold are revocations as a replica that lost the push has them: written,
// and not said.
func neverTold(t *testing.T, client redis.UniversalClient) map[string]func() error {
	return map[string]func() error{
		"a user's": func() error { return client.HIncrBy(t.Context(), keyOf(Handle(alice.ID)), "g", 1).Err() },
		"everything": func() error {
			n, err := client.HGet(t.Context(), revocationsKey, "seq").Int64()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			n = max(n, time.Now().UnixMilli()) + 1
			return client.HSet(t.Context(), revocationsKey, "seq", n, everybody, n).Err()
		},
	}
}

// The bound holds by age, whatever the machine does meanwhile: no lookup that
// begins a second after the revocation, or later, may say yes.
func TestALostPushIsMadeUpForWithinASecond(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Manager){
		"as it is":            func(*Manager) {},
		"without the polling": func(m *Manager) { m.revoked.poll = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			r := newReplica(t, server.Client(), change)
			for whose, revoke := range neverTold(t, server.Client()) {
				token, _, err := r.Create(t.Context(), alice, usual)
				if err != nil {
					t.Fatal(err)
				}
				if !r.valid(t, token) {
					t.Fatalf("%s: not valid at first", whose)
				}
				if err := revoke(); err != nil {
					t.Fatal(err)
				}
				revoked, late := time.Now(), time.Duration(0)
				took := eventually(t, whose, generously, func() bool {
					begun := time.Since(revoked)
					yes := r.valid(t, token)
					if yes {
						late = begun
					}
					return !yes
				})
				if late >= time.Second {
					t.Errorf("%s: a lookup of %s after it still said yes", whose, late)
				}
				t.Logf("%s: %s", whose, took)
			}
		})
	}
}

// BenchmarkRevocationIsPushed measures from the call that revokes to the first
// lookup at another replica that refuses, by the push alone. The bound is 100 ms.
func BenchmarkRevocationIsPushed(b *testing.B) {
	server := redistest.Start(b)
	one, two := newReplica(b, server.Client()), newReplica(b, server.Client(), byPushAlone)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		b.StopTimer()
		user := User{ID: fmt.Sprint(rand.Uint64())}
		token, _, err := one.Create(b.Context(), user, usual)
		if err != nil {
			b.Fatal(err)
		}
		for before := int64(-1); before != two.asked.Load(); {
			before = two.asked.Load()
			if !two.valid(b, token) {
				b.Fatal("not valid at first")
			}
		}
		b.StartTimer()
		begun := time.Now()
		if _, err := one.RevokeAll(b.Context(), user.ID); err != nil {
			b.Fatal(err)
		}
		for two.valid(b, token) {
			if time.Since(begun) > generously {
				b.Fatal("the push does not come")
			}
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-µs": 0.5, "p99-µs": 0.99, "max-µs": 1} {
		b.ReportMetric(float64(took[int(share*float64(len(took)-1))].Microseconds()), name)
	}
}
