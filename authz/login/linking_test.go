package login

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/code"
	"gatehouse/authz/login/openid"
)

var wayOn = regexp.MustCompile(`class="button" href="([^"]+)"`)

// begins presses the button that links the provider, and returns where it leads.
func (a *abroad) begins(p *person) string {
	a.t.Helper()
	page := p.mustBe(p.post("/auth/account", "/auth/account/providers/link", "provider", "example"), http.StatusOK, "the button")
	to := wayOn.FindStringSubmatch(page.text)
	if to == nil {
		a.t.Fatalf("no way to the provider: %s", page.text)
	}
	return html.UnescapeString(to[1])
}

// there signs in at the provider, from an address of it, and returns the path by
// which the browser is sent back.
func (a *abroad) there(p *person, start string) (callback string) {
	a.t.Helper()
	stay := p.client.CheckRedirect
	defer func() { p.client.CheckRedirect = stay }()
	p.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/callback") && strings.HasPrefix(r.URL.String(), a.url) {
			callback = r.URL.RequestURI()
			return http.ErrUseLastResponse
		}
		return nil
	}
	a.idp.SignIn(a.t, p.client, start)
	return callback
}

func (a *abroad) links(userID string) (list []Credential) {
	a.t.Helper()
	all, err := a.ledger.Credentials(a.t.Context(), userID)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range all {
		if c.Kind == KindOpenID {
			list = append(list, c)
		}
	}
	return list
}

// changes are the events about a user's credentials since the last time.
func (s *site) changes() (list []event.Event) {
	for _, e := range s.events.take() {
		if e.Type == event.UserChanged {
			list = append(list, e)
		}
	}
	return list
}

func TestAPersonLinksAProviderToTheirAccountAndTakesItAway(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	alice := a.person().signIn()
	elsewhere := a.person().signIn()
	a.events.take()
	before := alice.mustHave()
	done := alice.mustBe(alice.get(a.there(alice, a.begins(alice))), http.StatusOK, "back from the provider")
	if !strings.Contains(done.text, "You can now sign in with Example") || strings.Contains(done.text, "Link Example") {
		t.Errorf("%s", done.text)
	}
	if s := alice.mustHave(); s.ID != before.ID {
		t.Error("linking has begun another session")
	}
	if e := a.changes(); len(e) != 1 || e[0].Rule != "provider_linked" || e[0].Detail["provider"] != "example" || e[0].Outcome != event.Success || e[0].Subject == "" {
		t.Errorf("events %+v", e)
	}
	if letter := a.letter("was linked to a provider"); !strings.HasPrefix(letter, "alice@example.com\n") {
		t.Errorf("the notice: %s", letter)
	}
	byProvider := a.person()
	a.goes(byProvider, "")
	if s := byProvider.mustHave(); s.User.ID != "u-1" {
		t.Errorf("the provider signs in %+v", s.User)
	}
	removed := alice.post("/auth/account", "/auth/account/providers/remove", "id", a.links("u-1")[0].ID)
	if removed.status != http.StatusSeeOther || len(a.links("u-1")) != 0 {
		t.Fatalf("%d %s", removed.status, removed.text)
	}
	for name, p := range map[string]*person{"who came in by the link": byProvider, "another device": elsewhere} {
		if _, err := p.session(); err == nil {
			t.Errorf("%s is still signed in", name)
		}
	}
	if e := a.changes(); len(e) != 1 || e[0].Rule != "provider_removed" || e[0].Detail["provider"] != "example" {
		t.Errorf("events %+v", e)
	}
	stranger := a.person()
	a.goes(stranger, "")
	if s := stranger.mustHave(); s.User.ID == "u-1" {
		t.Error("the provider still signs alice in")
	}
}

