package login

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

// Whoever resets a password, or is disabled, has all sessions ended. A sign-in
// that was under way must not come after that.
func TestASignInThatWasUnderWayDoesNotOutliveWhatItReliedOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*User)
		reason Reason
	}{
		"the password was changed":  {func(u *User) { u.PasswordHash = NoPassword() }, ReasonWrongPassword},
		"the user was disabled":     {func(u *User) { u.Disabled = true }, ReasonDisabled},
		"there is no such user now": {func(u *User) { u.ID = "another" }, ReasonUnknownUser},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := s.person()
			s.ledger.then = func() {
				s.ledger.edit("alice", c.change)
				if _, err := s.sessions.RevokeAll(t.Context(), "u-1"); err != nil {
					t.Error(err)
				}
			}
			got := p.enter("alice", password)
			live, err := s.sessions.List(t.Context(), "u-1")
			if got.status != http.StatusUnauthorized || err != nil || len(live) != 0 || p.isIn() {
				t.Errorf("status %d, sessions %+v, %v", got.status, live, err)
			}
			if strings.Contains(strings.Join(got.header.Values("Set-Cookie"), " "), CookieName+"=s") {
				t.Errorf("a token was given out: %v", got.header)
			}
			reasons := []string{}
			for _, e := range s.events.take() {
				if e.Type == event.AuthenticationAttempt && e.Outcome == event.Failure {
					reasons = append(reasons, e.Reason)
				}
			}
			if !slices.Equal(reasons, []string{string(c.reason)}) {
				t.Errorf("reasons %q", reasons)
			}
		})
	}
}

// New costs of hashes must not look like another password: neither to the sign-in
// that makes the new hash, nor to one beside it, nor to the second factor.
func TestAHashOfNewCostsKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dearer := cheap
	dearer.Passes++
	phc, err := NewHasher(dearer, 1024).Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	s.ledger.edit("alice", func(u *User) { u.PasswordHash = phc })
	s.person().signIn()
	if s.ledger.users["alice"].PasswordHash == phc {
		t.Error("the hash was not made anew")
	}
	// Beside another one that was faster.
	another, err := NewHasher(cheap, 1024).Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	s.ledger.edit("alice", func(u *User) { u.PasswordHash = phc })
	s.ledger.then = func() { s.ledger.edit("alice", func(u *User) { u.PasswordHash = another }) }
	p := s.person().signIn()
	secret, _ := p.enrol()
	s.later(time.Minute)
	s.ledger.edit("alice", func(u *User) { u.PasswordHash = phc })
	q := s.person()
	q.mustBe(q.enter("alice", password), http.StatusSeeOther, "the password")
	q.mustBe(q.post("/auth/second-factor", "/auth/second-factor", "code", s.code(secret)), http.StatusSeeOther, "the code")
	if !q.isIn() {
		t.Error("not signed in")
	}
}

func TestASignInIsNotBegunIfNobodyKnowsWhetherItStillHolds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person()
	s.ledger.then = func() {
		s.ledger.mu.Lock()
		s.ledger.gone = errors.New("the database is away")
		s.ledger.mu.Unlock()
	}
	got := p.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password))
	s.ledger.gone = nil
	if got.status != http.StatusServiceUnavailable || p.isIn() {
		t.Errorf("%d", got.status)
	}
	if live, err := s.sessions.List(t.Context(), "u-1"); err != nil || len(live) != 0 {
		t.Errorf("%+v %v", live, err)
	}
}
