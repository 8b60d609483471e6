package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/code"
	"gatehouse/authz/login/page"
	"gatehouse/authz/login/throttle"
	"gatehouse/authz/session"
)

func TestSignInCSRFIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := url.Values{"username": {"alice"}, "password": {password}}
	for name, c := range map[string]struct {
		fields url.Values
		edits  []edit
	}{
		"another site's form":                       {good, []edit{replaced("Sec-Fetch-Site", "cross-site")}},
		"another host's form":                       {good, []edit{replaced("Sec-Fetch-Site", "same-site")}},
		"a form that attests nothing":               {good, []edit{without("Sec-Fetch-Site")}},
		"a foreign origin where nothing is fetched": {good, []edit{without("Sec-Fetch-Site"), with("Origin", "https://evil.example")}},
		"an origin that is null":                    {good, []edit{without("Sec-Fetch-Site"), with("Origin", "null")}},
		"our page without its token":                {with2(good, "page", "1"), nil},
		"our page with an invented token":           {with2(good, "page", "1", "csrf", code.NewToken()), nil},
	} {
		p := s.person()
		if got := p.do(http.MethodPost, "/auth/login", asForm, c.fields.Encode(), c.edits...); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.status)
		}
		if p.isIn() {
			t.Errorf("%s: signed in", name)
		}
	}
	// The attacker's own page, with the attacker's own token.
	attacker, victim := s.person(), s.person()
	token := attacker.token("/auth/sign-in")
	victim.get("/auth/sign-in")
	victim.do(http.MethodPost, "/auth/login", asForm, with2(good, "page", "1", "csrf", token).Encode())
	if victim.isIn() {
		t.Error("a token of another browser is taken")
	}
}

func replaced(name, value string) edit { return func(r *http.Request) { r.Header.Set(name, value) } }
func without(name string) edit         { return func(r *http.Request) { r.Header.Del(name) } }

func with2(values url.Values, fields ...string) url.Values {
	more := url.Values{}
	for name, v := range values {
		more[name] = v
	}
	for i := 0; i < len(fields); i += 2 {
		more.Set(fields[i], fields[i+1])
	}
	return more
}

// Every form that changes something asks for the page's token, and for a page of
// this origin.
func TestEveryFormOfTheAccountRefusesForeignPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	token, other := p.token("/auth/account"), s.person().signIn().token("/auth/account")
	for _, path := range []string{
		"sessions/end", "sessions/end-others", "sessions/end-all", "providers/link", "providers/remove", "password", "totp/begin", "totp/confirm", "totp/remove",
		"recovery", "passkeys/remove", "keys/add", "keys/remove", "email", "email/confirm", "email/cancel",
	} {
		for name, c := range map[string]struct {
			token string
			site  string
		}{"no token": {"", "same-origin"}, "another session's": {other, "same-origin"}, "another site": {token, "cross-site"}, "another host": {token, "same-site"}} {
			got := p.do(http.MethodPost, "/auth/account/"+path, asForm, url.Values{"csrf": {c.token}, "id": {"x"}}.Encode(), replaced("Sec-Fetch-Site", c.site))
			if got.status != http.StatusForbidden {
				t.Errorf("%s, %s: %d", path, name, got.status)
			}
		}
	}
	for _, path := range []string{"/auth/account/passkeys/begin", "/auth/account/passkeys/finish", "/auth/passkey/begin", "/auth/passkey/finish"} {
		if got := p.do(http.MethodPost, path, asJSON, `{"csrf":"`+other+`"}`); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", path, got.status)
		}
		if got := p.do(http.MethodPost, path, "text/plain", `{"csrf":"`+token+`"}`); got.status == http.StatusOK {
			t.Errorf("%s takes what another site can send: %d", path, got.status)
		}
	}
	if live, err := s.sessions.List(t.Context(), "u-1"); err != nil || len(live) != 2 || len(s.ledger.kept) != 0 {
		t.Errorf("something was changed: %v %v", live, err)
	}
}

