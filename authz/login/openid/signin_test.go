package openid

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAPersonSignsInAtTheProviderAndComesBackToWhereTheyWere(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.idp.SetRoles("admin", "clerk")
	got := g.signIn(t, g.browser(t), "?next="+url.QueryEscape("/orders?page=2"))
	if got.err != nil || got.next != "/orders?page=2" {
		t.Fatalf("%+v", got)
	}
	who := got.who
	if who.Provider != "example" || who.Subject == "" || who.Issuer != g.idp.Issuer || who.Email == "" || who.SessionID != "provider-session-1" ||
		!slices.Equal(who.Roles, []string{"admin", "clerk"}) || who.AuthTime.IsZero() {
		t.Errorf("%+v", who)
	}
	if got.token.RefreshToken == "" {
		t.Error("no refresh token")
	}
}

func TestThePathBackIsLocalOrTheRoot(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for _, next := range []string{"", "?next=", "?next=https%3A%2F%2Fevil.example.com", "?next=%2F%2Fevil.example.com"} {
		if got := g.signIn(t, g.browser(t), next); got.err != nil || got.next != "/" {
			t.Errorf("%s: %+v", next, got)
		}
	}
}

func TestTheRequestIsTheOneThatTheStandardsWant(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.browser(t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer := b.get(t, g.server.URL+Prefix+"example/start?next=/&step_up=recent_sign_in")
	to, err := answer.Location()
	if err != nil || answer.StatusCode != http.StatusSeeOther {
		t.Fatal(answer.Status, err)
	}
	q := to.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": g.idp.ClientID, "redirect_uri": g.server.URL + Prefix + "example/callback",
		"code_challenge_method": "S256", "max_age": "0", "prompt": "login", "scope": "openid profile email offline_access",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if len(q.Get("state")) < 43 || len(q.Get("nonce")) < 43 || len(q.Get("code_challenge")) < 43 {
		t.Errorf("too little randomness: %v", q)
	}
	c := answer.Cookies()
	if len(c) != 1 || !strings.HasPrefix(c[0].Name, "__Host-") || !c[0].Secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" {
		t.Errorf("cookies %v", c)
	}
	if strings.Contains(to.String(), c[0].Value) {
		t.Error("the provider is told what only the browser may know")
	}
}

func TestASignInEndsOnceAndInTheBrowserThatBeganIt(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	t.Run("again", func(t *testing.T) {
		b := g.browser(t)
		if got := g.signIn(t, b, ""); got.err != nil {
			t.Fatal(got.err)
		}
		b.get(t, b.back.String())
		expectFailure(t, g.last(t).err, "state_unknown")
	})
	t.Run("in the browser of a victim", func(t *testing.T) {
		attacker, victim := g.browser(t), g.browser(t)
		g.goOut(t, attacker, "")
		victim.get(t, attacker.back.String())
		expectFailure(t, g.last(t).err, "browser_unknown")
	})
	t.Run("a victim who began one of their own", func(t *testing.T) {
		attacker, victim := g.browser(t), g.browser(t)
		g.goOut(t, attacker, "")
		g.goOut(t, victim, "")
		victim.get(t, attacker.back.String())
		expectFailure(t, g.last(t).err, "browser_unknown")
		victim.get(t, victim.back.String())
		if got := g.last(t); got.err != nil {
			t.Errorf("their own does not end: %v", got.err)
		}
	})
	t.Run("several at once in one browser", func(t *testing.T) {
		b := g.browser(t)
		g.goOut(t, b, "?next=/one")
		one := b.back
		g.goOut(t, b, "?next=/two")
		b.get(t, one.String())
		if got := g.last(t); got.err != nil || got.next != "/one" {
			t.Errorf("the first: %+v", got)
		}
		b.get(t, b.back.String())
		if got := g.last(t); got.err != nil || got.next != "/two" {
			t.Errorf("the second: %+v", got)
		}
	})
}

func TestAnAnswerThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for name, c := range map[string]struct {
		change func(url.Values)
		rule   string
	}{
		"no state":               {func(q url.Values) { q.Del("state") }, "state_unknown"},
		"another state":          {func(q url.Values) { q.Set("state", q.Get("state")[:8]+strings.Repeat("A", 35)) }, "state_unknown"},
		"two states":             {func(q url.Values) { q.Add("state", "x") }, "answer_ambiguous"},
		"two codes":              {func(q url.Values) { q.Add("code", "x") }, "answer_ambiguous"},
		"no code":                {func(q url.Values) { q.Del("code") }, "code_missing"},
		"a code of somebody":     {func(q url.Values) { q.Set("code", "stolen") }, "code_refused"},
		"another provider's":     {func(q url.Values) { q.Set("iss", "https://evil.example.com") }, "provider_mixed_up"},
		"the provider says no":   {func(q url.Values) { q.Set("error", "access_denied") }, "provider_refused"},
		"no, and a code with it": {func(q url.Values) { q.Set("error", "x\r\ny") }, "provider_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			b := g.browser(t)
			g.goOut(t, b, "")
			q := b.back.Query()
			c.change(q)
			b.back.RawQuery = q.Encode()
			b.get(t, b.back.String())
			expectFailure(t, g.last(t).err, c.rule)
		})
	}
}

