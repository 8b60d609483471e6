package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/authz/login"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

func TestAUserIsFoundWhateverTheLetterCase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, findWhateverTheLetterCase)
}

func findWhateverTheLetterCase(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	added, err := s.AddUser(ctx, "  Größe.Öz ", "hash", []string{"operator"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Größe.Öz", "GRÖSSE.öz", "gro\u0308ße.o\u0308z"} {
		u, err := s.UserByName(ctx, name)
		if err != nil || u.ID != added.ID || u.Name != "Größe.Öz" || u.PasswordHash != "hash" || u.Disabled || !slices.Equal(u.Roles, []string{"operator"}) {
			t.Errorf("%s: %+v %v", name, u, err)
		}
		if _, err := s.AddUser(ctx, name, "other", nil); !errors.Is(err, store.ErrUserExists) {
			t.Errorf("adding %s: %v", name, err)
		}
	}
	if _, err := s.UserByName(ctx, "Grosse.Oz"); !errors.Is(err, login.ErrNoUser) {
		t.Errorf("error %v", err)
	}
}

func TestWhatChangesOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, changeAndOpenAgain)
}

func changeAndOpenAgain(t *testing.T, url string) {
	t.Helper()
	ctx := t.Context()
	first := storetest.Open(t, url)
	for _, name := range []string{"bob", "Anna"} {
		if _, err := first.AddUser(ctx, name, "old", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(first.SetPassword(ctx, "ANNA", "new"), first.SetDisabled(ctx, "bob", true)); err != nil {
		t.Fatal(err)
	}
	users, err := storetest.Open(t, url).Users(ctx) // beside the first
	if err != nil || len(users) != 2 {
		t.Fatalf("%v %v", users, err)
	}
	anna, bob := users[0], users[1]
	if anna.Name != "Anna" || anna.PasswordHash != "new" || anna.Disabled || !anna.Updated.After(anna.Created) || anna.Roles == nil {
		t.Errorf("%+v", anna)
	}
	if bob.PasswordHash != "old" || !bob.Disabled {
		t.Errorf("%+v", bob)
	}
	if err := first.SetDisabled(ctx, "bob", false); err != nil {
		t.Fatal(err)
	}
	if u, err := first.UserByName(ctx, "bob"); err != nil || u.Disabled {
		t.Errorf("%+v %v", u, err)
	}
	for _, err := range []error{first.SetPassword(ctx, "nobody", "x"), first.SetDisabled(ctx, "nobody", true)} {
		if !errors.Is(err, login.ErrNoUser) {
			t.Errorf("error %v", err)
		}
	}
}

func TestManyMayOpenANewStoreAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, openAtOnce)
}

func openAtOnce(t *testing.T, url string) {
	t.Helper()
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			s, err := store.Open(context.Background(), store.Options{URL: url})
			if err == nil {
				_, err = s.AddUser(context.Background(), string(rune('a'+i)), "hash", nil)
				err = errors.Join(err, s.Close())
			}
			errs[i] = err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if users, err := storetest.Open(t, url).Users(context.Background()); err != nil || len(users) != len(errs) {
		t.Errorf("%d users, %v", len(users), err)
	}
}

func TestOnlyTheOwnerReadsTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.Open(t, "sqlite:"+filepath.Join(dir, "users.db"))
	if _, err := s.AddUser(context.Background(), "a", "hash", nil); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 2 {
		t.Fatalf("%v %v", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
}

func TestAPathMayHoldAnyCharacter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new folder", "u?s%41#.db")
	storetest.Open(t, "sqlite:"+path)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatIsNotSupportedIsRefused(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                           "no scheme",
		"users.db":                   "no scheme",
		"mysql://u:hunter2@db/x":     `"mysql" is not supported`,
		"postgres://u:hunter2@db/x":  "GATEHOUSE_STORE_PASSWORD_FILE",
		"postgres://u@db:70000/x":    "cannot be read",
		"sqlite:":                    "in memory",
		"sqlite::memory:":            "in memory",
		"sqlite:/proc/none/users.db": "open the store",
	} {
		_, err := store.Open(t.Context(), store.Options{URL: url})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestANameThatCannotBeOneIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, name := range []string{"", "  ", "a\nb", "\xff", strings.Repeat("x", 129)} {
			if _, err := s.AddUser(t.Context(), name, "hash", nil); err == nil {
				t.Errorf("%q is accepted", name)
			}
		}
	})
}
