package e2e

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/openid/openidtest"
	"gatehouse/e2e/pack"
)

const providerConfig = `
version: 1
envoy:
  listen: ${LISTEN}
  tls: {listen: "${LISTEN_TLS}", cert_file: "${CERT}", key_file: "${KEY}"}
upstreams:
  app: {url: "${APP}"}
policies:
  members: {session: required}
  admins: {session: {require: required, roles: [admin]}}
routes:
  - {path_prefix: /members, upstream: app, policy: members}
  - {path_prefix: /admins, upstream: app, policy: admins}
`

const theProvider = `
sign_in:
  origins: ["https://${LISTEN_TLS}"]
  providers:
    - {name: example, title: Example, issuer: "ISSUER", client_id: "CLIENT", scopes: [profile, email, offline_access],
       role_claim: groups, new_users: true, refresh: 1s, max_stale: 1h}
`

// abroad is a pack whose users a real OpenID provider knows.
type abroad struct {
	*pack.Pack
	idp    *openidtest.Provider
	client *http.Client
}

func startAbroad(t *testing.T) *abroad {
	t.Helper()
	p := pack.Start(t, pack.Options{Config: providerConfig})
	a := &abroad{Pack: p, idp: openidtest.Start(t, p.TLSURL("/auth/openid/example/callback"))}
	p.ProviderSecret(t, "example", openidtest.Secret)
	p.WriteConfig(t, providerConfig+strings.NewReplacer("ISSUER", a.idp.Issuer, "CLIENT", a.idp.ClientID).Replace(theProvider))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.client = pack.HTTP1()
	a.client.Jar = jar
	t.Cleanup(a.client.CloseIdleConnections)
	a.await(t, "the button of the provider", func() bool {
		return strings.Contains(string(a.get(t, "/auth/sign-in").Body), "Sign in with Example")
	})
	return a
}

func (a *abroad) get(t *testing.T, path string, edits ...pack.Edit) pack.Response {
	t.Helper()
	here := func(r *http.Request) { r.Host = "" } // the URL's, to which people come back
	return pack.Do(t, a.client, pack.Request(t, http.MethodGet, a.TLSURL(path), nil, append(edits, here)...))
}

func (a *abroad) await(t *testing.T, what string, there func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		case <-tick.C:
		}
	}
}

// signIn follows the person's browser from the page that they wanted to the
// provider and back.
func (a *abroad) signIn(t *testing.T) pack.Response {
	t.Helper()
	asked := a.get(t, "/members/orders", pack.With("Accept", "text/html"))
	if where := asked.Header.Get("Location"); asked.Status != http.StatusFound || where != "/auth/sign-in?next=%2Fmembers%2Forders" {
		t.Fatalf("a browser is sent %d to %q", asked.Status, where)
	}
	stay := a.client.CheckRedirect
	var back *url.URL
	a.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), a.TLSURL("/auth/openid/example/callback")) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	a.idp.SignIn(t, a.client, a.TLSURL("/auth/openid/example/start?next=/members/orders"))
	a.client.CheckRedirect = stay
	if back == nil {
		t.Fatal("the provider does not send the browser back")
	}
	in := a.get(t, back.RequestURI())
	if in.Status != http.StatusSeeOther || in.Header.Get("Location") != "/members/orders" {
		t.Fatalf("%d %s", in.Status, in.Body)
	}
	return in
}

func TestAPersonSignsInAtAProviderThroughEnvoyAndRolesFollowIt(t *testing.T) {
	t.Parallel()
	a := startAbroad(t)
	a.idp.SetRoles("staff", "admin")
	a.signIn(t)
	seen := a.get(t, "/admins/x").Seen(t)
	if roles := seen.Header.Get("X-Gatehouse-Roles"); roles != "staff,admin" {
		t.Errorf("roles %q", roles)
	}
	a.idp.SetRoles("staff")
	a.await(t, "the end of a role", func() bool { return a.get(t, "/admins/x").Status == http.StatusForbidden })
	expectStatus(t, a.get(t, "/members/x"), http.StatusOK)
	a.idp.SetRoles("admin")
	a.await(t, "a new role", func() bool { return a.get(t, "/admins/x").Status == http.StatusOK })
}

func TestSigningOutAtTheProviderEndsTheSessionAtEnvoyAtOnce(t *testing.T) {
	t.Parallel()
	a := startAbroad(t)
	a.signIn(t)
	expectStatus(t, a.get(t, "/members/x"), http.StatusOK)
	now := time.Now()
	token := a.idp.LogoutToken(t, map[string]any{
		"iss": a.idp.Issuer, "aud": a.idp.ClientID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": pack.NewMark(),
		"sid": "provider-session-1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
	c := pack.HTTP1() // the provider's server, which is no browser
	defer c.CloseIdleConnections()
	out := pack.Do(t, c, pack.Request(t, http.MethodPost, a.TLSURL("/auth/openid/example/backchannel-logout"),
		strings.NewReader(url.Values{"logout_token": {token}}.Encode()), pack.With("Content-Type", "application/x-www-form-urlencoded")))
	expectStatus(t, out, http.StatusOK)
	expectStatus(t, a.get(t, "/members/x"), http.StatusUnauthorized)
	a.AwaitEvent(t, "the end of the session", func(e event.Event) bool {
		return e.Type == event.SessionRevoked && e.Reason == "signed out at the provider example"
	})
	rules := []string{}
	for _, e := range a.Events(t) {
		if e.Type == event.AuthenticationAttempt {
			rules = append(rules, e.Rule)
		}
	}
	if !slices.Contains(rules, "openid") {
		t.Errorf("sign-ins %q", rules)
	}

	// The same by a frame of the provider's page, where a browser sends no cookie.
	a.signIn(t)
	expectStatus(t, a.get(t, "/members/x"), http.StatusOK)
	frame := func(issuer string) pack.Response {
		query := url.Values{"iss": {issuer}, "sid": {"provider-session-1"}}.Encode()
		return pack.Do(t, c, pack.Request(t, http.MethodGet, a.TLSURL("/auth/openid/example/frontchannel-logout?"+query), nil,
			pack.With("Sec-Fetch-Site", "cross-site"), pack.With("Sec-Fetch-Mode", "navigate"), pack.With("Sec-Fetch-Dest", "iframe"), pack.With("Referer", issuer+"/")))
	}
	expectStatus(t, frame("https://evil.example.com"), http.StatusBadRequest)
	expectStatus(t, a.get(t, "/members/x"), http.StatusOK)
	if out := frame(a.idp.Issuer); out.Status != http.StatusOK || !strings.Contains(out.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("%d %v", out.Status, out.Header)
	}
	expectStatus(t, a.get(t, "/members/x"), http.StatusUnauthorized)
}
