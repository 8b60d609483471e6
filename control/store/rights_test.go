package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/control/internal/pgtest"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func told(id string) event.Event {
	return event.Event{ID: id, Time: noon, Type: event.ConsentGiven, Detail: map[string]string{"n": id}}
}

func subject(t *testing.T, s *store.Store, id string) {
	t.Helper()
	err := s.AddSubject(t.Context(), store.Subject{ID: id, Pseudonym: "u:" + id, UserID: "user-" + id},
		[]store.SubjectIdentity{{Type: "email", Hash: "hash-" + id, Sealed: "s1.x"}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLedgerOfConsentsCannotBeRewritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	for driver, url := range map[string]string{"sqlite": "sqlite:" + path, "pgx": pgtest.Start(t)} {
		s := storetest.Open(t, url)
		subject(t, s, "p1")
		if _, err := s.AddConsent(t.Context(), store.Consent{ID: "c1", SubjectID: "p1", Purpose: "news", State: store.ConsentGiven, Time: noon}, told("c1")); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open(driver, strings.TrimPrefix(url, "sqlite:"))
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{`UPDATE consents SET state = 'withdrawn'`, `DELETE FROM consents`} {
			if _, err := db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %s: %v", driver, statement, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestEntriesAreNumberedWithoutGapsByWhomeverTheyComeFrom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		subject(t, s, "p1")
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for n := range 10 {
					id := fmt.Sprintf("c%d-%d", w, n)
					_, err := s.AddConsent(ctx, store.Consent{ID: id, SubjectID: "p1", Purpose: fmt.Sprintf("p%d", w), State: store.ConsentGiven, Time: noon}, told(id))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		all, err := s.ConsentsAfter(ctx, 0, false, 100)
		if err != nil || len(all) != 40 || all[0].UserID != "user-p1" {
			t.Fatalf("%d entries, %v", len(all), err)
		}
		for i, c := range all {
			if c.Seq != int64(i+1) {
				t.Fatalf("entry %d has number %d", i, c.Seq)
			}
		}
		holding, err := s.ConsentsAfter(ctx, 0, true, 100)
		head, err2 := s.ConsentHead(ctx)
		if err != nil || err2 != nil || len(holding) != 4 || head != 40 {
			t.Errorf("%d hold, head %d, %v %v", len(holding), head, err, err2)
		}
		if _, err := s.AddConsent(ctx, store.Consent{ID: "x", SubjectID: "p1", Purpose: "p", State: "maybe", Time: noon}, told("x")); err == nil {
			t.Error("a state that is none is taken")
		}
		if events, err := s.UnloggedEvents(ctx, noon.Add(time.Hour), 100); err != nil || len(events) != 40 {
			t.Errorf("%d events, %v: a refused entry tells nothing", len(events), err)
		}
	})
}

func TestAnIdentityIsOnePersons(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		subject(t, s, "p1")
		subject(t, s, "p2")
		for name, err := range map[string]error{
			"the same user":     s.AddSubject(ctx, store.Subject{ID: "p3", Pseudonym: "u:p3", UserID: "user-p1"}, nil),
			"the same address":  s.AddSubject(ctx, store.Subject{ID: "p3", Pseudonym: "u:p3"}, []store.SubjectIdentity{{Type: "email", Hash: "hash-p1"}}),
			"another's address": s.AddIdentities(ctx, "p1", []store.SubjectIdentity{{Type: "phone", Hash: "new"}, {Type: "email", Hash: "hash-p2"}}),
			"another's user":    s.LinkUser(ctx, "p1", "user-p2"),
			"a second user":     s.LinkUser(ctx, "p1", "user-p9"),
		} {
			if !errors.Is(err, store.ErrIdentityTaken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.SubjectByIdentity(ctx, "phone", "new"); !errors.Is(err, store.ErrNoSubject) {
			t.Errorf("half of what was refused is there: %v", err)
		}
		if err := s.LinkUser(ctx, "p1", "user-p1"); err != nil {
			t.Errorf("said twice: %v", err)
		}
	})
}

func TestAnErasedPersonGetsNothingNew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		subject(t, s, "p1")
		for n := range 2 {
			if gone, err := s.EraseSubject(ctx, "p1"); err != nil || gone != int64(1-n) {
				t.Errorf("%d identities, %v", gone, err)
			}
		}
		p, err := s.Subject(ctx, "p1")
		if err != nil || p.Erased.IsZero() || p.UserID != "" {
			t.Errorf("%+v %v", p, err)
		}
		_, consentErr := s.AddConsent(ctx, store.Consent{ID: "c", SubjectID: "p1", Purpose: "p", State: store.ConsentGiven, Time: noon}, told("c"))
		for name, err := range map[string]error{
			"an identity": s.AddIdentities(ctx, "p1", []store.SubjectIdentity{{Type: "email", Hash: "h"}}),
			"a user":      s.LinkUser(ctx, "p1", "user"),
			"a consent":   consentErr,
			"a request":   s.AddRequest(ctx, store.SubjectRequest{ID: "r", SubjectID: "p1", Received: noon, Due: noon}),
		} {
			if !errors.Is(err, store.ErrErased) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.EraseSubject(ctx, "nobody"); !errors.Is(err, store.ErrNoSubject) {
			t.Errorf("%v", err)
		}
		if err := s.SetRestricted(ctx, "nobody", true); !errors.Is(err, store.ErrNoSubject) {
			t.Errorf("%v", err)
		}
	})
}

func TestARequestIsOneWorkersAtATime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		subject(t, s, "p1")
		const requests = 8
		for n := range requests {
			r := store.SubjectRequest{ID: fmt.Sprintf("r%d", n), SubjectID: "p1", Kind: "access", State: "in_progress", Terms: "{}", Received: noon, Due: noon}
			if err := s.AddRequest(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		taken := map[string]int{}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for {
					id, err := s.LeaseRequest(ctx, "in_progress", fmt.Sprint("w", w), noon, time.Minute)
					if errors.Is(err, store.ErrNoRequest) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					taken[id]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(taken) != requests {
			t.Errorf("%v", taken)
		}
		for id, n := range taken {
			if n != 1 {
				t.Errorf("%s was taken %d times", id, n)
			}
		}
		if _, err := s.LeaseRequest(ctx, "in_progress", "late", noon.Add(59*time.Second), time.Minute); !errors.Is(err, store.ErrNoRequest) {
			t.Errorf("before a lease is over: %v", err)
		}
		id, err := s.LeaseRequest(ctx, "in_progress", "late", noon.Add(time.Minute), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.ReleaseRequest(ctx, id, "late", noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := s.RenewLease(ctx, id, "late", noon); !errors.Is(err, store.ErrLease) {
			t.Errorf("after it was given back: %v", err)
		}
	})
}

func TestAChangeOfWhatWasChangedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		subject(t, s, "p1")
		add := store.SubjectRequest{ID: "r1", SubjectID: "p1", Kind: "access", State: "received", Terms: "{}", Received: noon, Due: noon.Add(time.Hour)}
		if err := s.AddRequest(ctx, add, told("e1")); err != nil {
			t.Fatal(err)
		}
		r, err := s.Request(ctx, "r1")
		if err != nil || r.Version != 1 || r.Pseudonym != "u:p1" || !r.Closed.IsZero() {
			t.Fatalf("%+v %v", r, err)
		}
		r.State, r.Steps = "in_progress", []store.RequestStep{{System: "shop", State: "pending", Changed: noon}}
		if err := s.UpdateRequest(ctx, r, told("e2")); err != nil {
			t.Fatal(err)
		}
		if err := s.UpdateRequest(ctx, r, told("e3")); !errors.Is(err, store.ErrChanged) {
			t.Errorf("%v", err)
		}
		events, err := s.UnloggedEvents(ctx, noon.Add(time.Hour), 10)
		if err != nil || len(events) != 2 || events[1].Detail["n"] != "e2" {
			t.Errorf("%+v %v: a refused change tells nothing", events, err)
		}
		if err := s.AttestStep(ctx, "r1", store.RequestStep{State: "attested", Result: "{}", Changed: noon}); err != nil {
			t.Fatal(err)
		}
		if err := s.AttestStep(ctx, "r1", store.RequestStep{State: "attested", Result: "{}", Changed: noon}); !errors.Is(err, store.ErrChanged) {
			t.Errorf("twice: %v", err)
		}
		if _, err := s.Request(ctx, "r2"); !errors.Is(err, store.ErrNoRequest) {
			t.Errorf("%v", err)
		}
		due, err := s.RequestsDue(ctx, []string{"in_progress"}, noon.Add(time.Hour), 1, 10)
		if err != nil || len(due) != 1 {
			t.Errorf("%v %v", due, err)
		}
	})
}