func TestLinkingWantsARecentSignInWithAllFactorsAndThePagesToken(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person().signIn()
	token := p.token("/auth/account")
	body := url.Values{"csrf": {token}, "provider": {"example"}}.Encode()
	for name, test := range map[string]struct {
		body  string
		edits []edit
		want  int
	}{
		"from another site":        {body, []edit{func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }}, http.StatusForbidden},
		"without the page's token": {"provider=example", nil, http.StatusForbidden},
		"an unknown provider":      {url.Values{"csrf": {token}, "provider": {"other"}}.Encode(), nil, http.StatusNotFound},
	} {
		if got := p.do(http.MethodPost, "/auth/account/providers/link", asForm, test.body, test.edits...); got.status != test.want {
			t.Errorf("%s: %d, want %d", name, got.status, test.want)
		}
	}
	a.later(recently + time.Second)
	if got := p.do(http.MethodPost, "/auth/account/providers/link", asForm, body); got.status != http.StatusSeeOther || !strings.Contains(got.location, "step_up="+openid.RecentSignIn) {
		t.Errorf("long after the sign-in: %d to %q", got.status, got.location)
	}
	if got := a.person().do(http.MethodPost, "/auth/account/providers/link", asForm, body); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/auth/sign-in") {
		t.Errorf("without a session: %d to %q", got.status, got.location)
	}
	if len(a.links("u-1")) != 0 {
		t.Error("something is linked")
	}
}

func TestALinkThatDoesNotFitIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// back returns to the site, in whatever way.
		back func(a *abroad, p *person) answered
		rule string
	}{
		"a subject that is another user here": {func(a *abroad, p *person) answered {
			a.goes(a.person(), "") // makes them one
			a.events.take()
			return p.get(a.there(p, a.begins(p)))
		}, "linked_elsewhere"},
		"in a session that is not the one that asked": {func(a *abroad, p *person) answered {
			callback := a.there(p, a.begins(p))
			p.mustBe(p.enter("alice", password), http.StatusSeeOther, "sign in anew")
			a.events.take()
			return p.get(callback)
		}, "session_changed"},
		"of an answer that was used already": {func(a *abroad, p *person) answered {
			callback := a.there(p, a.begins(p))
			p.get(callback)
			if _, err := a.ledger.RemoveCredentials(a.t.Context(), "u-1", KindOpenID, ""); err != nil {
				a.t.Fatal(err)
			}
			a.events.take()
			return p.get(callback)
		}, "state_unknown"},
		"in the browser of somebody who is led on": {func(a *abroad, p *person) answered {
			attacker := a.person().signIn()
			callback := a.there(attacker, a.begins(attacker))
			a.events.take()
			return p.get(callback)
		}, "browser_unknown"},
		"of a person who refuses there": {func(a *abroad, p *person) answered {
			to, err := url.Parse(a.begins(p))
			if err != nil {
				a.t.Fatal(err)
			}
			a.events.take()
			return p.get(openid.Prefix + "example/callback?error=access_denied&state=" + url.QueryEscape(to.Query().Get("state")) + "&iss=" + url.QueryEscape(a.idp.Issuer))
		}, "provider_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAbroad(t)
			p := a.person().signIn()
			got := test.back(a, p)
			if got.status < 400 || got.status >= 500 {
				t.Errorf("status %d: %s", got.status, got.text)
			}
			if links := a.links("u-1"); len(links) != 0 {
				t.Errorf("linked: %+v", links)
			}
			events := a.events.take()
			if !slices.ContainsFunc(events, func(e event.Event) bool {
				return e.Outcome == event.Failure && strings.HasPrefix(e.Reason, test.rule+": ")
			}) {
				t.Errorf("events %+v", events)
			}
		})
	}
}

func TestALinkIsRefusedToWhoIsSignedOutMeanwhile(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person().signIn()
	callback := a.there(p, a.begins(p))
	if _, err := a.sessions.RevokeAll(t.Context(), "u-1"); err != nil {
		t.Fatal(err)
	}
	if got := p.get(callback); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/auth/sign-in") {
		t.Errorf("%d to %q", got.status, got.location)
	}
	if _, err := p.session(); err == nil || len(a.links("u-1")) != 0 {
		t.Error("the provider's word has opened a session, or linked")
	}
}

func TestLinkingTwiceIsOneLinkAndAProviderWithoutASecretLinksNobody(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person().signIn()
	for range 2 {
		p.mustBe(p.get(a.there(p, a.begins(p))), http.StatusOK, "link")
	}
	if links := a.links("u-1"); len(links) != 1 {
		t.Errorf("%+v", links)
	}
	a.secret.Store(errNoSecret)
	a.events.take()
	got := p.post("/auth/account", "/auth/account/providers/link", "provider", "example")
	if e := a.changes(); got.status != http.StatusConflict || len(e) != 1 || !strings.HasPrefix(e[0].Reason, "client_secret_missing") {
		t.Errorf("%d, %+v", got.status, e)
	}
}

