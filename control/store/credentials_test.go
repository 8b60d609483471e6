package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/login"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

func TestCredentialsAreKeptAndFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, keepCredentials)
}

func keepCredentials(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	anna := person(t, s, "anna")
	expires := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key := login.Credential{ID: "k1", UserID: anna.ID, Kind: login.KindAPIKey, Lookup: "abc", Label: "build", Data: "read write", Active: true, Expires: expires}
	app := login.Credential{ID: "t1", UserID: anna.ID, Kind: login.KindTOTP, Data: "sealed"}
	if err := s.AddCredentials(ctx, key, app); err != nil {
		t.Fatal(err)
	}
	list, err := s.Credentials(ctx, anna.ID)
	if err != nil || len(list) != 2 || list[0].Label != "build" || !list[0].Expires.Equal(expires) || list[0].Created.IsZero() || list[1].Active {
		t.Fatalf("%+v %v", list, err)
	}
	if got, err := s.Credential(ctx, login.KindAPIKey, "abc"); err != nil || got.ID != "k1" || got.Data != "read write" || !got.Used.IsZero() {
		t.Errorf("%+v %v", got, err)
	}
	for _, lookup := range []string{"abd", ""} {
		if _, err := s.Credential(ctx, login.KindAPIKey, lookup); !errors.Is(err, login.ErrNoCredential) {
			t.Errorf("lookup %q: %v", lookup, err)
		}
	}
	if _, err := s.Credential(ctx, login.KindReset, "abc"); !errors.Is(err, login.ErrNoCredential) {
		t.Errorf("found as another kind: %v", err)
	}
	if u, err := s.UserByName(ctx, "anna"); err != nil || u.SecondFactor {
		t.Errorf("an enrolment that is not confirmed counts: %+v %v", u, err)
	}
	if ok, err := s.UseCredential(ctx, "t1", 7, ""); err != nil || !ok {
		t.Error(ok, err)
	}
	if u, err := s.Account(ctx, anna.ID); err != nil || !u.SecondFactor {
		t.Errorf("%+v %v", u, err)
	}
	if ok, err := s.UseCredential(ctx, "t1", 7, ""); err != nil || ok {
		t.Error("a step was used twice", err)
	}
	if n, err := s.RemoveCredentials(ctx, anna.ID, login.KindTOTP, "k1"); err != nil || n != 0 {
		t.Error("a key was removed as an app", n, err)
	}
	if n, err := s.RemoveCredentials(ctx, "another", login.KindTOTP, "t1"); err != nil || n != 0 {
		t.Error("another's app was removed", n, err)
	}
	if n, err := s.RemoveCredentials(ctx, anna.ID, login.KindTOTP, ""); err != nil || n != 1 {
		t.Error(n, err)
	}
}

func person(t *testing.T, s *store.Store, name string) store.User {
	t.Helper()
	u, err := s.AddUser(t.Context(), name, "hash", nil)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWhatIsGoodOnceIsSpentOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, spendOnce)
}

func spendOnce(t *testing.T, s *store.Store) {
	t.Helper()
	anna := person(t, s, "anna")
	err := s.AddCredentials(t.Context(), login.Credential{ID: "r1", UserID: anna.ID, Kind: login.KindRecovery, Lookup: "h", Active: true},
		login.Credential{ID: "t1", UserID: anna.ID, Kind: login.KindTOTP, Data: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var spent, used atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if c, err := s.SpendCredential(t.Context(), login.KindRecovery, "h"); err == nil && c.UserID == anna.ID {
				spent.Add(1)
			} else if !errors.Is(err, login.ErrNoCredential) {
				t.Error(err)
			}
			if ok, err := s.UseCredential(t.Context(), "t1", 5, ""); err != nil {
				t.Error(err)
			} else if ok {
				used.Add(1)
			}
		})
	}
	all.Wait()
	if spent.Load() != 1 || used.Load() != 1 {
		t.Errorf("spent %d times, used %d times", spent.Load(), used.Load())
	}
}

func TestOfTwoWhoReplaceCredentialsOneHasTheLastWord(t *testing.T) {
	t.Parallel()
	storetest.Each(t, replaceAtOnce)
}