func TestSessionFixationIsOfNoUse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	known, _, err := s.sessions.Create(t.Context(), session.User{ID: "mallory"}, session.Grant{Idle: time.Hour, Absolute: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	p := s.person()
	secret := cookie(known)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	p.client.Jar.SetCookies(u, []*http.Cookie{secret})
	p.signIn()
	for _, c := range p.client.Jar.Cookies(u) {
		if c.Name == CookieName && c.Value == known {
			t.Error("the token of before is the token of now")
		}
	}
	if _, err := s.sessions.Lookup(t.Context(), known, session.Demand{}); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("the planted session lives: %v", err)
	}
	// The same for the cookie of a sign-in that waits, and for a form's.
	before := p.token("/auth/account")
	p.mustBe(p.post("/auth/account", "/auth/logout"), http.StatusSeeOther, "sign out")
	p.signIn()
	if p.token("/auth/account") == before {
		t.Error("a form's token outlives the session")
	}
}

func TestOpenRedirectsLeadNowhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for next, want := range map[string]string{
		"/cart?x=1#y":               "/cart?x=1#y",
		"https://app.example.com/a": "https://app.example.com/a",
		"https://app.example.com":   "https://app.example.com",

		"https://evil.example/":             "/",
		"//evil.example":                    "/",
		`/\evil.example`:                    "/",
		`\\evil.example`:                    "/",
		"https:/\\evil.example":             "/",
		"https://app.example.com.evil.test": "/",
		"https://app.example.com@evil.test": "/",
		"https://u:p@app.example.com/":      "/",
		"https://app.example.com:8443/":     "/",
		"http://app.example.com/":           "/",
		"https://APP.example.com/":          "/",
		"https:app.example.com":             "/",
		"javascript:alert(1)":               "/",
		"data:text/html,x":                  "/",
		"https://app.example.com\\@evil":    "/",
		"https://app.example.com\t/":        "/",
		"/\t/evil.example":                  "/",
		"":                                  "/",
		"/" + strings.Repeat("x", maxNext):  "/",
	} {
		p := s.person()
		if got := p.enter("alice", password, "next", next); got.status != http.StatusSeeOther || got.location != want {
			t.Errorf("%.60q leads to %q (%d), want %q", next, got.location, got.status, want)
		}
	}
	s.later(time.Minute)
	secret, _ := s.person().signIn().enrol()
	s.later(time.Minute)
	p := s.person()
	p.enter("alice", password, "next", "//evil.example")
	if got := p.post("/auth/second-factor", "/auth/second-factor", "code", s.code(secret)); got.location != "/" {
		t.Errorf("after the second factor: %q", got.location)
	}
}

// Another host of the same site can set cookies for the whole domain, and so a
// browser may send two of a name. None of them counts. (Of the prefix __Host-
// browsers take none from there.)
func TestCookieTossingDoesNotChooseTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person().signIn()
	mallory, _, err := s.sessions.Create(t.Context(), session.User{ID: "mallory"}, session.Grant{Idle: time.Hour, Absolute: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	token := p.token("/auth/account")
	for _, name := range []string{CookieName, formCookie, secondCookie, throttle.DeviceCookie} {
		if !strings.HasPrefix(name, "__Host-") {
			t.Errorf("%s can be set by another host", name)
		}
	}
	tossed := with("Cookie", CookieName+"="+mallory)
	if got := p.do(http.MethodGet, "/auth/account", "", "", tossed); got.status != http.StatusSeeOther {
		t.Errorf("two sessions: %d", got.status)
	}
	if got := p.do(http.MethodPost, "/auth/account/keys/add", asForm, url.Values{"csrf": {token}, "days": {"1"}}.Encode(), tossed); got.location != "/auth/sign-in?next=/auth/account" {
		t.Errorf("two sessions: %+v", got)
	}
	stranger := s.person()
	page := stranger.token("/auth/sign-in")
	body := url.Values{"csrf": {page}, "page": {"1"}, "username": {"alice"}, "password": {password}}.Encode()
	if got := stranger.do(http.MethodPost, "/auth/login", asForm, body, with("Cookie", formCookie+"="+code.NewToken())); got.status != http.StatusForbidden {
		t.Errorf("two form cookies: %d", got.status)
	}
}

func TestResponsesAreNotSplit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	evil := "x\r\nSet-Cookie: evil=1\r\n\r\n<script>alert(1)</script>"
	p := s.person()
	for name, got := range map[string]answered{
		"next, of the page":        p.get("/auth/sign-in?next=" + url.QueryEscape("/"+evil)),
		"next, of the form":        p.enter("alice", password, "next", "/"+evil),
		"the name":                 p.enter(evil, password),
		"the token of a reset":     p.get("/auth/reset/set?token=" + url.QueryEscape(evil)),
		"the request's id":         p.do(http.MethodGet, "/auth/sessions", "", "", with("X-Request-Id", "a b")),
		"an asset that is not one": p.get("/auth/assets/" + url.PathEscape(evil)),
		"a next that is encoded":   p.enter("alice", password, "next", "/%0d%0aSet-Cookie:%20evil=1"),
	} {
		if strings.Contains(got.text, "<script>alert") || len(got.header.Values("Set-Cookie")) > 0 && strings.Contains(strings.Join(got.header.Values("Set-Cookie"), " "), "evil=") {
			t.Errorf("%s: %v %s", name, got.header, got.text)
		}
		for header, values := range got.header {
			for _, value := range values {
				if strings.ContainsAny(value, "\r\n") {
					t.Errorf("%s: %s: %q", name, header, value)
				}
			}
		}
	}
	// A name that goes into cookies, mail and pages.
	s.ledger.edit("mallory", func(u *User) { *u = s.ledgerUser("alice"); u.ID, u.Name = "u-9", "mal<lory>" })
	q := s.person()
	q.mustBe(q.enter("mallory", password), http.StatusSeeOther, "sign in")
	if text := q.get("/auth/account").text; strings.Contains(text, "mal<lory>") || !strings.Contains(text, "mal&lt;lory&gt;") {
		t.Error(text)
	}
}

