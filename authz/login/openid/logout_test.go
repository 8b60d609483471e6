package openid

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"gatehouse/authz/login/openid/openidtest"
)

func (g *gate) tell(t *testing.T, tokens ...string) int {
	t.Helper()
	answer, err := g.server.Client().PostForm(g.server.URL+Prefix+"example/backchannel-logout", url.Values{"logout_token": tokens})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func (g *gate) logoutClaims(id string) map[string]any {
	return map[string]any{
		"iss": g.idp.Issuer, "aud": g.idp.ClientID, "iat": time.Now().Unix(), "exp": time.Now().Add(2 * time.Minute).Unix(), "jti": id,
		"sub": "somebody", "sid": "provider-session-1", "events": map[string]any{logoutEvent: map[string]any{}},
	}
}

func (g *gate) ended() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.signedOut)
}

func TestAProvidersServerEndsItsSessions(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	token := g.idp.LogoutToken(t, g.logoutClaims("1"))
	if code := g.tell(t, token); code != http.StatusOK {
		t.Fatalf("%d", code)
	}
	if got := g.ended(); !slices.Equal(got, []string{"example somebody provider-session-1"}) {
		t.Errorf("ended %q", got)
	}
	if code := g.tell(t, token); code != http.StatusBadRequest {
		t.Errorf("a second time: %d", code)
	}
	without := g.logoutClaims("2")
	delete(without, "sid")
	delete(without, "exp")
	if code := g.tell(t, g.idp.LogoutToken(t, without)); code != http.StatusOK || len(g.ended()) != 2 {
		t.Errorf("all of a subject: %d, %q", code, g.ended())
	}
}

func TestASignOutThatWasNotCarriedOutCanBeToldAgain(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.mu.Lock()
	g.outErr = ErrUnavailable
	g.mu.Unlock()
	token := g.idp.LogoutToken(t, g.logoutClaims("1"))
	if code := g.tell(t, token); code != http.StatusServiceUnavailable {
		t.Fatalf("%d", code)
	}
	g.mu.Lock()
	g.outErr = nil
	g.mu.Unlock()
	if code := g.tell(t, token); code != http.StatusOK || len(g.ended()) != 1 {
		t.Errorf("again: %d, %q", code, g.ended())
	}
}

func TestALogoutTokenThatIsNoneEndsNothing(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	stranger := openidtest.Start(t)
	for name, token := range map[string]func() string{
		"an ID token": func() string { return g.signIn(t, g.browser(t), "").token.Extra("id_token").(string) },
		"no event": func() string {
			c := g.logoutClaims("a")
			delete(c, "events")
			return g.idp.LogoutToken(t, c)
		},
		"an event that is no object": func() string {
			c := g.logoutClaims("b")
			c["events"] = map[string]any{logoutEvent: true}
			return g.idp.LogoutToken(t, c)
		},
		"a nonce": func() string {
			c := g.logoutClaims("c")
			c["nonce"] = "n"
			return g.idp.LogoutToken(t, c)
		},
		"no jti": func() string {
			c := g.logoutClaims("")
			return g.idp.LogoutToken(t, c)
		},
		"nobody": func() string {
			c := g.logoutClaims("d")
			delete(c, "sub")
			delete(c, "sid")
			return g.idp.LogoutToken(t, c)
		},
		"old": func() string {
			c := g.logoutClaims("e")
			c["iat"] = time.Now().Add(-time.Hour).Unix()
			delete(c, "exp")
			return g.idp.LogoutToken(t, c)
		},
		"expired": func() string {
			c := g.logoutClaims("f")
			c["exp"] = time.Now().Add(-2 * time.Minute).Unix()
			return g.idp.LogoutToken(t, c)
		},
		"for another client": func() string {
			c := g.logoutClaims("g")
			c["aud"] = "other"
			return g.idp.LogoutToken(t, c)
		},
		"of another provider": func() string {
			c := g.logoutClaims("h")
			c["iss"] = stranger.Issuer
			return stranger.LogoutToken(t, c)
		},
		"signed by a stranger": func() string { return stranger.LogoutToken(t, g.logoutClaims("i")) },
		"no JWT":               func() string { return "x" },
	} {
		t.Run(name, func(t *testing.T) {
			if code := g.tell(t, token()); code != http.StatusBadRequest {
				t.Errorf("%d", code)
			}
		})
	}
	if code := g.tell(t); code != http.StatusBadRequest {
		t.Errorf("none: %d", code)
	}
	if code := g.tell(t, "a", "b"); code != http.StatusBadRequest {
		t.Errorf("two: %d", code)
	}
	if got := g.ended(); len(got) > 0 {
		t.Errorf("ended %q", got)
	}
}

