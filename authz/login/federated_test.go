package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/openid"
	"gatehouse/authz/login/openid/openidtest"
	"gatehouse/authz/session"
)

// abroad is a site with a provider of the name example.
type abroad struct {
	*site
	idp *openidtest.Provider
}

func newAbroad(t *testing.T, change ...func(*Provider)) *abroad {
	t.Helper()
	s := newSite(t)
	a := &abroad{site: s, idp: openidtest.Start(t, s.url+openid.Prefix+"example/callback")}
	p := Provider{
		Settings: openid.Settings{
			Name: "example", Title: "Example", Issuer: a.idp.Issuer, ClientID: a.idp.ClientID,
			Scopes: []string{"profile", "email", "offline_access"}, RoleClaim: "groups",
		},
		NewUsers: true, Refresh: time.Minute, MaxStale: time.Hour,
	}
	for _, c := range change {
		c(&p)
	}
	s.abroad.Store(&Federation{Origins: []string{s.url}, Providers: []Provider{p}})
	return a
}

// goes signs a person in at the provider, and returns what they see then.
func (a *abroad) goes(p *person, query string) answered {
	a.t.Helper()
	return a.goesTo(p, "example/start"+query)
}

func (a *abroad) goesTo(p *person, start string) answered {
	a.t.Helper()
	stay := p.client.CheckRedirect
	defer func() { p.client.CheckRedirect = stay }()
	callback := ""
	p.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/callback") && strings.HasPrefix(r.URL.String(), a.url) {
			callback = r.URL.RequestURI()
			return http.ErrUseLastResponse
		}
		return nil
	}
	a.idp.SignIn(a.t, p.client, a.url+openid.Prefix+start)
	p.client.CheckRedirect = stay
	return p.get(callback)
}

func (p *person) session() (session.Session, error) {
	p.t.Helper()
	at, err := url.Parse(p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range p.client.Jar.Cookies(at) {
		if c.Name == CookieName {
			return p.sessions.Lookup(p.t.Context(), c.Value, session.Demand{})
		}
	}
	return session.Session{}, session.ErrNone
}

func (p *person) mustHave() session.Session {
	p.t.Helper()
	s, err := p.session()
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func TestAPersonSignsInAtAProviderAndIsTheSameUserNextTime(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	a.idp.SetRoles("admin", "staff")
	first := a.person()
	page := first.get("/auth/sign-in?next=/orders%3Fid=1")
	if !strings.Contains(page.text, `href="/auth/openid/example/start?next=%2Forders%3Fid%3D1"`) || !strings.Contains(page.text, "Sign in with Example") {
		t.Errorf("no button: %s", page.text)
	}
	in := a.goes(first, "?next=/orders%3Fid=1")
	if in.status != http.StatusSeeOther || in.location != "/orders?id=1" {
		t.Fatalf("%d %s %s", in.status, in.location, in.text)
	}
	s := first.mustHave()
	if !slices.Equal(s.Roles, []string{"admin", "staff"}) || !slices.Contains(s.AMR, federated) || s.User.Name == "" {
		t.Errorf("%+v", s)
	}
	second := a.person()
	a.goes(second, "")
	if again := second.mustHave(); again.User.ID != s.User.ID || again.ID == s.ID {
		t.Errorf("another user: %+v", again)
	}
	if got := a.person().enter(s.User.Name, password); got.status != http.StatusUnauthorized {
		t.Errorf("they have a password: %d", got.status)
	}
	created := 0
	for _, e := range a.events.take() {
		if e.Type == event.AuthenticationAttempt && e.Rule == "openid" && e.Outcome == event.Success {
			created++
		}
	}
	if created != 2 {
		t.Errorf("%d events of sign-ins", created)
	}
}

func TestAProvidersUserIsNobodyElseHere(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	// The name and the mail address that the provider tells are taken.
	a.ledger.edit("test-user@127.0.0.1", func(u *User) { u.ID, u.Name, u.Email = "u-8", "test-user@127.0.0.1", "test-user@zitadel.ch" })
	p := a.person()
	a.goes(p, "")
	s := p.mustHave()
	if s.User.ID == "u-8" || !strings.Contains(s.User.Name, "(example") {
		t.Errorf("signed in as %+v", s.User)
	}
}

func TestWhoIsRefusedAfterAProvider(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*Provider)
		prepare func(*abroad)
		reason  string
	}{
		"nobody's subject, where no users are made": {change: func(p *Provider) { p.NewUsers = false }, reason: "subject_unknown"},
		"a user who is disabled": {prepare: func(a *abroad) {
			p := a.person()
			a.goes(p, "")
			id := p.mustHave().User.Name
			a.ledger.edit(id, func(u *User) { u.Disabled = true })
		}, reason: "user_disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAbroad(t, func(p *Provider) {
				if test.change != nil {
					test.change(p)
				}
			})
			if test.prepare != nil {
				test.prepare(a)
			}
			a.events.take()
			p := a.person()
			got := a.goes(p, "")
			if _, err := p.session(); err == nil || got.status != http.StatusUnauthorized || !strings.Contains(got.text, "Signing in there did not work") {
				t.Errorf("%d %v %s", got.status, err, got.text)
			}
			if events := a.events.take(); len(events) != 1 || events[0].Reason != test.reason || events[0].Outcome != event.Failure || events[0].Rule != "openid" {
				t.Errorf("%+v", events)
			}
		})
	}
}

