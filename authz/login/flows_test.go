package login

import (
	"encoding/base32"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/code"
	"gatehouse/authz/session"
)

func fromBase32(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (p *person) isIn() bool {
	p.t.Helper()
	return p.get("/auth/account").status == http.StatusOK
}

func TestAPersonSignsInByThePageAndIsSentWhereTheyWereGoing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person()
	page := p.mustBe(p.get("/auth/sign-in?next=/cart"), http.StatusOK, "the page")
	if !strings.Contains(page.text, `name="next" value="/cart"`) {
		t.Error(page.text)
	}
	wrong := p.mustBe(p.enter("alice", "another password"), http.StatusUnauthorized, "a wrong password")
	if !strings.Contains(wrong.text, `role="alert"`) || !strings.Contains(wrong.text, "not right") {
		t.Error(wrong.text)
	}
	if done := p.enter("alice", password, "next", "/cart"); done.status != http.StatusSeeOther || done.location != "/cart" {
		t.Errorf("%+v", done)
	}
	if !p.isIn() {
		t.Error("not signed in")
	}
}

func TestASecondFactorIsAskedForAndItsCodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, codes := s.person().signIn().enrol()
	s.later(time.Minute)

	p := s.person()
	if first := p.enter("alice", password, "next", "/cart"); first.location != "/auth/second-factor" {
		t.Fatalf("%+v", first)
	}
	if p.isIn() {
		t.Fatal("the password alone is enough")
	}
	p.mustBe(p.post("/auth/second-factor", "/auth/second-factor", "code", "000000"), http.StatusUnauthorized, "a wrong code")
	good := s.code(secret)
	if done := p.post("/auth/second-factor", "/auth/second-factor", "code", good); done.status != http.StatusSeeOther || done.location != "/cart" || !p.isIn() {
		t.Fatalf("%+v", done)
	}

	thief := s.person()
	thief.mustBe(thief.enter("alice", password), http.StatusSeeOther, "the password")
	thief.mustBe(thief.post("/auth/second-factor", "/auth/second-factor", "code", good), http.StatusUnauthorized, "the code of somebody's shoulder")

	for range 2 {
		lost := s.person()
		lost.mustBe(lost.enter("alice", password), http.StatusSeeOther, "the password")
		last := lost.post("/auth/second-factor", "/auth/second-factor", "code", strings.ToUpper(codes[0]))
		if first := len(codes) == 10; first != (last.status == http.StatusSeeOther) || first != lost.isIn() {
			t.Errorf("recovery code: %d", last.status)
		}
		codes = codes[:9]
	}
}

func TestASecondFactorForClientsThatAreNoBrowsers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.person().signIn().enrol()
	s.later(time.Minute)
	p := s.person()
	first := p.mustBe(p.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password)), http.StatusAccepted, "the password")
	var asked struct {
		Status, Challenge, Token string
		Methods                  []string
	}
	if err := json.Unmarshal([]byte(first.text), &asked); err != nil || asked.Token != "" || strings.Join(asked.Methods, " ") != "totp recovery" {
		t.Fatalf("%s %v", first.text, err)
	}
	other := s.person() // keeps no cookie of the first
	text, _ := json.Marshal(map[string]string{"code": s.code(secret), "challenge": asked.Challenge})
	done := other.mustBe(other.do(http.MethodPost, "/auth/second-factor", asJSON, string(text)), http.StatusOK, "the code")
	if err := json.Unmarshal([]byte(done.text), &asked); err != nil || asked.Token == "" {
		t.Fatalf("%s %v", done.text, err)
	}
	live, err := s.sessions.Lookup(t.Context(), asked.Token, session.Demand{})
	if err != nil || strings.Join(live.AMR, " ") != "pwd otp mfa" {
		t.Errorf("%+v %v", live, err)
	}
	other.mustBe(other.do(http.MethodPost, "/auth/second-factor", asJSON, string(text)), http.StatusUnauthorized, "the same again")
}

