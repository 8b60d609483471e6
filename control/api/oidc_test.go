package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"gatehouse/authz/event"
)

const (
	oidcClient   = "gatehouse-console"
	oidcRedirect = "http://127.0.0.1:1/callback"
)

// idp is a real OpenID provider, with a switch to take it away.
type idp struct {
	t       *testing.T
	server  *httptest.Server
	issuer  string
	mu      sync.Mutex
	handler http.Handler
	away    bool
	asked   int
}

// registerClient is done once: the example keeps its clients for all servers.
var registerClient = sync.OnceFunc(func() {
	storage.RegisterClients(storage.WebClient(oidcClient, "secret", oidcRedirect))
})

func newIDP(t *testing.T) *idp {
	t.Helper()
	p := &idp{t: t}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		handler, away := p.handler, p.away
		p.asked++
		p.mu.Unlock()
		if away {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	p.issuer = p.server.URL + "/"
	registerClient()
	handler := exampleop.SetupServer(p.issuer, storage.NewStorage(storage.NewUserStore(p.issuer)), nil, false)
	p.mu.Lock()
	p.handler = handler
	p.mu.Unlock()
	return p
}

// count is how often it was asked so far.
func (p *idp) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *idp) set(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// token signs the example's user in, as a browser would, and returns the ID
// token (authorization code flow, OpenID Connect Core 1.0 section 3.1).
func (p *idp) token(scopes ...string) string {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	var code string
	done := errors.New("at the redirect URI")
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), oidcRedirect) {
			code = r.URL.Query().Get("code")
			return done
		}
		return nil
	}}
	page, err := browser.Get(p.issuer + "auth?" + url.Values{
		"client_id": {oidcClient}, "redirect_uri": {oidcRedirect}, "response_type": {"code"}, "scope": {strings.Join(append(scopes, "openid"), " ")}, "state": {"s"},
	}.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := io.ReadAll(page.Body)
	if err = errors.Join(err, page.Body.Close()); err != nil {
		p.t.Fatal(err)
	}
	request := page.Request.URL.Query().Get("authRequestID")
	if request == "" {
		p.t.Fatalf("no login page: %s: %s", page.Request.URL, text)
	}
	answer, err := browser.PostForm(p.issuer+"login/username", url.Values{"id": {request}, "username": {"test-user@127.0.0.1"}, "password": {"verysecure"}})
	if err == nil {
		_ = answer.Body.Close()
	}
	if !errors.Is(err, done) || code == "" {
		p.t.Fatalf("no code: %v", err)
	}
	exchange, err := http.NewRequest(http.MethodPost, p.issuer+"oauth/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {oidcRedirect},
	}.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	exchange.SetBasicAuth(oidcClient, "secret")
	exchange.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if answer, err = browser.Do(exchange); err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var tokens struct {
		IDToken string `json:"id_token"`
	}
	text, err = io.ReadAll(answer.Body)
	if err != nil || json.Unmarshal(text, &tokens) != nil || tokens.IDToken == "" {
		p.t.Fatalf("no tokens: %v %s", err, text)
	}
	return tokens.IDToken
}

func (p *idp) settings() OIDCSettings {
	return OIDCSettings{Issuer: p.issuer, Audience: oidcClient, RoleClaim: storage.CustomClaim + ".client", Roles: map[string]Role{oidcClient: DPO}}
}