func TestAForgedAnswerOfAProviderIsAnEventAndAPlainPage(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	got := a.person().get(openid.Prefix + "example/callback?state=0123456789abcdef&code=x")
	if got.status != http.StatusUnauthorized || strings.Contains(got.text, "state") {
		t.Errorf("%d %s", got.status, got.text)
	}
	if events := a.events.take(); len(events) != 1 || !strings.HasPrefix(events[0].Reason, "state_unknown") {
		t.Errorf("%+v", events)
	}
}

func TestAProviderWithoutAReadableSecretSignsNobodyIn(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	a.secret.Store(errors.New("can be read by everybody"))
	got := a.person().get(openid.Prefix + "example/start")
	if got.status != http.StatusUnauthorized || got.location != "" {
		t.Errorf("%d to %q", got.status, got.location)
	}
	if events := a.events.take(); len(events) != 1 || events[0].Reason != "client_secret_missing: can be read by everybody" {
		t.Errorf("%+v", events)
	}
}

func TestProvidersFollowThePolicy(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person()
	a.goes(p, "")
	before := a.whole.federation.current()
	if a.whole.federation.current() != before {
		t.Error("built anew without a change")
	}
	kept := a.abroad.Load()
	a.abroad.Store(nil) // authz has just started: nothing is known, nobody is ended
	if got := a.whole.federation.current(); got != before {
		t.Error("forgotten with the policy")
	}
	if got := p.get(openid.Prefix + "example/start"); got.status != http.StatusNotFound {
		t.Errorf("without a policy: %d", got.status)
	}
	other := *kept
	other.Providers = nil
	a.abroad.Store(&other)
	if got := p.get(openid.Prefix + "example/start"); got.status != http.StatusNotFound {
		t.Errorf("a provider that was removed: %d", got.status)
	}
	if strings.Contains(p.get("/auth/sign-in").text, "Sign in with Example") {
		t.Error("a button of a provider that was removed")
	}
	a.later(time.Minute)
	if _, err := a.whole.federation.refresher.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.session(); !errors.Is(err, session.ErrRevoked) {
		t.Errorf("the session of a provider that was removed: %v", err)
	}
}

func TestASecondFactorIsAskedForAfterAProviderToo(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	a.idp.SetRoles("admin")
	p := a.person()
	a.goes(p, "?step_up=recent_sign_in") // recent enough to set an app up
	secret, _ := p.enrol()
	a.later(time.Minute)
	other := a.person()
	page := a.goes(other, "?next=/orders")
	if _, err := other.session(); err == nil || page.status != http.StatusOK || !strings.Contains(page.text, "/auth/second-factor") {
		t.Fatalf("%d %v %s", page.status, err, page.text)
	}
	for _, key := range a.redis.Client().Keys(t.Context(), "gatehouse:login:second:*").Val() {
		if text := a.redis.Client().Get(t.Context(), key).Val(); strings.Contains(text, "admin") || strings.Contains(text, "efresh") {
			t.Errorf("what the provider said lies there in clear: %s", text)
		}
	}
	done := other.post("/auth/second-factor", "/auth/second-factor", "code", a.code(secret))
	s := other.mustHave()
	if done.location != "/orders" || !slices.Contains(s.AMR, "mfa") || !slices.Contains(s.AMR, federated) || !slices.Equal(s.Roles, []string{"admin"}) {
		t.Errorf("%d to %q: %+v", done.status, done.location, s)
	}
	if refs, err := a.whole.federation.links.Find(t.Context(), "example", "id1", ""); err != nil || !slices.Contains(refs, openid.Ref{UserID: s.User.ID, SessionID: s.ID}) {
		t.Errorf("its sign-out does not find it: %v %v", refs, err)
	}
}

func (a *abroad) signOutThere(claims map[string]any) int {
	a.t.Helper()
	now := a.now()
	token := map[string]any{
		"iss": a.idp.Issuer, "aud": a.idp.ClientID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": now.String(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, value := range claims {
		token[name] = value
	}
	form := url.Values{"logout_token": {a.idp.LogoutToken(a.t, token)}}
	return a.person().do(http.MethodPost, openid.Prefix+"example/backchannel-logout", asForm, form.Encode(),
		func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }).status
}