func TestAChangeOfThePasswordEndsASignInThatWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.person().signIn().enrol()
	s.later(time.Minute)
	for name, change := range map[string]func(*User){
		"another password": func(u *User) { u.PasswordHash += "x" }, "disabled": func(u *User) { u.Disabled = true },
	} {
		p := s.person()
		p.mustBe(p.enter("alice", password), http.StatusSeeOther, "the password")
		token := p.token("/auth/second-factor")
		before, err := s.ledger.UserByName(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		s.ledger.edit("alice", change)
		values := url.Values{"csrf": {token}, "code": {s.code(secret)}}
		if got := p.do(http.MethodPost, "/auth/second-factor", asForm, values.Encode()); got.status != http.StatusUnauthorized || p.isIn() {
			t.Errorf("%s: %d", name, got.status)
		}
		before.SecondFactor = false
		s.ledger.edit("alice", func(u *User) { *u = before })
	}
}

// The console's sign-in knows passwords only: whoever has more fails there.
func TestWhoeverHasASecondFactorCannotSignInWhereItIsNotAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.person().signIn().enrol()
	var failure *Failure
	_, err := NewAuthenticator(s.ledger, NewHasher(cheap, 1024)).Authenticate(t.Context(), "alice", password)
	if f, ok := err.(*Failure); !ok || f.Reason != ReasonSecondFactor { //nolint:errorlint // returned as it is
		t.Errorf("%v %v", err, failure)
	}
}

func TestAPasswordIsChangedByWhoKnowsItAndEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, elsewhere := s.person().signIn(), s.person().signIn()
	for name, c := range map[string]struct {
		current, changed string
		status           int
	}{
		"a wrong current one": {"not the password", "a new long password", http.StatusForbidden},
		"too short":           {password, "seven77", http.StatusUnprocessableEntity},
		"a context word":      {password, "Shop-2024!", http.StatusUnprocessableEntity},
		"the own name":        {password, "Alice-123", http.StatusUnprocessableEntity},
	} {
		p.mustBe(p.post("/auth/account", "/auth/account/password", "current", c.current, "new", c.changed), c.status, name)
	}
	reset, err := StartReset(t.Context(), s.ledger, "u-1", s.now(), OperatorReset)
	if err != nil {
		t.Fatal(err)
	}
	s.events.take()
	p.mustBe(p.post("/auth/account", "/auth/account/password", "current", password, "new", "a new long password"), http.StatusOK, "the change")
	stranger := s.person()
	stranger.mustBe(stranger.post(reset, "/auth/reset/set", "token", reset[strings.Index(reset, "=")+1:], "new", "a quite new password"), http.StatusGone, "a link of before")
	if !p.isIn() || elsewhere.isIn() {
		t.Errorf("here %v, elsewhere %v", p.isIn(), elsewhere.isIn())
	}
	if !s.told(event.UserChanged, "password_changed") {
		t.Error("no event tells of it")
	}
	if letter := s.letter("The password of your account was changed."); !strings.HasPrefix(letter, "alice@example.com\n") {
		t.Error(letter)
	}
	q := s.person()
	q.mustBe(q.enter("alice", password), http.StatusUnauthorized, "the old one")
	q.mustBe(q.enter("alice", "a new long password"), http.StatusSeeOther, "the new one")
}

func (s *site) told(kind event.Type, rule string) bool {
	for _, e := range s.events.take() {
		if e.Type == kind && e.Rule == rule && e.Subject != "" {
			return true
		}
	}
	return false
}

