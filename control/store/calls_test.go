package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

func claimOf(id, fingerprint string) store.CallClaim {
	return store.CallClaim{ID: id, Fingerprint: fingerprint, For: time.Minute, Keep: time.Hour}
}

func claim(t *testing.T, s *store.Store, id, fingerprint string) store.CallClaimed {
	t.Helper()
	c, err := s.ClaimCall(context.Background(), claimOf(id, fingerprint))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACallIsClaimedKeptAndReleased(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		first := claim(t, s, "a", "f")
		if first.Claim == "" || first.Answer != nil {
			t.Fatalf("%+v", first)
		}
		if again := claim(t, s, "a", "f"); again.Claim != "" || again.Answer != nil || again.Fingerprint != "f" {
			t.Errorf("under way: %+v", again)
		}
		if err := s.KeepAnswer(ctx, "a", "somebody else's claim", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := s.KeepAnswer(ctx, "a", first.Claim, []byte("\x00answer")); err != nil {
			t.Fatal(err)
		}
		if kept := claim(t, s, "a", "other"); kept.Claim != "" || string(kept.Answer) != "\x00answer" || kept.Fingerprint != "f" {
			t.Errorf("kept: %+v", kept)
		}
		if err := s.ReleaseCall(ctx, "a", first.Claim); err != nil {
			t.Fatal(err)
		}
		if kept := claim(t, s, "a", "f"); kept.Answer == nil {
			t.Error("an answer was released")
		}
		second := claim(t, s, "b", "f")
		if err := s.ReleaseCall(ctx, "b", second.Claim); err != nil {
			t.Fatal(err)
		}
		if third := claim(t, s, "b", "g"); third.Claim == "" {
			t.Errorf("released: %+v", third)
		}
	})
}

func TestACallOutlivesNeitherItsClaimerNorItsTime(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		var ahead atomic.Int64
		start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		s, err := store.Open(context.Background(), store.Options{URL: url, Now: func() time.Time { return start.Add(time.Duration(ahead.Load())) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		first := claim(t, s, "a", "f")
		ahead.Store(int64(59 * time.Second))
		if c := claim(t, s, "a", "f"); c.Claim != "" {
			t.Error("a claim is lost before its time")
		}
		ahead.Store(int64(60 * time.Second))
		if c := claim(t, s, "a", "other"); c.Claim != "" || c.Fingerprint != "f" {
			t.Errorf("another call takes the key of one that died: %+v", c)
		}
		second := claim(t, s, "a", "f")
		if second.Claim == "" {
			t.Fatal("the claim of a dead process holds")
		}
		if err := s.KeepAnswer(context.Background(), "a", first.Claim, []byte("late")); err != nil {
			t.Fatal(err)
		}
		if c := claim(t, s, "a", "f"); c.Answer != nil {
			t.Error("who lost the claim settles it")
		}
		ahead.Store(int64(3 * time.Hour))
		if c := claim(t, s, "a", "new"); c.Claim == "" || c.Fingerprint != "new" {
			t.Errorf("after its time: %+v", c)
		}
	})
}

func TestOfManyClaimsOneWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for round := range 5 {
			var won atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					c, err := s.ClaimCall(context.Background(), claimOf(fmt.Sprint("r", round), "f"))
					if err != nil {
						t.Error(err)
					}
					if c.Claim != "" {
						won.Add(1)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Errorf("round %d: %d won", round, won.Load())
			}
		}
	})
}

func TestAClaimOnAClosedStoreIsAnError(t *testing.T) {
	t.Parallel()
	s, err := store.Open(context.Background(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := s.ClaimCall(ctx, claimOf("a", "f")); err == nil {
		t.Error("claimed")
	}
	if s.KeepAnswer(ctx, "a", "c", nil) == nil || s.ReleaseCall(ctx, "a", "c") == nil {
		t.Error("settled")
	}
}
