package login

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/session"
)

// Whoever resets a password, or is disabled, has all sessions ended. A sign-in
// that was under way must not come after that.
func TestASignInThatWasUnderWayDoesNotOutliveWhatItReliedOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*User)
		reason Reason
	}{
		"a second factor was set up": {func(u *User) { u.SecondFactor = true }, ReasonSecondFactor},
		"the password was changed":   {func(u *User) { u.PasswordHash = NoPassword() }, ReasonWrongPassword},
		"the user was disabled":      {func(u *User) { u.Disabled = true }, ReasonDisabled},
		"there is no such user now":  {func(u *User) { u.ID = "another" }, ReasonUnknownUser},
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

// Two tabs of one browser sign in at once: whichever answer comes last, the cookie
// that stays is good.
func TestOfTwoTabsThatSignInAtOnceNoneSignsTheOtherOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	jar := p.client.Jar
	address, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	var before []string
	for _, c := range jar.Cookies(address) {
		before = append(before, c.Name+"="+c.Value)
	}
	p.client.Jar = nil
	tabs := []string{}
	for range 2 {
		got := p.do(http.MethodPost, "/auth/login", asJSON, strings.Replace(jsonBody("alice", password), "}", `,"token":true}`, 1), with("Cookie", strings.Join(before, "; ")))
		p.mustBe(got, http.StatusOK, "sign in")
		var answer struct{ Token string }
		if err := json.Unmarshal([]byte(got.text), &answer); err != nil {
			t.Fatal(err)
		}
		tabs = append(tabs, answer.Token)
	}
	for i, token := range tabs {
		if _, err := s.sessions.Lookup(t.Context(), token, session.Demand{}); err != nil {
			t.Errorf("tab %d: %v", i+1, err)
		}
	}
}

// Whoever looks over a shoulder is as fast as its owner: of many with one code one
// gets in, whether it is of an app or on paper.
func TestOfManyWithOneCodeAtOnceOneGetsIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, codes := s.person().signIn().enrol()
	s.later(time.Minute)
	for name, text := range map[string]string{"of an app": s.code(secret), "on paper": codes[0]} {
		if _, err := s.sessions.RevokeAll(t.Context(), "u-1"); err != nil {
			t.Fatal(err)
		}
		var people []*person
		var forms []string
		for range 5 { // within what the throttle lets be judged
			p := s.person()
			p.mustBe(p.enter("alice", password), http.StatusSeeOther, "the password")
			people, forms = append(people, p), append(forms, url.Values{"csrf": {p.token("/auth/second-factor")}, "code": {text}}.Encode())
		}
		var in atomic.Int32
		var all sync.WaitGroup
		for i, p := range people {
			all.Go(func() {
				if p.do(http.MethodPost, "/auth/second-factor", asForm, forms[i]).location == "/" {
					in.Add(1)
				}
			})
		}
		all.Wait()
		live, err := s.sessions.List(t.Context(), "u-1")
		if err != nil || in.Load() != 1 || len(live) != 1 {
			t.Errorf("%s: %d got in, %d sessions, %v", name, in.Load(), len(live), err)
		}
	}
}

// Where a policy refuses more sessions, who is refused must learn what to do: it is
// no failure of the gateway's, and trying again does not help.
func TestWhoHasAsManySessionsAsAreAllowedLearnsHowToGetIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *site) {
		one := session.Rules{Cap: session.Cap{Sessions: 1, Overflow: session.Refuse}}
		s.sessions = session.NewWith(s.redis.Client(), s.now, rand.Reader, session.Settings{Rules: func() session.Rules { return one }})
	})
	first := s.person().signIn()
	s.events.take()
	for says, enter := range map[string]func() answered{
		"Sign out on one of them": func() answered { return s.person().enter("alice", password) },
		`"missing":"free_session"`: func() answered {
			return s.person().do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password))
		},
	} {
		got := enter()
		if got.status != http.StatusForbidden || !strings.Contains(got.text, says) || len(got.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %v %s", says, got.status, got.header, got.text)
		}
		reason := ""
		for _, e := range s.events.take() {
			if e.Type == event.AuthenticationAttempt && e.Outcome == event.Failure {
				reason = e.Reason
			}
		}
		if reason != string(ReasonFull) {
			t.Errorf("%s: the record says %q", says, reason)
		}
	}
	if !first.isIn() {
		t.Error("the first one is out")
	}
	// Whoever is signed in there may sign in anew.
	first.mustBe(first.enter("alice", password), http.StatusSeeOther, "anew")
}