func TestSigningOutAtTheProviderEndsTheSessionWhateverItsNameIsNow(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	p := a.person()
	a.goes(p, "?step_up=recent_sign_in")
	first := p.mustHave()
	secret, _ := p.enrol()
	a.later(time.Minute)
	// A second factor gives the session another id.
	p.mustBe(p.get("/auth/sign-in?step_up=second_factor&next=/vault"), http.StatusOK, "asked for the factor alone")
	if done := p.post("/auth/second-factor", "/auth/second-factor", "code", a.code(secret)); done.location != "/vault" {
		t.Fatalf("%d %s", done.status, done.text)
	}
	raised := p.mustHave()
	if raised.ID == first.ID || !slices.Contains(raised.AMR, "mfa") || !raised.AuthTime.Equal(first.AuthTime) || !raised.Expires.Equal(first.Expires) {
		t.Fatalf("from %+v to %+v", first, raised)
	}
	a.later(20 * time.Minute) // long after the replaced token is forgotten
	p.get("/auth/account")    // and in use
	a.events.take()
	if status := a.signOutThere(map[string]any{"sid": "provider-session-1"}); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if _, err := p.session(); !errors.Is(err, session.ErrRevoked) {
		t.Errorf("the session: %v", err)
	}
	if events := a.events.take(); len(events) != 1 || events[0].Type != event.SessionRevoked || events[0].Reason != "signed out at the provider example" {
		t.Errorf("%+v", events)
	}
}

func TestASignOutThatCannotBeCarriedOutIsTriedAgain(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	a.goes(a.person(), "")
	a.redis.Stop()
	if status := a.signOutThere(map[string]any{"sub": "id1"}); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
}

// CVE-2021-41230: claims of the sign-in are not true for ever.
func TestLessonRolesAreReadAnewWhileASessionLives(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	a.idp.SetRoles("admin")
	p := a.person()
	a.goes(p, "")
	for _, roles := range [][]string{{"guest"}, nil, {"guest", "admin"}} {
		a.idp.SetRoles(roles...)
		a.later(time.Minute)
		if _, err := a.whole.federation.refresher.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := p.mustHave(); !slices.Equal(s.Roles, roles) {
			t.Errorf("roles %q, want %q", s.Roles, roles)
		}
	}
	if err := a.idp.Storage.TerminateSession(t.Context(), "id1", a.idp.ClientID); err != nil {
		t.Fatal(err)
	}
	a.later(time.Minute)
	if _, err := a.whole.federation.refresher.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.session(); !errors.Is(err, session.ErrRevoked) {
		t.Errorf("the provider has closed the account: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.whole.Run(ctx)
	(&Site{}).Run(ctx) // without providers
}

func TestWhatAProviderSaysOfWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &handler{Options: Options{Now: func() time.Time { return now }}}
	for name, test := range map[string]struct{ said, want time.Time }{
		"nothing, which is not recent": {time.Time{}, time.Unix(1, 0)},
		"an hour ago":                  {now.Add(-time.Hour), now.Add(-time.Hour)},
		"later than now":               {now.Add(time.Minute), now},
	} {
		if got := h.authTime(openid.Identity{AuthTime: test.said}); !got.Equal(test.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestMethodsOfAProvider(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ said, want []string }{
		"none":           {nil, []string{"fed"}},
		"one":            {[]string{"pwd"}, []string{"pwd", "fed"}},
		"of two kinds":   {[]string{"pwd", "otp"}, []string{"pwd", "otp", "mfa", "fed"}},
		"its own word":   {[]string{"mfa"}, []string{"mfa", "fed"}},
		"no names":       {[]string{"urn:x y", "PWD", "", "a\tb"}, []string{"fed"}},
		"a claim to fed": {[]string{"fed", "fed"}, []string{"fed"}},
		"very many":      {[]string{"m1234567", "m1234568", "m1234569", "m1234560", "m1234561", "m1234562", "m1234563", "mfa"}, []string{"mfa", "fed", "m1234567", "m1234568", "m1234569", "m1234560", "m1234561", "m1234562"}},
	} {
		got := methodsOf(openid.Identity{AMR: test.said})
		if !slices.Equal(got, test.want) || len(strings.Join(got, " ")) > session.MaxAMR {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Both providers call their user id1, with the same name and mail address.
func TestTheSameSubjectAtTwoProvidersIsTwoPeople(t *testing.T) {
	t.Parallel()
	a := newAbroad(t)
	other := openidtest.Start(t, a.url+openid.Prefix+"second/callback")
	today := *a.abroad.Load()
	second := today.Providers[0]
	second.Name, second.Title, second.Issuer, second.ClientID = "second", "Second", other.Issuer, other.ClientID
	today.Providers = append(slices.Clone(today.Providers), second)
	a.abroad.Store(&today)
	for _, button := range []string{"Sign in with Example", "Sign in with Second"} {
		if !strings.Contains(a.person().get("/auth/sign-in").text, button) {
			t.Errorf("no button %q", button)
		}
	}
	one, two := a.person(), a.person()
	a.goes(one, "")
	(&abroad{a.site, other}).goesTo(two, "second/start")
	first, then := one.mustHave(), two.mustHave()
	if first.User.ID == then.User.ID {
		t.Fatalf("both are %+v", then.User)
	}
	// One's sign-out is not the other's, though its subject is.
	if status := a.signOutThere(map[string]any{"sub": "id1"}); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if _, err := one.session(); !errors.Is(err, session.ErrRevoked) {
		t.Errorf("the first: %v", err)
	}
	two.mustHave()
	// And linking the second is no way to become the first.
	a.later(time.Second)
	p := a.person().signIn()
	p.mustBe(p.get(a.there(p, a.begins(p))), http.StatusConflict, "a subject that is somebody already")
}