func TestACodeIsWorthNothingWithoutTheBrowsersVerifier(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	one, two := g.browser(t), g.browser(t)
	g.goOut(t, one, "")
	g.goOut(t, two, "")
	// The code of one is put into the answer of two.
	q := two.back.Query()
	q.Set("code", one.back.Query().Get("code"))
	two.back.RawQuery = q.Encode()
	two.get(t, two.back.String())
	expectFailure(t, g.last(t).err, "code_refused")
}

func TestPeopleComeBackToConfiguredOriginsOnly(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.server.URL+Prefix+"example/start", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example.com"
	answer, err := g.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	expectFailure(t, g.last(t).err, "origin_unknown")
}

func TestASignInThatWasAskedForAnewMustHaveHappenedSince(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	if got := g.signIn(t, g.browser(t), "?step_up=recent_sign_in"); got.err != nil {
		t.Fatalf("done anew: %v", got.err)
	}
	b := g.browser(t)
	g.goOut(t, b, "?step_up=recent_sign_in")
	g.pass(0)
	// The pending sign-in began after the provider's sign-in, as when the provider
	// ignores what it is asked for.
	var p pending
	p.Begun = time.Now().Add(2 * clockSkew).Unix()
	g.rewrite(t, b.back.Query().Get("state"), func(stored *pending) { stored.Begun = p.Begun })
	b.get(t, b.back.String())
	expectFailure(t, g.last(t).err, "not_signed_in_anew")
}

func TestAProviderThatIsAwayCostsItsOwnUsersTheirSignInUntilItIsBack(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.idp.SetAway(true)
	g.browser(t).get(t, g.server.URL+Prefix+"example/start")
	if err := g.last(t).err; !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	g.idp.SetAway(false)
	g.pass(retryAfter)
	b := g.browser(t)
	g.goOut(t, b, "")
	g.idp.SetAway(true)
	b.get(t, b.back.String())
	if err := g.last(t).err; !errors.Is(err, ErrUnavailable) {
		t.Errorf("away at the exchange: %v", err)
	}
	g.idp.SetAway(false)
	if got := g.signIn(t, g.browser(t), ""); got.err != nil {
		t.Errorf("back again: %v", got.err)
	}
}

func TestWithoutRedisNobodyIsSentToTheProvider(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	if err := g.redis.Close(); err != nil {
		t.Fatal(err)
	}
	g.browser(t).get(t, g.server.URL+Prefix+"example/start")
	if err := g.last(t).err; !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestABrowserKeepsAFewPendingSignIns(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.browser(t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range maxBegun + 4 {
		b.get(t, g.server.URL+Prefix+"example/start")
	}
	at, err := url.Parse(g.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(b.Jar.Cookies(at)); n != maxBegun {
		t.Errorf("%d cookies, want %d", n, maxBegun)
	}
}

func TestAnUnknownProviderIsNotFound(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	if answer := g.browser(t).get(t, g.server.URL+Prefix+"other/start"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("%s", answer.Status)
	}
}

func TestMistakesInTheSettingsAreToldTogether(t *testing.T) {
	t.Parallel()
	_, err := New(Options{
		Providers: []Settings{
			{Name: "Bad Name", Issuer: "http://idp.example.com", ClientID: "x"},
			{Name: "none", Issuer: "idp"},
			{Name: "twice", Issuer: "https://a.example.com", ClientID: "x"},
			{Name: "twice", Issuer: "https://a.example.com", ClientID: "x"},
		},
		Origins: []string{"http://app.example.com", "https://app.example.com/", "https://app.example.com"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"stands in URLs", "only https:// can be trusted", "no issuer's address", "client_id: is missing", "stands twice", `origin "http://app.example.com"`, `origin "https://app.example.com/"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not told:\n%v", part, err)
		}
	}
	if strings.Contains(err.Error(), `"https://app.example.com":`) {
		t.Errorf("a good origin is blamed: %v", err)
	}
}
