package policy

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

const patience = 10 * time.Second

func version(v string) string { return strings.Replace(valid, `"v1"`, `"`+v+`"`, 1) }

func options(client redis.UniversalClient) SourceOptions {
	return SourceOptions{Redis: client, Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

func newSource(t *testing.T, o SourceOptions) *Source {
	t.Helper()
	s, err := NewSource(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func running(t *testing.T, s *Source) *Source {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

func publish(t *testing.T, client redis.UniversalClient, text string) {
	t.Helper()
	if err := client.Set(t.Context(), Key, text, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

// await asks again until the state is there.
func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func uses(s *Source, v string) func() bool {
	return func() bool { return s.Current() != nil && s.Current().Version() == v }
}

func TestTheSourceFollowsRedisWithAndWithoutAnnouncement(t *testing.T) {
	client := redistest.Start(t).Client()
	s := running(t, newSource(t, options(client)))
	if s.Current() != nil || s.Status().Loaded || !strings.Contains(s.Status().Problem, "no policy is published") {
		t.Errorf("an empty Redis: %+v", s.Status())
	}
	publish(t, client, version("v1"))
	await(t, "the poll finds the first", uses(s, "v1"))
	publish(t, client, version("v2"))
	if err := client.Publish(t.Context(), Channel, "v2").Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "an announced one", uses(s, "v2"))
	if got := s.Status(); !got.Loaded || got.Version != "v2" || got.Origin != FromRedis || got.Problem != "" || got.LoadedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
}

func TestABrokenPolicyIsRejectedOnceAndTheGoodOneStays(t *testing.T) {
	client := redistest.Start(t).Client()
	var rejected atomic.Int64
	o := options(client)
	o.Rejected = func(error) { rejected.Add(1) }
	publish(t, client, version("v1"))
	s := newSource(t, o)
	publish(t, client, `{"version":"v2","polices":{}}`)
	for range 3 {
		if err := s.load(t.Context()); err == nil || !strings.Contains(err.Error(), "polices") {
			t.Errorf("got %v", err)
		}
	}
	if !uses(s, "v1")() || rejected.Load() != 1 || !strings.Contains(s.Status().Problem, "rejected") {
		t.Errorf("rejected %d times, %+v", rejected.Load(), s.Status())
	}
	publish(t, client, version("v1"))
	if err := s.load(t.Context()); err != nil || s.Status().Problem != "" {
		t.Errorf("the good one is back: %v, %+v", err, s.Status())
	}
}

func TestThePolicyOutlivesRedisAndIsFollowedAgainAfterwards(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	publish(t, client, version("v1"))
	s := running(t, newSource(t, options(client)))
	server.Stop()
	await(t, "the problem is told", func() bool { return s.Status().Problem != "" })
	if !uses(s, "v1")() {
		t.Error("the policy is gone with Redis")
	}
	server.Restart()
	await(t, "the empty Redis is told", func() bool { return strings.Contains(s.Status().Problem, "no policy is published") })
	if !uses(s, "v1")() {
		t.Error("an empty Redis took the policy away")
	}
	publish(t, client, version("v2"))
	await(t, "the next version", uses(s, "v2"))
}

func TestTheLastGoodPolicyIsUsedAfterARestartWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	o := options(server.Client())
	o.LastGood = filepath.Join(t.TempDir(), "policy.json")
	publish(t, o.Redis, version("v1"))
	newSource(t, o)
	server.Stop()
	s := newSource(t, o)
	if got := s.Status(); !uses(s, "v1")() || got.Origin != FromDisk || got.Problem == "" {
		t.Errorf("got %+v", got)
	}
	if info, err := os.Stat(o.LastGood); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(o.LastGood), ".policy-*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	server.Restart()
	publish(t, o.Redis, version("v1"))
	if err := s.load(t.Context()); err != nil || s.Status().Origin != FromRedis {
		t.Errorf("the same one from Redis: %v, %+v", err, s.Status())
	}
}

func TestALastGoodPolicyThatIsBrokenOrMissingIsNone(t *testing.T) {
	o := options(redistest.Deaf(t))
	o.LastGood = filepath.Join(t.TempDir(), "policy.json")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 {
		s, err := NewSource(ctx, o)
		if err != nil || s.Current() != nil {
			t.Errorf("%v, %v", s.Current(), err)
		}
		if err := os.WriteFile(o.LastGood, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFileIsReadOnceItIsThereAndFollowed(t *testing.T) {
	o := options(nil)
	o.File = filepath.Join(t.TempDir(), "authz.json")
	if _, err := NewSource(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	for _, text := range []string{"{", version("v1"), version("v2")} {
		if err := os.WriteFile(o.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := NewSource(t.Context(), o)
		if (text == "{") != (err != nil) {
			t.Fatalf("%.20s: %v", text, err)
		}
		if err == nil && s.Status().Origin != FromFile {
			t.Errorf("got %+v", s.Status())
		}
	}
}

func TestRefreshReadsAtMostOnceInAMoment(t *testing.T) {
	client := redistest.Start(t).Client()
	o, c := options(client), newClock()
	o.Now = c.Now
	s := newSource(t, o)
	publish(t, client, version("v1"))
	if set := s.Refresh(t.Context()); set == nil || set.Version() != "v1" {
		t.Errorf("got %v", set)
	}
	publish(t, client, version("v2"))
	if set := s.Refresh(t.Context()); set.Version() != "v1" {
		t.Error("it was read again at once")
	}
	c.pass(refreshEvery)
	if set := s.Refresh(t.Context()); set.Version() != "v2" {
		t.Error("it was not read again later")
	}
}

func TestRefreshGivesUpWithItsCaller(t *testing.T) {
	s := newSource(t, func() SourceOptions {
		o := options(redistest.Deaf(t))
		o.File = filepath.Join(t.TempDir(), "authz.json")
		if err := os.WriteFile(o.File, []byte(version("v1")), 0o600); err != nil {
			t.Fatal(err)
		}
		return o
	}())
	s.o.File = "" // from now on Redis, which does not answer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	if set := s.Refresh(ctx); set == nil || time.Since(start) > 500*time.Millisecond {
		t.Errorf("%v after %s", set, time.Since(start))
	}
}

func TestANudgeIsFollowedSoon(t *testing.T) {
	client := redistest.Start(t).Client()
	s := running(t, newSource(t, options(client)))
	publish(t, client, version("v1"))
	s.Nudge()
	s.Nudge()
	await(t, "the nudged read", uses(s, "v1"))
}