// ledgerUser is called with the lock held: see edit.
func (s *site) ledgerUser(name string) User { return s.ledger.users[name] }

func TestEveryPageHasAStrictPolicyAndNothingInline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	on := *s.settings.Load()
	on.SignUp = true
	s.settings.Store(&on)
	p := s.person()
	pages := map[string]answered{}
	for _, path := range []string{"/auth/sign-in", "/auth/reset", "/auth/sign-up", ResetPath + "?token=" + code.NewToken(), ResetPath} {
		pages[path] = p.get(path)
	}
	p.signIn()
	pages["account"] = p.get("/auth/account")
	pages["totp"] = p.post("/auth/account", "/auth/account/totp/begin")
	pages["a key"] = p.post("/auth/account", "/auth/account/keys/add", "label", "x", "days", "3")
	for name, got := range pages {
		policy := got.header.Get("Content-Security-Policy")
		if policy != page.Policy(on.Origins) || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: %q", name, policy)
		}
		for _, bad := range []string{"<style", " style=", " onclick=", " onload=", "javascript:", "http://", "<script>"} {
			text := strings.ReplaceAll(got.text, "http://www.w3.org/2000/svg", "")
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q: %s", name, bad, got.text)
			}
		}
		if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "no-referrer" || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, got.header)
		}
		for _, must := range []string{`<html lang="en">`, "<main>", "<h1>", "<title>"} {
			if !strings.Contains(got.text, must) {
				t.Errorf("%s lacks %s", name, must)
			}
		}
		if inputs, labels := strings.Count(got.text, "<input")-strings.Count(got.text, `type="hidden"`), strings.Count(got.text, "<label for="); inputs != labels {
			t.Errorf("%s has %d inputs and %d labels", name, inputs, labels)
		}
	}
}

func TestGuessingIsSlowedDownTheSameForEverybody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"alice", "nobody", "carol"} {
		p := s.person()
		for range 6 {
			p.mustBe(p.do(http.MethodPost, "/auth/login", asJSON, jsonBody(name, "another password")), http.StatusUnauthorized, name)
		}
		before := s.counted.runs.Load()
		wrong := p.mustBe(p.do(http.MethodPost, "/auth/login", asJSON, jsonBody(name, "another password")), http.StatusTooManyRequests, name)
		right := p.mustBe(p.do(http.MethodPost, "/auth/login", asJSON, jsonBody(name, password)), http.StatusTooManyRequests, name)
		if wrong.text != right.text || s.counted.runs.Load() != before {
			t.Errorf("%s: waiting tells of the password: %s %s", name, wrong.text, right.text)
		}
		if wait, err := strconv.Atoi(right.header.Get("Retry-After")); err != nil || wait < 1 || wait > 30 {
			t.Errorf("%s: Retry-After %q", name, right.header.Get("Retry-After"))
		}
		if !strings.Contains(p.mustBe(p.enter(name, password), http.StatusTooManyRequests, name).text, "Please wait") {
			t.Error("the page does not say how long")
		}
	}
}

