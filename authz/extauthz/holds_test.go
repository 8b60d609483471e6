package extauthz

import (
	"context"
	"crypto/rand"
	"testing"

	"gatehouse/authz/extauthz/store"
	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

const heldPolicy = `{
  "version": "v1",
  "default_policy": "streams",
  "policies": {
    "streams": {"session": {}, "limits": [
      {"name": "streams", "by": ["ip"], "requests": 2, "window_ms": 60000, "algorithm": "concurrency"}]},
    "members": {"session": {"require": "required"}, "limits": [
      {"name": "streams", "by": ["ip"], "requests": 2, "window_ms": 60000, "algorithm": "concurrency"}]},
    "watched": {"session": {}, "limits": [
      {"name": "watched", "by": ["ip"], "requests": 1, "window_ms": 60000, "algorithm": "concurrency", "mode": "report"}]},
    "quota": {"session": {}, "limits": [
      {"name": "monthly", "by": ["ip"], "requests": 2, "period": "month", "time_zone": "Europe/Berlin", "algorithm": "quota"}]}
  },
  "sign_in": {}
}`

// newHeldHarness counts on a real Redis, and notes what is given back.
func newHeldHarness(t *testing.T) (h *harness, limiter *limit.Limiter, given *[]limit.Hold) {
	t.Helper()
	h = newHarnessWith(t, heldPolicy)
	client := redistest.Start(t).Client()
	line := limit.NewLine(client, storeWithin*20)
	h.o.Store = store.New(session.New(client, h.clock.Now, rand.Reader), line, nil)
	given, limiter = &[]limit.Hold{}, limit.NewOn(line, nil)
	h.o.GiveBack = func(holds ...limit.Hold) {
		*given = append(*given, holds...)
		if err := limiter.Release(context.Background(), holds...); err != nil {
			t.Error(err)
		}
	}
	return h, limiter, given
}

func holdsOf(t *testing.T, a answer) []limit.Hold {
	t.Helper()
	text, _ := a.metadata[holdsField].(string)
	if text == "" {
		return nil
	}
	holds, err := limit.ParseHolds(text)
	if err != nil {
		t.Fatal(err)
	}
	return holds
}

func TestAPlaceIsTakenUntilTheRequestHasEnded(t *testing.T) {
	t.Parallel()
	h, limiter, _ := newHeldHarness(t)
	first, second := h.check(t, ask{}), h.check(t, ask{})
	if first.code != 200 || second.code != 200 || len(holdsOf(t, first)) != 1 {
		t.Fatalf("%d %d %v", first.code, second.code, first.metadata)
	}
	third := h.check(t, ask{})
	policy, _ := find(third.GetDeniedResponse().GetHeaders(), "ratelimit-policy")
	if third.code != 429 || len(holdsOf(t, third)) != 0 || policy != `"streams";q=2;qu="concurrent-requests"` ||
		third.metadata["reason"] != "more than 2 requests at once" {
		t.Errorf("%d %v %q", third.code, third.metadata, policy)
	}
	if other := h.check(t, ask{from: "203.0.113.8"}); other.code != 200 {
		t.Errorf("another address: %d", other.code)
	}
	if err := limiter.Release(context.Background(), holdsOf(t, first)...); err != nil {
		t.Fatal(err)
	}
	if fourth := h.check(t, ask{}); fourth.code != 200 {
		t.Errorf("after one has ended: %d", fourth.code)
	}
}

func TestARefusedRequestKeepsNoPlace(t *testing.T) {
	t.Parallel()
	h, _, given := newHeldHarness(t)
	for i := range 4 { // the address is counted, whoever it is, and there is no session
		if got := h.check(t, ask{policy: "members"}); got.code != 401 || len(holdsOf(t, got)) != 0 || len(*given) != i+1 {
			t.Errorf("%d %v, given back %v", got.code, got.metadata, *given)
		}
	}
}

func TestAConcurrencyLimitThatReportsRefusesNobody(t *testing.T) {
	t.Parallel()
	h, _, _ := newHeldHarness(t)
	if got := h.check(t, ask{policy: "watched"}); got.code != 200 || len(holdsOf(t, got)) != 1 {
		t.Errorf("%d %v", got.code, got.metadata)
	}
	got := h.check(t, ask{policy: "watched"})
	if got.code != 200 || got.metadata["decision"] != "report" || got.metadata["limit"] != "watched" || len(holdsOf(t, got)) != 0 {
		t.Errorf("%d %v", got.code, got.metadata)
	}
}

func TestAQuotaCountsForTheMonth(t *testing.T) {
	t.Parallel()
	h, _, _ := newHeldHarness(t)
	for i, want := range []int{200, 200, 429} {
		if got := h.check(t, ask{policy: "quota"}); got.code != want {
			t.Errorf("request %d: %d %v", i, got.code, got.metadata)
		}
	}
}