func TestAPersonOfAnotherProviderIsWhomItSaysWithTheRoleThatIsMapped(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	g := newRig(t, func(o *Options) { o.Now = time.Now })
	use := func(change func(*OIDCSettings)) {
		t.Helper()
		s := p.settings()
		change(&s)
		if err := g.server.Configure(Settings{OIDC: &s}); err != nil {
			t.Fatal(err)
		}
	}
	me := func(token string) answer {
		t.Helper()
		return g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token)
	}
	token := p.token(storage.CustomScope)
	use(func(*OIDCSettings) {})
	var who Me
	if err := json.Unmarshal(me(token).want(http.StatusOK).Body.Bytes(), &who); err != nil || who.Role != DPO || !who.Person || who.AuthTime.IsZero() {
		t.Errorf("%+v %v", who, err)
	}
	if e := g.events.last(event.OperatorAction); !strings.HasPrefix(e.Subject, "u:") || e.Detail["method"] != byOIDC || e.Detail["caller"] != "" {
		t.Errorf("%+v", e)
	}

	// Nobody whom the provider gives no role, or whose token is not for us.
	me(p.token()).problem(http.StatusForbidden)
	parts := strings.Split(token, ".")
	for name, forged := range map[string]string{
		"another signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"no signature":      "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"another content":   parts[0] + ".e30." + parts[2],
		"no JWT at all":     "a.b.c",
	} {
		if a := me(forged); a.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	use(func(s *OIDCSettings) { s.Audience = "another" })
	me(token).problem(http.StatusUnauthorized)
	use(func(s *OIDCSettings) { s.Roles = map[string]Role{"others": Admin} })
	me(token).problem(http.StatusForbidden)
}

func TestATokenThatHasExpiredIsNobody(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	ahead := &clock{at: time.Now()}
	g := newRig(t, func(o *Options) { o.Now = ahead.now })
	s := p.settings()
	if err := g.server.Configure(Settings{OIDC: &s}); err != nil {
		t.Fatal(err)
	}
	token := p.token(storage.CustomScope)
	g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token).want(http.StatusOK)
	ahead.advance(48 * time.Hour)
	g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token).problem(http.StatusUnauthorized)
}

func TestAProviderThatIsAwayIsNoWrongToken(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	ahead := &clock{at: time.Now()}
	g := newRig(t, func(o *Options) { o.Now = ahead.now })
	s := p.settings()
	if err := g.server.Configure(Settings{OIDC: &s}); err != nil {
		t.Fatal(err)
	}
	token := p.token(storage.CustomScope)
	p.set(true)
	before := p.count()
	for range 5 {
		g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token).problem(http.StatusServiceUnavailable)
	}
	if asked := p.count() - before; asked != 1 {
		t.Errorf("a provider that is away was asked %d times", asked)
	}
	p.set(false)
	ahead.advance(2 * retryAfter)
	g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token).want(http.StatusOK)
}

func TestARoleIsFoundInEveryFormOfClaim(t *testing.T) {
	t.Parallel()
	roles := map[string]Role{"admins": Admin, "privacy": DPO, "readers": Auditor}
	for _, c := range []struct {
		claims, path string
		want         Role
	}{
		{`{"role":"privacy"}`, "role", DPO},
		{`{"groups":["readers","admins","x",7]}`, "groups", Admin},
		{`{"realm_access":{"roles":["readers"]}}`, "realm_access.roles", Auditor},
		{`{"urn:zitadel:iam:org:project:roles":{"privacy":{"1":"example"}}}`, "urn:zitadel:iam:org:project:roles", DPO},
		{`{"a.b":"readers","a":{"b":"admins"}}`, "a.b", Auditor},
		{`{"groups":[]}`, "groups", ""},
		{`{"groups":null}`, "groups", ""},
		{`{"groups":"Admins"}`, "groups", ""},
		{`{"groups":{"x":1}}`, "groups.x.y", ""},
		{`{}`, "groups", ""},
	} {
		var claims map[string]any
		if err := json.Unmarshal([]byte(c.claims), &claims); err != nil {
			t.Fatal(err)
		}
		p := &provider{settings: OIDCSettings{RoleClaim: c.path, Roles: roles}}
		if got := p.role(claims); got != c.want {
			t.Errorf("%s at %s: %q, want %q", c.claims, c.path, got, c.want)
		}
	}
}

func TestADocumentOfAProviderIsBounded(t *testing.T) {
	t.Parallel()
	b := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", maxKeys+10))), left: maxKeys}
	text, err := io.ReadAll(b)
	if !errors.Is(err, errTooLarge) || len(text) != maxKeys {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if !isUnavailable(fmt.Errorf("wrapped: %w", errTooLarge)) || isUnavailable(errors.New("bad signature")) {
		t.Error("unavailable and wrong are mixed up")
	}
	if slices.Contains(texts(7), "7") {
		t.Error("a number is a role")
	}
}