func TestTheProvidersPageEndsASessionByItsNameThere(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	at := g.server.URL + Prefix + "example/frontchannel-logout?"
	for name, c := range map[string]struct {
		query url.Values
		code  int
	}{
		"both":             {url.Values{"iss": {g.idp.Issuer}, "sid": {"s"}}, http.StatusOK},
		"no session":       {url.Values{"iss": {g.idp.Issuer}}, http.StatusBadRequest},
		"an empty session": {url.Values{"iss": {g.idp.Issuer}, "sid": {""}}, http.StatusBadRequest},
		"another issuer":   {url.Values{"iss": {"https://evil.example.com"}, "sid": {"s"}}, http.StatusBadRequest},
		"two sessions":     {url.Values{"iss": {g.idp.Issuer}, "sid": {"s", "t"}}, http.StatusBadRequest},
		"nothing":          {url.Values{}, http.StatusBadRequest},
	} {
		if answer := g.browser(t).get(t, at+c.query.Encode()); answer.StatusCode != c.code {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
	if got := g.ended(); !slices.Equal(got, []string{"example  s"}) {
		t.Errorf("ended %q", got)
	}
}

func TestASessionIsFoundAfterOneOfAShorterLife(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	links := NewLinks(g.redis, g.clock)
	who := Identity{Provider: "idp", Subject: "s", SessionID: "sid"}
	for i, life := range []time.Duration{time.Hour, 10 * time.Hour, time.Minute} {
		if err := links.Enter(t.Context(), who, Ref{"u", string(rune('a' + i))}, life); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{linkKey("sub", "idp", "s"), linkKey("sid", "idp", "sid")} {
		if left, err := g.redis.TTL(t.Context(), key).Result(); err != nil || left < 9*time.Hour {
			t.Errorf("the provider's sign-out finds the longest session for %s: %v", left, err)
		}
	}
}

func TestLinksFindASessionByThePersonAndByTheProvidersSession(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	l := NewLinks(g.redis, g.clock)
	who := Identity{Provider: "example", Subject: "alice", SessionID: "p1"}
	one, two := Ref{UserID: "u", SessionID: "s1"}, Ref{UserID: "u", SessionID: "s2"}
	for ref, sid := range map[Ref]string{one: "p1", two: "p2"} {
		who.SessionID = sid
		if err := l.Enter(t.Context(), who, ref, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		provider, subject, sid string
		want                   []Ref
	}{
		{"example", "alice", "p1", []Ref{one}}, {"example", "", "p2", []Ref{two}}, {"other", "alice", "p1", nil}, {"example", "bob", "", nil},
		{"example", "alice", "", []Ref{one, two}},
	} {
		got, err := l.Find(t.Context(), c.provider, c.subject, c.sid)
		slices.SortFunc(got, func(a, b Ref) int {
			return len(a.SessionID) - len(b.SessionID) + int(a.SessionID[1]) - int(b.SessionID[1])
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	for _, key := range g.redis.Keys(t.Context(), "*").Val() {
		if g.redis.TTL(t.Context(), key).Val() <= 0 {
			t.Errorf("%s stays for ever", key)
		}
	}
	if err := g.redis.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Find(t.Context(), "example", "alice", ""); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without Redis: %v", err)
	}
}