func TestCredentialsChangeOnlyShortlyAfterASignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	token := p.token("/auth/account")
	s.later(recently + time.Minute)
	for _, path := range []string{"email", "password", "totp/begin", "totp/confirm", "totp/remove", "recovery", "passkeys/remove", "keys/add", "keys/remove", "providers/link", "providers/remove"} {
		got := p.do(http.MethodPost, "/auth/account/"+path, asForm, url.Values{"csrf": {token}, "id": {"x"}}.Encode())
		if got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/auth/sign-in") {
			t.Errorf("%s: %d %s", path, got.status, got.location)
		}
	}
	for _, path := range []string{"begin", "finish"} {
		body, _ := json.Marshal(map[string]string{"csrf": token})
		got := p.do(http.MethodPost, "/auth/account/passkeys/"+path, asJSON, string(body))
		if got.status != http.StatusUnauthorized || !strings.Contains(got.text, `"missing":"recent_sign_in"`) || !strings.Contains(got.header.Get("WWW-Authenticate"), `max_age="600"`) {
			t.Errorf("passkeys/%s: %d %s", path, got.status, got.text)
		}
	}
	// Signing out everywhere must not wait for anything.
	p.mustBe(p.do(http.MethodPost, "/auth/account/sessions/end-all", asForm, url.Values{"csrf": {token}}.Encode()), http.StatusSeeOther, "end all")
	if p.isIn() {
		t.Error("still signed in")
	}
}

// A session of before, or of the console, has not shown the second factor.
func TestASessionWithoutTheSecondFactorChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	p.enrol()
	token := p.token("/auth/account")
	got := p.do(http.MethodPost, "/auth/account/totp/remove", asForm, url.Values{"csrf": {token}, "id": {s.ledger.kept[0].ID}}.Encode())
	if !strings.HasPrefix(got.location, "/auth/sign-in") || len(s.ledger.kept) != 11 {
		t.Errorf("%+v, %d credentials", got, len(s.ledger.kept))
	}
	got = p.do(http.MethodPost, "/auth/account/email", asForm, url.Values{"csrf": {token}, "email": {"other@example.com"}}.Encode())
	if !strings.Contains(got.location, "step_up=second_factor") || len(s.ledger.asked) != 0 {
		t.Errorf("%+v, %v", got, s.ledger.asked)
	}
}

var resetLink = regexp.MustCompile(`/auth/reset/set\?token=[A-Za-z0-9_-]+`)

func TestAResetIsMailedGoodOnceAndLeavesTheSecondFactor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	signedIn := s.person().signIn()
	signedIn.enrol()
	p := s.person()
	known := p.mustBe(p.post("/auth/reset", "/auth/reset", "username", "ALICE"), http.StatusOK, "ask")
	letter := s.letter("Open this within ten minutes")
	link := resetLink.FindString(letter)
	if link == "" || !strings.Contains(letter, s.url+link) {
		t.Fatal(letter)
	}
	if unknown := p.post("/auth/reset", "/auth/reset", "username", "nobody"); unknown.text != known.text {
		t.Error("the answer tells who has an account")
	}
	token := link[strings.Index(link, "=")+1:]
	p.mustBe(p.get(link), http.StatusOK, "a scanner opens the link")
	p.mustBe(p.post(link, "/auth/reset/set", "token", token, "new", "short"), http.StatusUnprocessableEntity, "a bad choice spends nothing")
	s.ledger.kept = append(s.ledger.kept, Credential{ID: "k", UserID: "u-1", Kind: KindAPIKey, Active: true, Expires: s.now().Add(time.Hour)})
	done := p.mustBe(p.post(link, "/auth/reset/set", "token", token, "new", "a quite new password"), http.StatusOK, "the choice")
	if !strings.Contains(done.text, "Your keys for programs are still good") {
		t.Errorf("nobody is told of keys that may be another's: %s", done.text)
	}
	if p.isIn() || signedIn.isIn() {
		t.Error("a reset signs in, or leaves sessions")
	}
	p.mustBe(p.post(link, "/auth/reset/set", "token", token, "new", "another new password"), http.StatusGone, "the link again")
	if first := p.enter("alice", "a quite new password"); first.location != "/auth/second-factor" {
		t.Errorf("the second factor is gone: %+v", first)
	}
}

