// Package openidtest runs a real OpenID provider, zitadel's server, for tests.
//
// It promises nothing for anything else: everybody of its example can sign in.
package openidtest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// idpStorage is the example's, with roles and a session of its own.
type idpStorage struct {
	*storage.Storage
	mu    sync.Mutex
	roles []string
}

func (s *idpStorage) add(info *zoidc.UserInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info.AppendClaims("groups", s.roles)
}

func (s *idpStorage) setRoles(roles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles = roles
}

// SetUserinfoFromRequest fills ID tokens.
func (s *idpStorage) SetUserinfoFromRequest(ctx context.Context, info *zoidc.UserInfo, token op.IDTokenRequest, scopes []string) error {
	if err := s.Storage.SetUserinfoFromRequest(ctx, info, token, scopes); err != nil {
		return err
	}
	info.AppendClaims("sid", "provider-session-1")
	return nil
}

// SetUserinfoFromToken fills the UserInfo endpoint's answers.
func (s *idpStorage) SetUserinfoFromToken(ctx context.Context, info *zoidc.UserInfo, id, subject, origin string) error {
	if err := s.Storage.SetUserinfoFromToken(ctx, info, id, subject, origin); err != nil {
		return err
	}
	s.add(info)
	return nil
}

// Provider is a real OpenID provider with a switch to take it away.
type Provider struct {
	Storage  *storage.Storage
	Issuer   string
	ClientID string // of a client whose secret is Secret

	more    *idpStorage
	mu      sync.Mutex
	away    bool
	handler http.Handler
}

// SetRoles says what the provider tells as the claim "groups" from now on.
func (p *Provider) SetRoles(roles ...string) { p.more.setRoles(roles...) }

// SetAway has the provider answer 503 to everything, or no longer.
func (p *Provider) SetAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

var clients sync.Mutex // the example keeps its clients for all servers

// Start runs a provider until the test ends. Its client may come back to redirects.
func Start(t *testing.T, redirects ...string) *Provider {
	t.Helper()
	p := &Provider{ClientID: "gatehouse-" + rand.Text()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		away, handler := p.away, p.handler
		p.mu.Unlock()
		if away {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.Issuer = server.URL + "/"
	clients.Lock()
	defer clients.Unlock()
	web := storage.WebClient(p.ClientID, Secret, redirects...)
	storage.RegisterClients(web)
	p.more = &idpStorage{Storage: storage.NewStorageWithClients(storage.NewUserStore(p.Issuer), map[string]*storage.Client{p.ClientID: web})}
	p.Storage = p.more.Storage
	handler := exampleop.SetupServer(p.Issuer, p.more, nil, false)
	p.mu.Lock()
	p.handler = handler
	p.mu.Unlock()
	return p
}

// Secret is what the provider knows its client by.
var Secret = rand.Text()

// LogoutToken is one that the provider signs.
func (p *Provider) LogoutToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	key, err := p.more.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.SignatureAlgorithm(), Key: jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()}},
		(&jose.SignerOptions{}).WithType("logout+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// SignIn is what a browser does at the provider: it is at start, which sends it
// there, and client follows redirects. It returns the last answer, of wherever
// client stops.
func (p *Provider) SignIn(t *testing.T, client *http.Client, start string) *http.Response {
	t.Helper()
	page := p.ask(t, client, http.MethodGet, start, nil)
	var err error
	_, err = io.Copy(io.Discard, page.Body)
	if err := errors.Join(err, page.Body.Close()); err != nil {
		t.Fatal(err)
	}
	request := page.Request.URL.Query().Get("authRequestID")
	if request == "" {
		t.Fatalf("no page of the provider: %s %s", page.Status, page.Request.URL)
	}
	answer := p.ask(t, client, http.MethodPost, p.Issuer+"login/username", url.Values{
		"id": {request}, "username": {"test-user@127.0.0.1"}, "password": {"verysecure"},
	})
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// ask sends a request, with a form if there is one.
func (p *Provider) ask(t *testing.T, client *http.Client, method, address string, form url.Values) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
