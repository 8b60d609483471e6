package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/login"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

// soon is after all that the clock of a test's store will say.
var soon = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

func ask(t *testing.T, s *store.Store, u store.User, lookup, address string) {
	t.Helper()
	c := login.AddressChange{UserID: u.ID, Lookup: lookup, Former: u.Email, Address: address, Expires: soon}
	if err := s.BeginAddress(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func addressOf(t *testing.T, s *store.Store, u store.User) string {
	t.Helper()
	found, err := s.Account(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	return found.Email
}

func TestAnAddressChangesWhenItIsConfirmedAndNotBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, confirmAddress)
}

func confirmAddress(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, now := t.Context(), soon.Add(-time.Minute)
	anna, bob := person(t, s, "anna"), person(t, s, "bob")
	if err := errors.Join(s.SetEmail(ctx, "anna", "old@example.com"), s.SetEmail(ctx, "bob", "Bob@example.com")); err != nil {
		t.Fatal(err)
	}
	anna.Email = "old@example.com"
	if _, err := s.PendingAddress(ctx, anna.ID, now); !errors.Is(err, login.ErrNoChange) {
		t.Error(err)
	}
	ask(t, s, anna, "l1", "first@example.com")
	ask(t, s, anna, "l2", "new@example.com")
	if c, err := s.PendingAddress(ctx, anna.ID, now); err != nil || c.Lookup != "l2" || c.Address != "new@example.com" || c.Former != "old@example.com" || !c.Expires.Equal(soon) {
		t.Errorf("%+v %v", c, err)
	}
	reset := login.Credential{ID: "r", UserID: anna.ID, Kind: login.KindReset, Lookup: "r", Active: true, Expires: soon}
	others := login.Credential{ID: "o", UserID: bob.ID, Kind: login.KindReset, Lookup: "o", Active: true, Expires: soon}
	key := login.Credential{ID: "k", UserID: anna.ID, Kind: login.KindAPIKey, Lookup: "k", Active: true}
	if err := s.AddCredentials(ctx, reset, others, key); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		user, lookup string
		at           time.Time
	}{
		"not the newest": {anna.ID, "l1", now}, "another's": {bob.ID, "l2", now}, "over": {anna.ID, "l2", soon}, "nobody's": {"x", "l2", now}, "empty": {anna.ID, "", now},
	} {
		if _, err := s.ConfirmAddress(ctx, c.user, c.lookup, c.at); !errors.Is(err, login.ErrNoChange) || addressOf(t, s, anna) != "old@example.com" {
			t.Errorf("%s: %v, %s", name, err, addressOf(t, s, anna))
		}
	}
	if c, err := s.ConfirmAddress(ctx, anna.ID, "l2", now); err != nil || c.Former != "old@example.com" || addressOf(t, s, anna) != "new@example.com" {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := s.Credential(ctx, login.KindReset, "r"); !errors.Is(err, login.ErrNoCredential) {
		t.Error("the link of a reset, sent to the former address, is still good", err)
	}
	_, err1 := s.Credential(ctx, login.KindReset, "o")
	_, err2 := s.Credential(ctx, login.KindAPIKey, "k")
	if err := errors.Join(err1, err2); err != nil {
		t.Error("more is gone than that", err)
	}
	if _, err := s.ConfirmAddress(ctx, anna.ID, "l2", now); !errors.Is(err, login.ErrNoChange) {
		t.Error("confirmed twice", err)
	}
}

func TestAnAddressThatIsTakenIsNotTakenAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, refuseTaken)
}

func refuseTaken(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, now := t.Context(), soon.Add(-time.Minute)
	anna, bob := person(t, s, "anna"), person(t, s, "bob")
	if err := s.SetEmail(ctx, "bob", "Bob@Example.com"); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{"bob@example.com": true, "BOB@EXAMPLE.COM": true, "bobby@example.com": false, "": false} {
		for user, want := range map[string]bool{anna.ID: want, bob.ID: false} {
			if taken, err := s.AddressTaken(ctx, user, address); err != nil || taken != want {
				t.Errorf("%s by %s: %v %v", address, user, taken, err)
			}
		}
	}
	ask(t, s, anna, "l1", "bob@example.com")
	if _, err := s.ConfirmAddress(ctx, anna.ID, "l1", now); !errors.Is(err, login.ErrNoChange) || addressOf(t, s, anna) != "" {
		t.Error(err, addressOf(t, s, anna))
	}
}

// Of many who confirm one address at once, and of one link that is opened many
// times, one changes something.
func TestOneAddressIsConfirmedByOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, confirmAtOnce)
}