func TestWhoHasAProviderAloneSeesWhatApplies(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person()
	a.goes(p, "?step_up=recent_sign_in")
	id := p.mustHave().User.ID
	page := p.get("/auth/account").text
	for text, want := range map[string]bool{
		`action="/auth/account/password"`: false, "You have no password here": true, "Remove the link to Example": true, "Link Example": false,
	} {
		if strings.Contains(page, text) != want {
			t.Errorf("the account page: %q is there: %t", text, !want)
		}
	}
	again := p.get("/auth/sign-in?step_up=recent_sign_in&next=/auth/account").text
	if strings.Contains(again, `name="password"`) || strings.Contains(again, "Forgotten the password") || !strings.Contains(again, "Sign in with Example") {
		t.Errorf("to sign in again: %s", again)
	}
	if plain := a.person().get("/auth/sign-in").text; !strings.Contains(plain, `name="password"`) {
		t.Error("a stranger is told how somebody signs in")
	}
	// What is left must be a way in.
	last := p.post("/auth/account", "/auth/account/providers/remove", "id", a.links(id)[0].ID)
	if last.status != http.StatusConflict || !strings.Contains(last.text, "only way in which you sign in") || len(a.links(id)) != 1 {
		t.Errorf("%d %s", last.status, last.text)
	}
	passkey := Credential{ID: code.NewID(), UserID: id, Kind: KindPasskey, Lookup: "k", Active: true}
	if err := a.ledger.AddCredentials(t.Context(), passkey); err != nil {
		t.Fatal(err)
	}
	if who := a.whole.federation.h.whose(request(t, p)); who == nil || who.ways.Password || !who.ways.Passkey || len(who.ways.Providers) != 1 {
		t.Errorf("%+v", who)
	}
	// The link of a provider that the policy names no more hides none of those that it has.
	if _, err := a.ledger.RemoveCredentials(t.Context(), id, KindOpenID, ""); err != nil {
		t.Fatal(err)
	}
	if err := a.ledger.AddCredentials(t.Context(), Credential{ID: "x", UserID: id, Kind: KindOpenID, Lookup: "x", Label: "of-before", Active: true}); err != nil {
		t.Fatal(err)
	}
	if again = p.get("/auth/sign-in?step_up=recent_sign_in").text; !strings.Contains(again, "Sign in with Example") {
		t.Error("no way is shown")
	}
	if page = p.get("/auth/account").text; !strings.Contains(page, "of-before") || !strings.Contains(page, "Link Example") {
		t.Errorf("%s", page)
	}
}

// request is one with the person's cookies.
func request(t *testing.T, p *person) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/auth/sign-in", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

func TestAUserWithoutAPasswordIsKnownByItsHash(t *testing.T) {
	t.Parallel()
	real, err := NewHasher(cheap, 1024).Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		hash string
		want bool
	}{"a password": {real, true}, "none": {NoPassword(), false}, "no hash": {"", false}} {
		if got := (User{PasswordHash: test.hash}).HasPassword(); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if a, b := NoPassword(), NoPassword(); a == b || CheckHash(a) != nil {
		t.Error("two users without a password have the same hash, or one that is none")
	}
}

func TestWhoNeedsAPasskeyIsNotAskedForAPassword(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	page := a.person().signIn().get("/auth/sign-in?step_up=passkey&next=/vault").text
	if strings.Contains(page, `name="password"`) || strings.Contains(page, "Forgotten the password") {
		t.Errorf("a password does not help: %s", page)
	}
	for _, want := range []string{`data-passkey="sign-in"`, `data-next="/vault"`, "step_up=passkey", `href="/auth/account"`, "Passkeys need JavaScript"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s: %s", want, page)
		}
	}
	// Who has one that is copied must learn that it is not enough.
	page = a.person().signIn().get("/auth/sign-in?step_up=device_bound_passkey&next=/safe").text
	if strings.Contains(page, `name="password"`) || !strings.Contains(page, "copied between your devices is not enough") || !strings.Contains(page, `data-next="/safe"`) {
		t.Error(page)
	}
}