func TestTheRegisterOfBreachesKeepsEveryEntry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for _, id := range []string{"b1", "b2", "b3"} {
			b := store.Breach{ID: id, State: "recorded", Facts: "{}", Aware: noon, Created: noon, Changed: noon}
			if err := s.AddBreach(ctx, b, store.BreachEntry{By: "dpo", Changes: "{}", Time: noon}, told(id)); err != nil {
				t.Fatal(err)
			}
		}
		b, err := s.Breach(ctx, "b1")
		if err != nil || len(b.Entries) != 1 {
			t.Fatalf("%+v %v", b, err)
		}
		b.State = "assessed"
		if err := s.UpdateBreach(ctx, b, store.BreachEntry{By: "dpo", Changes: `{"risk":"high"}`, Time: noon}, told("b1-2")); err != nil {
			t.Fatal(err)
		}
		if err := s.UpdateBreach(ctx, b, store.BreachEntry{}, told("b1-3")); !errors.Is(err, store.ErrChanged) {
			t.Errorf("%v", err)
		}
		if b, err := s.Breach(ctx, "b1"); err != nil || len(b.Entries) != 2 || b.Version != 2 || b.Entries[1].Changes != `{"risk":"high"}` {
			t.Errorf("%+v %v", b, err)
		}
		page, next, err := s.Breaches(ctx, "recorded", 1, "")
		if err != nil || len(page) != 1 || page[0].ID != "b3" || next != "b3" {
			t.Errorf("%+v %q %v", page, next, err)
		}
		if page, next, err = s.Breaches(ctx, "recorded", 1, next); err != nil || len(page) != 1 || page[0].ID != "b2" || next != "" {
			t.Errorf("%+v %q %v", page, next, err)
		}
		if _, err := s.Breach(ctx, "none"); !errors.Is(err, store.ErrNoBreach) {
			t.Errorf("%v", err)
		}
	})
}