func confirmAtOnce(t *testing.T, s *store.Store) {
	t.Helper()
	now := soon.Add(-time.Minute)
	var people []store.User
	for i := range 6 {
		u := person(t, s, fmt.Sprint("user", i))
		ask(t, s, u, fmt.Sprint("l", i), []string{"one@example.com", "ONE@example.com"}[i%2])
		people = append(people, u)
	}
	var made atomic.Int32
	var all sync.WaitGroup
	for i, u := range people {
		for range 2 {
			all.Go(func() {
				_, err := s.ConfirmAddress(t.Context(), u.ID, fmt.Sprint("l", i), now)
				if err == nil {
					made.Add(1)
				} else if !errors.Is(err, login.ErrNoChange) {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	have := 0
	for _, u := range people {
		if addressOf(t, s, u) != "" {
			have++
		}
	}
	if made.Load() != 1 || have != 1 {
		t.Errorf("%d confirmed it, %d have it", made.Load(), have)
	}
}

func TestWhatAnOperatorSetsEndsWhatTheFormerAddressWasGoodFor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, endByOperator)
}

func endByOperator(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, now := t.Context(), soon.Add(-time.Minute)
	anna := person(t, s, "anna")
	reset := login.Credential{ID: "r", UserID: anna.ID, Kind: login.KindReset, Lookup: "r", Active: true, Expires: soon}
	if err := s.AddCredentials(ctx, reset); err != nil {
		t.Fatal(err)
	}
	ask(t, s, anna, "l", "asked@example.com")
	for _, address := range []string{"first@example.com", "first@example.com"} { // an invitation's link stays
		if err := s.SetEmail(ctx, "Anna", address); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Credential(ctx, login.KindReset, "r"); err != nil {
			t.Error(address, err)
		}
	}
	if _, err := s.ConfirmAddress(ctx, anna.ID, "l", now); !errors.Is(err, login.ErrNoChange) {
		t.Error("asked for before an operator had set one", err)
	}
	if err := s.SetEmail(ctx, "anna", "second@example.com"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Credential(ctx, login.KindReset, "r"); !errors.Is(err, login.ErrNoCredential) {
		t.Error(err)
	}
	if _, err := s.PendingAddress(ctx, anna.ID, now); !errors.Is(err, login.ErrNoChange) {
		t.Error(err)
	}
	if err := s.SetEmail(ctx, "nobody", "x@example.com"); !errors.Is(err, login.ErrNoUser) {
		t.Error(err)
	}
}

func TestAPasswordThatIsSetEndsTheLinksToSetItOnceMore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		anna, bob := person(t, s, "anna"), person(t, s, "bob")
		for _, u := range []store.User{anna, bob} {
			reset := login.Credential{ID: u.ID, UserID: u.ID, Kind: login.KindReset, Lookup: u.ID, Active: true, Expires: soon}
			if err := s.AddCredentials(ctx, reset); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SetPassword(ctx, "ANNA", "new"); err != nil {
			t.Fatal(err)
		}
		_, gone := s.Credential(ctx, login.KindReset, anna.ID)
		_, left := s.Credential(ctx, login.KindReset, bob.ID)
		if !errors.Is(gone, login.ErrNoCredential) || left != nil {
			t.Error(gone, left)
		}
	})
}

func TestAChangeOfAnAddressIsForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, forgetAddress)
}

func forgetAddress(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, now := t.Context(), soon.Add(-time.Minute)
	anna := person(t, s, "anna")
	ask(t, s, anna, "l", "a@example.com")
	for lookup, want := range map[string]bool{"other": false, "l": true} {
		if dropped, err := s.DropAddress(ctx, anna.ID, lookup); err != nil || dropped != want {
			t.Errorf("%s: %v %v", lookup, dropped, err)
		}
	}
	ask(t, s, anna, "l", "a@example.com")
	if dropped, err := s.DropAddress(ctx, anna.ID, ""); err != nil || !dropped {
		t.Error(dropped, err)
	}
	ask(t, s, anna, "l", "a@example.com")
	if _, err := s.DeleteUser(ctx, anna.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PendingAddress(ctx, anna.ID, now); !errors.Is(err, login.ErrNoChange) {
		t.Error("it outlives the user", err)
	}
	// What is over goes when somebody asks.
	bob, carl := person(t, s, "bob"), person(t, s, "carl")
	over := login.AddressChange{UserID: bob.ID, Lookup: "o", Address: "b@example.com", Expires: now.AddDate(-1, 0, 0)}
	if err := s.BeginAddress(ctx, over); err != nil {
		t.Fatal(err)
	}
	ask(t, s, carl, "c", "c@example.com")
	if dropped, err := s.DropAddress(ctx, bob.ID, ""); err != nil || dropped {
		t.Error("what is over is kept", err)
	}
}

// Both are asked while there are many users: each hour, and for each change.
func TestWhatIsLookedForOftenIsFoundByItsIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, findByIndex)
}

func findByIndex(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	const many = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) `
	for _, query := range []string{
		`INSERT INTO users (id, name, name_key, password_hash, disabled, roles, created_ms, updated_ms, email) ` + many +
			`SELECT 'u' || i, 'u' || i, 'u' || i, '', FALSE, '[]', 0, 0, 'u' || i || '@example.com' FROM n`,
		`INSERT INTO credentials (id, user_id, kind, lookup, label, data, counter, active, created_ms, expires_ms) ` + many +
			`SELECT 'k' || i, 'u' || i, 'api_key', 'k' || i, '', '', 0, TRUE, 0, i * 1000 FROM n`,
		`ANALYZE`,
	} {
		if err := s.Run(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	from := time.UnixMilli(2_000_000)
	first, err1 := s.EndingPlan(ctx, from, from.Add(time.Minute), "")
	further, err2 := s.EndingPlan(ctx, from, from.Add(time.Minute), "k2000")
	taken, err3 := s.TakenPlan(ctx, "u7@example.com")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for index, plans := range map[string][]string{"credentials_ending": {first, further}, "users_email": {taken}} {
		for _, plan := range plans {
			if !strings.Contains(plan, index) || strings.Contains(plan, "SCAN credentials") || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s is not used:\n%s", index, plan)
			}
		}
	}
	page, err := s.Ending(ctx, login.KindAPIKey, from, from.Add(time.Minute), "k2000", 200)
	if err != nil || len(page) != 60 || page[0].ID != "k2001" {
		t.Errorf("%d %v", len(page), err)
	}
}