func TestAStrangerLocksNobodyOutOfADeviceThatTheyKnow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mine := s.person().signIn()
	mine.mustBe(mine.post("/auth/account", "/auth/logout"), http.StatusSeeOther, "sign out")
	stranger := s.person()
	for range 8 {
		stranger.do(http.MethodPost, "/auth/login", asJSON, jsonBody("ALICE", "another password"))
	}
	stranger.mustBe(stranger.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password)), http.StatusTooManyRequests, "a stranger")
	mine.mustBe(mine.enter("Alice", password), http.StatusSeeOther, "a known device")
	// A reset by mail is a way past it on a new device, too.
	path, err := StartReset(t.Context(), s.ledger, "u-1", s.now(), MailedReset)
	if err != nil {
		t.Fatal(err)
	}
	fresh := s.person()
	fresh.mustBe(fresh.post(path, "/auth/reset/set", "token", path[strings.Index(path, "=")+1:], "new", "a quite new password"), http.StatusOK, "the reset")
	fresh.mustBe(fresh.enter("alice", "a quite new password"), http.StatusSeeOther, "after the reset")
}

func TestCodesAreGuessedNoFasterThanPasswords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.person().signIn().enrol()
	s.later(time.Minute)
	thief := s.person()
	thief.mustBe(thief.enter("alice", password), http.StatusSeeOther, "a stolen password")
	token := thief.token("/auth/second-factor")
	refused := 0
	for i := range 20 {
		got := thief.do(http.MethodPost, "/auth/second-factor", asForm, url.Values{"csrf": {token}, "code": {fmt.Sprintf("%06d", i)}}.Encode())
		if got.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 14 {
		t.Errorf("%d of 20 guesses had to wait, want 14", refused)
	}
}

func TestWithoutRedisNobodySignsInAndNobodyIsToldWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person()
	token := p.token("/auth/sign-in")
	s.redis.Stop()
	for name, got := range map[string]answered{
		"JSON": p.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password)),
		"form": p.do(http.MethodPost, "/auth/login", asForm, url.Values{"csrf": {token}, "page": {"1"}, "username": {"alice"}, "password": {password}}.Encode()),
		"code": p.do(http.MethodPost, "/auth/second-factor", asJSON, `{"code":"123456","challenge":"`+code.NewToken()+`"}`),
	} {
		if got.status != http.StatusServiceUnavailable || strings.Contains(got.text, "redis") || len(got.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestWithoutTheStoreNobodySignsInAndNothingCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ledger.gone = errors.New("the database is away")
	p := s.person()
	for range 20 {
		p.mustBe(p.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password)), http.StatusServiceUnavailable, "no store")
	}
	s.ledger.gone = nil
	p.mustBe(p.do(http.MethodPost, "/auth/login", asJSON, jsonBody("alice", password)), http.StatusOK, "the store again")
}

func TestAListOfPasswordsThatCannotBeReadLetsNoPasswordBeSet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	on := *s.settings.Load()
	on.Compromised = t.TempDir() + "/none"
	s.settings.Store(&on)
	p := s.person().signIn()
	p.mustBe(p.post("/auth/account", "/auth/account/password", "current", password, "new", "a quite new password"), http.StatusServiceUnavailable, "no list")
	q := s.person()
	q.mustBe(q.enter("alice", password), http.StatusSeeOther, "the old password is still good")
}

func TestAThemeIsServedAndAMissingOneIsNoHarm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person()
	p.mustBe(p.get(page.ThemePath), http.StatusNotFound, "none")
	for _, path := range []string{"style.css", "passkey.js"} {
		got := p.mustBe(p.get(page.AssetsPath+path), http.StatusOK, path)
		if got.header.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(got.text, "eval(") {
			t.Errorf("%s: %v", path, got.header)
		}
	}
	p.mustBe(p.get(page.AssetsPath), http.StatusNotFound, "the folder")
}

func TestTheRecordTellsOfEveryAttemptAndNamesNobodyInClear(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.person()
	p.enter("nobody-at-all", password)
	p.enter("alice", "another password")
	reasons := map[string]bool{}
	for _, e := range s.events.take() {
		if e.Type == event.AuthenticationAttempt {
			reasons[e.Reason] = true
			if strings.Contains(e.Subject, "nobody") || e.Subject == "" {
				t.Errorf("%+v", e)
			}
		}
	}
	if !reasons[string(ReasonUnknownUser)] || !reasons[string(ReasonWrongPassword)] {
		t.Errorf("%v", reasons)
	}
}