func TestAUserIsManagedByID(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		u, err := s.AddUser(ctx, "ann", "hash", nil)
		if err == nil {
			_, err = s.AddUser(ctx, "bob", "hash", nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.RenameUser(ctx, u.ID, " Anne "); err != nil {
			t.Fatal(err)
		}
		if found, err := s.UserByID(ctx, u.ID); err != nil || found.Name != "Anne" {
			t.Errorf("%+v %v", found, err)
		}
		if err := s.RenameUser(ctx, u.ID, "BOB"); !errors.Is(err, store.ErrUserExists) {
			t.Errorf("%v", err)
		}
		if err := s.RenameUser(ctx, "none", "eve"); !errors.Is(err, login.ErrNoUser) {
			t.Errorf("%v", err)
		}
		if err := s.RenameUser(ctx, u.ID, "a\nb"); err == nil {
			t.Error("a name of two lines is taken")
		}
		if there, err := s.SetDisabledByID(ctx, u.ID, true); err != nil || !there {
			t.Errorf("%v %v", there, err)
		}
		for n := range 2 {
			if there, err := s.DeleteUser(ctx, u.ID); err != nil || there != (n == 0) {
				t.Errorf("%d: %v %v", n, there, err)
			}
		}
		if _, err := s.UserByID(ctx, u.ID); !errors.Is(err, login.ErrNoUser) {
			t.Errorf("%v", err)
		}
	})
}

func TestAPartThatComesLaterWithALowerNumberIsAdded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	for driver, url := range map[string]string{"sqlite": "sqlite:" + path, "pgx": pgtest.Start(t)} {
		first, err := store.Open(t.Context(), store.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open(driver, strings.TrimPrefix(url, "sqlite:"))
		if err != nil {
			t.Fatal(err)
		}
		// As a store is that knew of no breaches yet, and of what has a higher number.
		for _, statement := range []string{`DROP TABLE breach_entries`, `DROP TABLE breaches`, `DELETE FROM goose_db_version WHERE version_id = 7`} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(first.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := storetest.Open(t, url).Breaches(t.Context(), "", 1, ""); err != nil {
			t.Errorf("%s: %v", driver, err)
		}
	}
}