func TestAResetEndsWithItsTimeAndWithTheNextOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person()
	set := func(path string) int {
		token := path[strings.Index(path, "=")+1:]
		return p.post(path, "/auth/reset/set", "token", token, "new", "a quite new password").status
	}
	start := func(life time.Duration) string {
		path, err := StartReset(t.Context(), s.ledger, "u-1", s.now(), life)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := start(OperatorReset)
	second := start(OperatorReset)
	if got := set(first); got != http.StatusGone {
		t.Errorf("the first of two: %d", got)
	}
	s.later(OperatorReset)
	if got := set(second); got != http.StatusGone {
		t.Errorf("after its time: %d", got)
	}
	if got := set(ResetPath + "?token=" + code.NewToken()); got != http.StatusGone {
		t.Errorf("an invented one: %d", got)
	}
	third := start(time.Hour)
	s.ledger.edit("alice", func(u *User) { u.Disabled = true })
	if got := set(third); got != http.StatusGone {
		t.Errorf("of a disabled user: %d", got)
	}
}

func TestWithoutMailOrOriginsNobodyAsksForAReset(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.settings.Store(&Settings{})
	p := s.person()
	p.mustBe(p.get("/auth/reset"), http.StatusNotFound, "without an origin")
}

func TestSignUpIsOffUnlessToldAndThenTakesGoodPasswords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person()
	p.mustBe(p.get("/auth/sign-up"), http.StatusNotFound, "off")
	p.mustBe(p.do(http.MethodPost, "/auth/sign-up", asForm, "username=x&new=y"), http.StatusNotFound, "off")
	on := *s.settings.Load()
	on.SignUp = true
	s.settings.Store(&on)
	p.mustBe(p.post("/auth/sign-up", "/auth/sign-up", "username", "zoe", "new", "zoezoe-1"), http.StatusUnprocessableEntity, "the own name")
	p.mustBe(p.post("/auth/sign-up", "/auth/sign-up", "username", "ALICE", "new", "a quite new password"), http.StatusConflict, "a name that is taken")
	p.mustBe(p.post("/auth/sign-up", "/auth/sign-up", "username", "zoe", "new", "a quite new password"), http.StatusSeeOther, "good")
	if !p.isIn() {
		t.Error("not signed in")
	}
	if !s.told(event.UserChanged, "signed_up") {
		t.Error("no event tells of it")
	}
}

func TestOtherSessionsEndShortlyAfterASignInAndOnesOwnAtAnyTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, elsewhere := s.person().signIn(), s.person().signIn()
	other := elsewhere.mustHave().ID
	s.later(recently + time.Minute)
	for _, path := range []string{"end", "end-others"} {
		got := p.post("/auth/account", "/auth/account/sessions/"+path, "id", other)
		if got.status != http.StatusSeeOther || !strings.Contains(got.location, "step_up=recent_sign_in") {
			t.Errorf("%s: %d to %q", path, got.status, got.location)
		}
	}
	for _, path := range []string{"", "/" + other} {
		got := p.do(http.MethodDelete, "/auth/sessions"+path, "", "")
		if got.status != http.StatusUnauthorized || !strings.Contains(got.text, `"missing":"recent_sign_in"`) || !strings.Contains(got.header.Get("WWW-Authenticate"), `max_age="600"`) {
			t.Errorf("%q: %d %s", path, got.status, got.text)
		}
	}
	if !elsewhere.isIn() {
		t.Fatal("a session of long ago has put another out")
	}
	p.mustBe(p.post("/auth/account", "/auth/account/sessions/end", "id", p.mustHave().ID), http.StatusSeeOther, "the own one")
	if p.isIn() || !elsewhere.isIn() {
		t.Error("the own one did not end, or another did")
	}
	p.signIn()
	p.mustBe(p.post("/auth/account", "/auth/account/sessions/end", "id", other), http.StatusSeeOther, "with a sign-in of now")
	if elsewhere.isIn() {
		t.Error("the other one did not end")
	}
}