func replaceAtOnce(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	anna, bob := person(t, s, "anna"), person(t, s, "bob")
	code := func(of store.User, id string) login.Credential {
		return login.Credential{ID: id, UserID: of.ID, Kind: login.KindRecovery, Lookup: id, Label: id[:2], Active: true}
	}
	if err := s.AddCredentials(ctx, code(anna, "a0-1"), code(bob, "b0-1"), login.Credential{ID: "k", UserID: anna.ID, Kind: login.KindAPIKey, Lookup: "k"}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			name := fmt.Sprint("a", i+1)
			if err := s.ReplaceCredentials(ctx, anna.ID, login.KindRecovery, code(anna, name+"-1"), code(anna, name+"-2")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := s.Credentials(ctx, anna.ID)
	kinds := map[login.CredentialKind][]string{}
	for _, c := range list {
		kinds[c.Kind] = append(kinds[c.Kind], c.Label)
	}
	if codes := kinds[login.KindRecovery]; err != nil || len(codes) != 2 || codes[0] != codes[1] || codes[0] == "a0" || len(kinds[login.KindAPIKey]) != 1 {
		t.Errorf("%v %v", kinds, err)
	}
	// All or nothing: an id that is taken.
	if err := s.ReplaceCredentials(ctx, anna.ID, login.KindRecovery, code(anna, "zz-1"), code(anna, "b0-1")); err == nil {
		t.Error("an id was given twice")
	}
	if left, err := s.Credentials(ctx, anna.ID); err != nil || len(left) != 3 {
		t.Errorf("the codes of before are gone: %+v %v", left, err)
	}
}

func TestCredentialsGoWithTheirUser(t *testing.T) {
	t.Parallel()
	storetest.Each(t, goTogether)
}

func goTogether(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	anna := person(t, s, "anna")
	if err := s.AddCredentials(ctx, login.Credential{ID: "k", UserID: anna.ID, Kind: login.KindAPIKey, Lookup: "h", Active: true}); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.DeleteUser(ctx, anna.ID); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, err := s.Credential(ctx, login.KindAPIKey, "h"); !errors.Is(err, login.ErrNoCredential) {
		t.Error("a key outlived its owner", err)
	}
	if err := s.AddCredentials(ctx, login.Credential{ID: "k2", UserID: anna.ID, Kind: login.KindAPIKey}); err == nil {
		t.Error("nobody got a key")
	}
}

func TestAUserHasSoManyCredentialsOfAKind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, boundThem)
}

func boundThem(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	anna := person(t, s, "anna")
	var many []login.Credential
	for i := range login.MaxCredentials {
		many = append(many, login.Credential{ID: fmt.Sprint("k", i), UserID: anna.ID, Kind: login.KindAPIKey, Lookup: fmt.Sprint("h", i)})
	}
	if err := s.AddCredentials(ctx, many...); err != nil {
		t.Fatal(err)
	}
	err := s.AddCredentials(ctx, login.Credential{ID: "p", UserID: anna.ID, Kind: login.KindPasskey}, login.Credential{ID: "more", UserID: anna.ID, Kind: login.KindAPIKey})
	if !errors.Is(err, login.ErrTooMany) {
		t.Error(err)
	}
	if list, err := s.Credentials(ctx, anna.ID); err != nil || len(list) != login.MaxCredentials {
		t.Errorf("half was added: %d %v", len(list), err)
	}
}

func TestAChangedPasswordWinsOverARehash(t *testing.T) {
	t.Parallel()
	storetest.Each(t, winOver)
}

func winOver(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	anna := person(t, s, "anna")
	if ok, err := s.ReplacePasswordHash(ctx, anna.ID, "hash", "changed"); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if ok, err := s.ReplacePasswordHash(ctx, anna.ID, "hash", "rehashed"); err != nil || ok {
		t.Error("the old password came back", err)
	}
	if err := errors.Join(s.SetRoles(ctx, "anna", []string{"auditor"}), s.SetEmail(ctx, "ANNA", "anna@example.com")); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Account(ctx, anna.ID); err != nil || u.PasswordHash != "changed" || u.Email != "anna@example.com" || !slices.Equal(u.Roles, []string{"auditor"}) {
		t.Errorf("%+v %v", u, err)
	}
	if _, err := s.AddAccount(ctx, "Anna", "x"); !errors.Is(err, login.ErrNameTaken) {
		t.Error(err)
	}
}

func TestCredentialsThatEndAreListedPageByPage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, now := t.Context(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		anna := person(t, s, "anna")
		key := func(id string, kind login.CredentialKind, expires time.Time, active bool) login.Credential {
			return login.Credential{ID: id, UserID: anna.ID, Kind: kind, Lookup: id, Active: active, Expires: expires}
		}
		day := 24 * time.Hour
		if err := s.AddCredentials(ctx,
			key("over", login.KindAPIKey, now, true), key("b", login.KindAPIKey, now.Add(day), true), key("a", login.KindAPIKey, now.Add(2*day), true),
			key("c", login.KindAPIKey, now.Add(2*day), true), key("late", login.KindAPIKey, now.Add(3*day), true), key("never", login.KindAPIKey, time.Time{}, true),
			key("off", login.KindAPIKey, now.Add(day), false), key("other", login.KindReset, now.Add(day), true),
		); err != nil {
			t.Fatal(err)
		}
		var ids []string
		last, lastID := now, ""
		for {
			page, err := s.Ending(ctx, login.KindAPIKey, last, now.Add(2*day), lastID, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page {
				ids, last, lastID = append(ids, c.ID), c.Expires, c.ID
			}
			if len(page) < 2 {
				break
			}
		}
		if !slices.Equal(ids, []string{"b", "a", "c"}) {
			t.Errorf("found %q", ids)
		}
	})
}
