package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	discoverWithin = 5 * time.Second
	// retryAfter is how long a provider that failed is left alone.
	retryAfter = 5 * time.Second
	maxKeys    = 1 << 20 // of a document of the provider, in bytes
	maxSubject = 200
)

// OIDCSettings say whose JWTs are taken as bearer tokens (OpenID Connect Core
// 1.0 section 3.1.3.7; RFC 9068).
type OIDCSettings struct {
	Issuer   string // https://, or http:// on loopback; its discovery document says where its keys are
	Audience string // must be in aud
	// RoleClaim names the claim with the caller's roles: a text, a list, or a
	// mapping whose keys they are; realm_access.roles leads into a mapping.
	RoleClaim string
	// Roles maps the provider's names to ours. A caller with none of them may
	// nothing.
	Roles map[string]Role
}

// provider checks JWTs of one issuer. It asks the issuer for its keys when the
// first JWT comes, so that control starts without it.
type provider struct {
	settings OIDCSettings
	now      func() time.Time
	client   *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	failed   time.Time
	err      error
}

func newProvider(o OIDCSettings, now func() time.Time) (*provider, error) {
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return nil, errors.New("OIDC issuer: write https://host/path")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, errors.New("OIDC issuer: only https:// can be trusted; http:// is for loopback")
	case o.Audience == "" || o.RoleClaim == "" || len(o.Roles) == 0:
		return nil, errors.New("OIDC: audience, role_claim and roles are needed: without them any user of the issuer would be a caller")
	}
	for from, to := range o.Roles {
		if !to.Valid() {
			return nil, fmt.Errorf("OIDC role %q: %q is no role", from, to)
		}
	}
	return &provider{settings: o, now: now, client: &http.Client{Timeout: discoverWithin, Transport: bounded{http.DefaultTransport}}}, nil
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// caller is whom a JWT names.
func (p *provider) caller(ctx context.Context, jwt string) (Caller, error) {
	verifier, err := p.ready(ctx)
	if err != nil {
		return Caller{}, err
	}
	// The verifier fetches the provider's keys through the client that it was
	// made with.
	token, err := verifier.Verify(ctx, jwt)
	if err != nil {
		if isUnavailable(err) {
			return Caller{}, fmt.Errorf("%w: %w", errUnavailable, err)
		}
		return Caller{}, denial{"jwt"}
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil || token.Subject == "" || len(token.Subject) > maxSubject {
		return Caller{}, denial{"jwt_claims"}
	}
	role := p.role(claims)
	if role == "" {
		return Caller{}, forbidden("your account has no role here")
	}
	c := Caller{Name: displayName(claims, token.Subject), Role: role, SubjectID: "oidc:" + token.Subject, method: byOIDC}
	if at, ok := claims["auth_time"].(float64); ok && at > 0 {
		c.AuthTime = time.Unix(int64(at), 0)
	}
	return c, nil
}

func displayName(claims map[string]any, otherwise string) string {
	for _, claim := range []string{"preferred_username", "name"} {
		if text, ok := claims[claim].(string); ok && text != "" && len(text) <= maxSubject {
			return text
		}
	}
	return otherwise
}

func (p *provider) role(claims map[string]any) Role {
	var names []string
	for _, theirs := range texts(lookUp(claims, p.settings.RoleClaim)) {
		if ours, ok := p.settings.Roles[theirs]; ok {
			names = append(names, string(ours))
		}
	}
	return highest(names)
}

// lookUp finds a claim by its name, else by a path of names.
func lookUp(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	name, rest, more := strings.Cut(path, ".")
	inner, ok := claims[name].(map[string]any)
	if !more || !ok {
		return nil
	}
	return lookUp(inner, rest)
}

func texts(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			if text, ok := item.(string); ok {
				out = append(out, text)
			}
		}
	case map[string]any:
		for name := range v {
			out = append(out, name)
		}
	}
	return out
}

// ready asks the issuer who it is, once; after a failure not at once again.
func (p *provider) ready(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.verifier != nil {
		return p.verifier, nil
	}
	if p.err != nil && p.now().Sub(p.failed) < retryAfter {
		return nil, p.err
	}
	// The keys are fetched later under this context: it must not end with the
	// call, and the client has a time-out of its own.
	own := oidc.ClientContext(context.WithoutCancel(ctx), p.client)
	issuer, err := oidc.NewProvider(own, p.settings.Issuer)
	if err != nil {
		p.failed, p.err = p.now(), fmt.Errorf("%w: ask the OIDC issuer %s: %w", errUnavailable, p.settings.Issuer, err)
		return nil, p.err
	}
	p.verifier = issuer.VerifierContext(own, &oidc.Config{
		ClientID: p.settings.Audience, Now: p.now,
		// Never "none", and nothing symmetric: the audience knows no secret.
		SupportedSigningAlgs: []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA},
	})
	p.err = nil
	return p.verifier, nil
}

// isUnavailable tells a provider that could not be asked from a token that is
// wrong.
func isUnavailable(err error) bool {
	var network *url.Error
	return errors.As(err, &network) || errors.Is(err, errTooLarge) || strings.Contains(err.Error(), "fetching keys")
}

var errTooLarge = errors.New("the OIDC issuer's document is too large")

// bounded reads no more of an answer than a document of a provider has.
type bounded struct{ inner http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.inner.RoundTrip(r)
	if err == nil {
		answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxKeys}
	}
	return answer, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
