package limit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
)

func TestTheTopListTellsWhoIsLimitedNow(t *testing.T) {
	t.Parallel()
	client, c := redistest.Start(t).Client(), newClock()
	replicas := []*Refusals{NewRefusals(client, c.now), NewRefusals(client, c.now)}
	refuse := func(r *Refusals, key string, n int, shadow bool) {
		request := hourly(key, 5, 0)
		request.Shadow = shadow
		for range n {
			r.Note([]Request{hourly("fine", 5, 0), request}, []Result{{Allowed: true}, {}})
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refuse(replicas[0], "a", 8, false)
	refuse(replicas[1], "a", 8, false)
	refuse(replicas[0], "b", 3, false)
	refuse(replicas[0], "s", 2, true)
	top := func(shadow bool, most int) string {
		t.Helper()
		all, err := replicas[1].Top(t.Context(), shadow, most)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, h := range all {
			text += fmt.Sprintf("%s %s %d %v;", h.Key, h.Algorithm, h.Limit, h.Refused)
		}
		return text
	}
	if got := top(false, 9); got != "a fixed_window 5 16;b fixed_window 5 3;" {
		t.Errorf("%s", got)
	}
	if got := top(false, 1); got != "a fixed_window 5 16;" {
		t.Errorf("%s", got)
	}
	if got := top(true, 9); got != "s fixed_window 5 2;" {
		t.Errorf("shadow: %s", got)
	}
	c.advance(2 * time.Minute)
	refuse(replicas[0], "b", 5, false)
	if got := top(false, 9); got != "b fixed_window 5 5.75;a fixed_window 5 4;" {
		t.Errorf("two minutes later: %s", got)
	}
	c.advance(minutesKept * time.Minute)
	if got := top(false, 9); got != "" {
		t.Errorf("when it is over: %s", got)
	}
}

func TestTheTopListIsBoundedHereAndInRedis(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	r := NewRefusals(client, newClock().now)
	for range 2 {
		for i := range maxRefused + 100 {
			r.Note([]Request{hourly(fmt.Sprint(client.PoolStats().Hits, "k", i), 1, 0)}, []Result{{}})
		}
		if len(r.counts) > maxRefused {
			t.Errorf("%d here", len(r.counts))
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	key := client.Keys(t.Context(), "gh:l:{top}*").Val()[0]
	if n := client.ZCard(t.Context(), key).Val(); n != maxRefused || client.TTL(t.Context(), key).Val() <= 0 {
		t.Errorf("%d in Redis", n)
	}
	(*Refusals)(nil).Note(nil, []Result{{}})
	deaf := NewRefusals(redistest.Deaf(t), nil)
	if _, err := deaf.Top(canceled(t), false, 1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestACounterIsShownAndBegunAnewEverywhere(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	a, b := NewWindows(client, patient, nil), alwaysHot(client, nil)
	inspector := NewInspector(client)
	window := 400 * 24 * time.Hour
	for range 4 {
		count(t, a, hourly("k", 2, 0))
		count(t, b, hourly("k", 2, 0)) // both know now that it is over
	}
	count(t, a, places("k", 3))
	hold(t, b, hourly("leased", 100, 20))
	shown, err := inspector.Show(t.Context(), "k", time.Minute, window)
	if err != nil || len(shown) != 2 || shown[0].Algorithm != Concurrency || shown[0].Value != "1" ||
		shown[1].Algorithm != FixedWindow || shown[1].TTL <= 0 {
		t.Fatalf("%+v, %v", shown, err)
	}
	leased, err := inspector.Show(t.Context(), "leased", window)
	if err != nil || len(leased) != 1 || leased[0].Value != "22" {
		t.Fatalf("%+v, %v", leased, err)
	}
	a.hear(t.Context())
	if n, err := inspector.Reset(t.Context(), append(shown, leased...)); n != 3 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if got := count(t, b, hourly("k", 2, 0)); got.Allowed {
		t.Error("b cannot know yet")
	}
	for _, w := range []*Windows{a, b} {
		w.hear(t.Context())
		if got := count(t, w, hourly("k", 2, 0)); !got.Allowed {
			t.Errorf("%+v", got)
		}
		w.hear(t.Context()) // what was heard is not heard again
	}
	if got := count(t, b, hourly("leased", 100, 0)); got.Remaining != 99 {
		t.Errorf("a slice of the old budget is in use: %+v", got)
	}
	if shown, err := inspector.Show(t.Context(), "nobody", window); len(shown) != 0 || err != nil {
		t.Errorf("%+v, %v", shown, err)
	}
	if _, err := inspector.Show(t.Context(), "k}:c"); !errors.Is(err, ErrSpec) {
		t.Errorf("%v", err)
	}
}

func TestACounterIsFoundByTheNameThatItIsListedUnder(t *testing.T) {
	t.Parallel()
	for _, r := range []Request{{Key: Key("api", "203.0.113.7")}, {Slot: Key("2001:db8::/64"), Key: Key("api")}, {Slot: Key("a+b"), Key: Key("c d")}} {
		if found := named(r.name(), r.Spec); found.redisKey() != r.redisKey() {
			t.Errorf("%s: %s, want %s", r.name(), found.redisKey(), r.redisKey())
		}
	}
}
