package assertion

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Lifetime is how long an assertion is good; a copy is handed out again until
// half of it is over.
const Lifetime = time.Minute

// maxKept bounds the assertions that are handed out again; each takes about a
// kilobyte.
const maxKept = 8192

// JWKSPath is where authz serves the JWK Set.
const JWKSPath = "/auth/jwks.json"

// Claims are what is vouched for.
type Claims struct {
	Subject   string    // the user's id
	SessionID string    // "sid"; does not open the session
	Audience  string    // who is to believe it
	AuthTime  time.Time // when the user last proved who they are
	AMR       []string  // how (RFC 8176)
	Roles     []string
	Scopes    []string
}

// Issuer signs assertions; it is safe for concurrent use.
type Issuer struct {
	name   string
	secret []byte
	now    func() time.Time

	mu   sync.Mutex // held while keys are derived
	keys atomic.Pointer[keySet]
	kept *lru.Cache[string, signed]
}

// signed is an assertion with the time until which it is handed out again.
type signed struct {
	token string
	until time.Time
}

// New makes an Issuer that calls itself name ("iss"). The secret has at least
// MinSecret bytes, and is the same for all replicas.
func New(name string, secret []byte, now func() time.Time) (*Issuer, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the assertion key has %d bytes: give it at least %d, such as the output of: openssl rand -hex 32",
			len(secret), MinSecret)
	}
	if name == "" {
		return nil, errors.New("the issuer of assertions has no name: give it one, such as https://app.example.com")
	}
	kept, err := lru.New[string, signed](maxKept)
	if err != nil {
		return nil, fmt.Errorf("make room for assertions: %w", err)
	}
	i := &Issuer{name: name, secret: slices.Clone(secret), now: now, kept: kept}
	if _, err := i.current(now()); err != nil {
		return nil, err
	}
	return i, nil
}

// current are the keys of now; they are derived once a period.
func (i *Issuer) current(now time.Time) (*keySet, error) {
	n := periodOf(now)
	if set := i.keys.Load(); set != nil && set.period == n {
		return set, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if set := i.keys.Load(); set != nil && set.period == n {
		return set, nil
	}
	set, err := newKeySet(i.secret, n)
	if err != nil {
		return nil, err
	}
	i.keys.Store(set)
	return set, nil
}

// Sign vouches for c: a compact JWS. Equal claims get the same assertion until
// half its life is over.
func (i *Issuer) Sign(c Claims) (string, error) {
	now := i.now()
	id := c.identity()
	if s, ok := i.kept.Get(id); ok && now.Before(s.until) && s.until.Sub(now) <= Lifetime/2 {
		return s.token, nil
	}
	set, err := i.current(now)
	if err != nil {
		return "", err
	}
	token, err := jwt.Signed(set.signer).Claims(i.claims(c, now)).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign an assertion: %w", err)
	}
	i.kept.Add(id, signed{token: token, until: now.Add(Lifetime / 2)})
	return token, nil
}

// wire are the claims as they stand in the JWT. Scopes are one string (RFC 8693
// section 4.2), roles a list (RFC 9068 section 2.2.3.1).
type wire struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  string           `json:"aud"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	Expiry    *jwt.NumericDate `json:"exp"`
	SessionID string           `json:"sid,omitempty"`
	AuthTime  *jwt.NumericDate `json:"auth_time,omitempty"`
	AMR       []string         `json:"amr,omitempty"`
	Roles     []string         `json:"roles,omitempty"`
	Scope     string           `json:"scope,omitempty"`
}

func (i *Issuer) claims(c Claims, now time.Time) wire {
	w := wire{
		Issuer: i.name, Subject: c.Subject, Audience: c.Audience, SessionID: c.SessionID,
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(Lifetime)),
		AMR: c.AMR, Roles: c.Roles, Scope: strings.Join(c.Scopes, " "),
	}
	if !c.AuthTime.IsZero() {
		w.AuthTime = jwt.NewNumericDate(c.AuthTime)
	}
	return w
}

// identity tells claims apart: every part is preceded by its length, so that no
// two differ only by where one part ends.
func (c Claims) identity() string {
	b := make([]byte, 0, 192)
	part := func(s string) {
		b = append(strconv.AppendInt(b, int64(len(s)), 10), ':')
		b = append(b, s...)
	}
	part(c.Subject)
	part(c.SessionID)
	part(c.Audience)
	b = append(strconv.AppendInt(b, c.AuthTime.Unix(), 10), ',')
	for _, list := range [...][]string{c.AMR, c.Roles, c.Scopes} {
		b = append(strconv.AppendInt(b, int64(len(list)), 10), ';')
		for _, s := range list {
			part(s)
		}
	}
	return string(b)
}

// JWKS serves the JWK Set. It may be kept for an hour; every key in it is
// announced a day before it signs.
func (i *Issuer) JWKS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		set, err := i.current(i.now())
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(set.jwks) // the caller has gone: nobody to tell
	})
}

// thumbprint is a key's name (RFC 7638).
func thumbprint(k jose.JSONWebKey) (string, error) {
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name the key that signs assertions: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
