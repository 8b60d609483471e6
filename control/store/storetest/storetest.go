// Package storetest runs one test on both kinds of store.
//
// It promises a new, empty store of each kind, closed and gone when its subtest
// ends. It never skips: see pgtest.
package storetest

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatehouse/control/internal/pgtest"
	"gatehouse/control/store"
)

// Each runs fn in a subtest on SQLite and in one on PostgreSQL.
func Each(t *testing.T, fn func(t *testing.T, s *store.Store)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		fn(t, Open(t, url))
	})
}

// EachURL is Each for a test that opens the store itself, perhaps more than
// once.
func EachURL(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, "sqlite:"+filepath.Join(t.TempDir(), "gatehouse.db")) })
	t.Run("postgres", func(t *testing.T) { fn(t, pgtest.Start(t)) })
}

// Open opens the store at url until the test ends. Each call of its clock is a
// second later than the one before, from 2026-01-02T03:04:05Z on.
func Open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{URL: url, Now: Clock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Clock is a clock of the kind that Open gives a store.
func Clock() func() time.Time {
	var mu sync.Mutex
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Second)
		return at
	}
}
