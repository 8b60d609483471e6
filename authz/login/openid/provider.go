package openid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// discoverWithin bounds one question to a provider.
	discoverWithin = 5 * time.Second
	// retryAfter is how long a provider that failed is left alone.
	retryAfter = 5 * time.Second
	// maxAnswer bounds a document of a provider, in bytes.
	maxAnswer = 1 << 20
)

// Settings of one provider.
type Settings struct {
	// Name stands in URLs: 1 to 32 of a-z, 0-9 and "-".
	Name string
	// Title is shown to people: "Sign in with TITLE".
	Title string
	// Issuer is https://, or http:// on loopback; its discovery document says all
	// else (OpenID Connect Discovery 1.0 section 4).
	Issuer   string
	ClientID string
	// ClientSecret is asked for at each use, so that it can be replaced while
	// authz runs. Nil is a public client: PKCE alone.
	ClientSecret func() string
	// Scopes besides openid.
	Scopes []string
	// RoleClaim names the claim with the person's roles, a text or a list;
	// realm_access.roles leads into a mapping. Empty takes none.
	RoleClaim string
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Flaw is something wrong with Settings.
type Flaw struct{ Field, What, Fix string }

// Error implements error.
func (f *Flaw) Error() string { return f.Field + ": " + f.What + ": " + f.Fix }

// Flaws are all that is wrong with s.
func (s Settings) Flaws() []error {
	var errs []error
	fail := func(field, what, fix string) { errs = append(errs, &Flaw{Field: field, What: what, Fix: fix}) }
	if !nameForm.MatchString(s.Name) {
		fail("name", fmt.Sprintf("is %.40q, and stands in URLs", s.Name), "write 1 to 32 of a-z, 0-9 and -")
	}
	u, err := url.Parse(s.Issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		fail("issuer", fmt.Sprintf("is %.60q, which is no issuer's address", s.Issuer), "write https://host/path, as its discovery document does")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		fail("issuer", fmt.Sprintf("is %.60q, and only https:// can be trusted", s.Issuer), "write https://; http:// is for loopback")
	}
	if s.ClientID == "" {
		fail("client_id", "is missing", "register Gatehouse at the provider, and write the id that it gets")
	}
	return errs
}

// GoodOrigin says whether people can come back to origin: https://, or http:// on
// loopback, written as browsers do.
func GoodOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && origin == u.Scheme+"://"+u.Host && origin == strings.ToLower(origin) &&
		(u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()))
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// provider asks for the discovery document when it is first needed, so that
// authz starts without it.
type provider struct {
	Settings
	now    func() time.Time
	client *http.Client

	mu     sync.Mutex
	found  *discovered
	failed time.Time
	err    error
}

// discovered is what a provider said of itself.
type discovered struct {
	document *oidc.Provider
	verifier *oidc.IDTokenVerifier // of ID tokens
	logout   *oidc.IDTokenVerifier // of logout tokens, which need not expire
	endpoint oauth2.Endpoint
	// issParameter: its answers name it (RFC 9207 section 3).
	issParameter bool
	acrValues    []string
}

func (p *provider) ready(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if p.err != nil && p.now().Sub(p.failed) < retryAfter {
		return nil, p.err
	}
	found, err := p.discover(ctx)
	if err != nil {
		p.failed, p.err = p.now(), fmt.Errorf("%w: provider %s: %w", ErrUnavailable, p.Name, err)
		return nil, p.err
	}
	p.found, p.err = found, nil
	return found, nil
}

func (p *provider) discover(ctx context.Context) (*discovered, error) {
	// The keys are fetched later by the client in this context, which must not
	// end with the request.
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.WithoutCancel(ctx), p.client), discoverWithin)
	defer cancel()
	document, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("its discovery document: %w", err)
	}
	var more struct {
		Algorithms   []string `json:"id_token_signing_alg_values_supported"`
		IssParameter bool     `json:"authorization_response_iss_parameter_supported"`
		ACR          []string `json:"acr_values_supported"`
	}
	if err := document.Claims(&more); err != nil {
		return nil, fmt.Errorf("its discovery document: %w", err)
	}
	algorithms := asymmetric(more.Algorithms)
	if len(algorithms) == 0 {
		return nil, errors.New("it signs ID tokens with no algorithm that is accepted here")
	}
	keys := oidc.ClientContext(context.Background(), p.client)
	config := oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: algorithms, Now: p.now}
	logout := config
	logout.SkipExpiryCheck = true
	return &discovered{
		document: document, verifier: document.VerifierContext(keys, &config), logout: document.VerifierContext(keys, &logout),
		endpoint: document.Endpoint(), issParameter: more.IssParameter, acrValues: more.ACR,
	}, nil
}

// asymmetric leaves out "none" and the HMACs, whose key the client's secret would be.
func asymmetric(supported []string) []string {
	accepted := []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
	}
	if len(supported) == 0 {
		supported = []string{oidc.RS256} // what must be supported (Discovery section 3)
	}
	return slices.DeleteFunc(accepted, func(alg string) bool { return !slices.Contains(supported, alg) })
}

// oauth is the client as the provider knows it.
func (p *provider) oauth(d *discovered, origin string) *oauth2.Config {
	c := &oauth2.Config{
		ClientID: p.ClientID, Endpoint: d.endpoint, RedirectURL: origin + p.path("callback"),
		Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...),
	}
	if p.ClientSecret != nil {
		c.ClientSecret = p.ClientSecret()
	}
	return c
}

// path is one of the provider's own here.
func (p *provider) path(last string) string { return Prefix + p.Name + "/" + last }

// bounded cuts what a provider answers.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	}
	return response, err
}

// claim finds a claim by its name, else by a path of names.
func claim(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	first, rest, ok := strings.Cut(name, ".")
	if inner, is := claims[first].(map[string]any); ok && is {
		return claim(inner, rest)
	}
	return nil
}
