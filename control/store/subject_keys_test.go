package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

func claimed(t *testing.T, s *store.Store, id string) {
	t.Helper()
	if has, err := s.ClaimMasterKey(t.Context(), id); err != nil || has != id {
		t.Fatalf("%q %v", has, err)
	}
}

func TestAKeyIsAddedOnceAndTheFirstStays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		claimed(t, s, "m1")
		for _, wrapped := range []string{"first", "second"} {
			err := s.AddSubjectKeys(ctx, "m1", []store.SubjectKey{{Name: "u:b", Wrapped: []byte(wrapped)}, {Name: "u:a", Wrapped: []byte(wrapped)}})
			if err != nil {
				t.Fatal(err)
			}
		}
		keys, err := s.SubjectKeys(ctx, []string{"u:a", "u:b", "u:c"})
		if err != nil || len(keys) != 2 {
			t.Fatalf("%v %v", keys, err)
		}
		for name, k := range keys {
			if k.Name != name || string(k.Wrapped) != "first" || k.Created.IsZero() || !k.Destroyed.IsZero() {
				t.Errorf("%s: %+v", name, k)
			}
		}
	})
}

func TestADestroyedKeyLeavesATombstoneThatNothingReplaces(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		claimed(t, s, "m1")
		add := func() {
			t.Helper()
			if err := s.AddSubjectKeys(ctx, "m1", []store.SubjectKey{{Name: "u:had", Wrapped: []byte("k")}, {Name: "u:other", Wrapped: []byte("k")}}); err != nil {
				t.Fatal(err)
			}
		}
		add()
		var first store.SubjectKey
		for range 2 { // the second changes nothing
			for _, name := range []string{"u:had", "u:never"} {
				if err := s.DestroySubjectKey(ctx, name); err != nil {
					t.Fatal(err)
				}
			}
			add()
			keys, err := s.SubjectKeys(ctx, []string{"u:had", "u:never", "u:other"})
			if err != nil || len(keys) != 3 || keys["u:other"].Wrapped == nil {
				t.Fatalf("%v %v", keys, err)
			}
			for _, name := range []string{"u:had", "u:never"} {
				if k := keys[name]; k.Wrapped != nil || k.Destroyed.IsZero() {
					t.Errorf("%s: %+v", name, k)
				}
			}
			if first.Name == "" {
				first = keys["u:had"]
			} else if !keys["u:had"].Destroyed.Equal(first.Destroyed) {
				t.Error("the time of the first destruction is lost")
			}
		}
		if live, err := s.LiveSubjectKeys(ctx, "u:"); err != nil || !slices.Equal(live, []string{"u:other"}) {
			t.Errorf("%v %v", live, err)
		}
	})
}

func TestManyKeysAreReadInFewStatements(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		claimed(t, s, "m1")
		var keys []store.SubjectKey
		var names []string
		for i := range 1201 {
			name := fmt.Sprintf("u:%04d", i)
			keys, names = append(keys, store.SubjectKey{Name: name, Wrapped: []byte(name)}), append(names, name)
		}
		if err := s.AddSubjectKeys(ctx, "m1", keys); err != nil {
			t.Fatal(err)
		}
		if found, err := s.SubjectKeys(ctx, names); err != nil || len(found) != len(names) {
			t.Errorf("%d found, %v", len(found), err)
		}
		n, err := s.RewrapSubjectKeys(ctx, "m1", "m2", func(name string, wrapped []byte) ([]byte, error) {
			if name != string(wrapped) {
				t.Errorf("%s comes with %s", name, wrapped)
			}
			return append(wrapped, '!'), nil
		})
		if err != nil || n != len(names) {
			t.Errorf("%d, %v", n, err)
		}
		if found, err := s.SubjectKeys(ctx, names[1200:]); err != nil || string(found["u:1200"].Wrapped) != "u:1200!" {
			t.Errorf("%v %v", found, err)
		}
	})
}

func TestTheMasterKeyOfAStoreIsOneAtATime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		claimed(t, s, "m1")
		if has, err := s.ClaimMasterKey(ctx, "m2"); err != nil || has != "m1" {
			t.Errorf("%q %v", has, err)
		}
		key := []store.SubjectKey{{Name: "u:a", Wrapped: []byte("k")}}
		if err := s.AddSubjectKeys(ctx, "m2", key); !errors.Is(err, store.ErrMasterKey) {
			t.Errorf("%v", err)
		}
		if err := s.AddSubjectKeys(ctx, "m1", key); err != nil {
			t.Error(err)
		}
		unchanged := func(_ string, wrapped []byte) ([]byte, error) { return wrapped, nil }
		if _, err := s.RewrapSubjectKeys(ctx, "m9", "m2", unchanged); !errors.Is(err, store.ErrMasterKey) {
			t.Errorf("%v", err)
		}
		failed := errors.New("it does not open")
		if _, err := s.RewrapSubjectKeys(ctx, "m1", "m2", func(string, []byte) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
			t.Errorf("%v", err)
		}
		if has, err := s.ClaimMasterKey(ctx, "m2"); err != nil || has != "m1" {
			t.Errorf("after a failed change: %q %v", has, err)
		}
	})
}

func TestManyMayAddTheSameKeysAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		claimed(t, s, "m1")
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() {
				var keys []store.SubjectKey
				for n := range 50 {
					keys = append(keys, store.SubjectKey{Name: fmt.Sprint("u:", (n*7+i)%50), Wrapped: []byte(fmt.Sprint(i))})
				}
				errs[i] = s.AddSubjectKeys(t.Context(), "m1", keys)
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if live, err := s.LiveSubjectKeys(t.Context(), "u:"); err != nil || len(live) != 50 {
			t.Errorf("%d keys, %v", len(live), err)
		}
	})
}

func TestADestroyedKeyIsNowhereInSQLitesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.Open(t, "sqlite:"+filepath.Join(dir, "gatehouse.db"))
	claimed(t, s, "m1")
	secret := "wrapped-" + strings.Repeat("Q7", 30)
	for n := range 20 {
		if err := s.AddSubjectKeys(t.Context(), "m1", []store.SubjectKey{{Name: fmt.Sprint("u:", n), Wrapped: fmt.Appendf(nil, "%s-%d-end", secret, n)}}); err != nil {
			t.Fatal(err)
		}
	}
	on := func(n int) bool {
		t.Helper()
		for _, suffix := range []string{"", "-wal"} {
			text, err := os.ReadFile(filepath.Join(dir, "gatehouse.db"+suffix))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, fmt.Appendf(nil, "%s-%d-end", secret, n)) {
				return true
			}
		}
		return false
	}
	if !on(7) || !on(8) {
		t.Fatal("the keys are not where this test looks")
	}
	if err := s.DestroySubjectKey(t.Context(), "u:7"); err != nil {
		t.Fatal(err)
	}
	if on(7) {
		t.Error("the destroyed key is still on the disk")
	}
	if !on(8) {
		t.Error("another key is gone")
	}
}
