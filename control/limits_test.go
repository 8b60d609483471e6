package control

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/limit"
	"gatehouse/control/api"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/store"
)

// limitingAt has a Redis and a store of its own.
func limitingAt(t *testing.T, now time.Time) limiting {
	t.Helper()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: redistest.Start(t).Socket(), MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "s.db"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return limiting{client, s, func() time.Time { return now }}
}

func TestWhoIsLimitedIsToldAndBeginsAnew(t *testing.T) {
	t.Parallel()
	l := limitingAt(t, time.Now())
	limiter, refusals := limit.New(l.redis, nil), limit.NewRefusals(l.redis, nil)
	requests := []limit.Request{{Key: "api:ip", Slot: "203.0.113.7", Spec: limit.Spec{Name: "api", Requests: 2, Window: time.Minute}}}
	ask := func() bool {
		t.Helper()
		results, err := limiter.Admit(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		refusals.Note(requests, results)
		return results[0].Allowed
	}
	for i := range 3 {
		if ask() != (i < 2) {
			t.Fatalf("request %d of 2", i)
		}
	}
	if err := refusals.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := l.Limited(t.Context(), false, 10)
	if err != nil || len(found) != 1 || found[0].Name != "api" || found[0].Limit != 2 || found[0].WindowSeconds != 60 {
		t.Fatalf("%+v %v", found, err)
	}
	counters, err := l.Counters(t.Context(), found[0].Key)
	if err != nil || len(counters) != 1 || counters[0].Value != "2" || counters[0].TTLSeconds <= 0 {
		t.Fatalf("%+v %v", counters, err)
	}
	if n, err := l.Reset(t.Context(), found[0].Key); err != nil || n != 1 || !ask() {
		t.Errorf("%d %v", n, err)
	}
	for _, key := range []string{"nobody", "{gh}", ""} {
		if _, err := l.Counters(t.Context(), key); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestALimitIsTriedOnTheRequestsOfTheAuditLog(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := limitingAt(t, now)
	if err := l.store.ResetEventIndex(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	var events []store.IndexedEvent
	add := func(kind event.Type, at time.Duration, client, subject string) {
		n := uint64(len(events))
		events = append(events, store.IndexedEvent{Leaf: n, ID: fmt.Sprintf("e%d", n), Time: now.Add(at), Type: string(kind), Client: client, Subject: subject})
	}
	for i := range 20 { // one a second
		add(event.RequestAllowed, -time.Hour+time.Duration(i)*time.Second, "c:a", "u:x")
		add(event.RequestDenied, -time.Hour+time.Duration(i)*time.Second, "c:b", "")
		add(event.AuthenticationAttempt, -time.Hour, "c:a", "") // also an allowed request
		add(event.RequestAllowed, -30*time.Hour, "c:a", "u:x")  // the day before
		add(event.OperatorAction, -time.Hour, "c:a", "u:x")     // not through Envoy
	}
	if err := l.store.IndexEvents(t.Context(), 0, events); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		trial                   api.LimitTrial
		requests, refused, keys int
	}{
		"by address":              {api.LimitTrial{Rate: "5/10s"}, 40, 20, 2},
		"by user":                 {api.LimitTrial{Rate: "5/10s", By: "user"}, 20, 10, 1},
		"with a burst":            {api.LimitTrial{Rate: "60/m", Algorithm: "gcra", Burst: 1}, 40, 0, 2},
		"for a day":               {api.LimitTrial{Rate: "15/day", Algorithm: "quota", TimeZone: "Asia/Tokyo"}, 40, 10, 2},
		"of all that is recorded": {api.LimitTrial{Rate: "5/10s", From: now.Add(-48 * time.Hour)}, 60, 35, 2},
	} {
		got, err := l.Try(t.Context(), c.trial)
		if err != nil || got.Requests != c.requests || got.Refused != c.refused || got.Keys != c.keys || got.Cut {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	for _, bad := range []api.LimitTrial{
		{Rate: "many"}, {Rate: "5/day"}, {Rate: "5/s", Algorithm: "quota"}, {Rate: "5/s", TimeZone: "UTC"},
		{Rate: "5/day", Algorithm: "quota", TimeZone: "Mars"}, {Rate: "5/s", Algorithm: "leaky"}, {Rate: "200000/s"},
	} {
		if got, err := l.Try(t.Context(), bad); !errors.Is(err, api.ErrTrial) {
			t.Errorf("%+v: %+v %v", bad, got, err)
		}
	}
}
