package assertion

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// clock is a time that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 26, 23, 59, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var secretBytes = bytes.Repeat([]byte{7}, MinSecret)

func issuer(t *testing.T, secret []byte, c *clock) *Issuer {
	t.Helper()
	i, err := New("https://app.example.com", secret, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func signedBy(t *testing.T, i *Issuer, c Claims) string {
	t.Helper()
	token, err := i.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// verify judges a token as an upstream does, with somebody else's library.
func verify(t *testing.T, jwks http.Handler, c *clock, audience, token string) (*oidc.IDToken, error) {
	t.Helper()
	server := httptest.NewServer(jwks)
	defer server.Close()
	verifier := oidc.NewVerifier("https://app.example.com", oidc.NewRemoteKeySet(t.Context(), server.URL),
		&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{oidc.ES256}, Now: c.Now})
	return verifier.Verify(t.Context(), token)
}

func alice() Claims {
	return Claims{
		Subject: "alice", SessionID: "s1", Audience: "app", AuthTime: time.Unix(1_790_000_000, 0),
		AMR: []string{"pwd", "otp"}, Roles: []string{"admin"}, Scopes: []string{"read", "write"},
	}
}

func TestAnUpstreamVerifiesTheAssertionWithItsOwnLibrary(t *testing.T) {
	t.Parallel()
	c := newClock()
	i := issuer(t, secretBytes, c)
	token, err := verify(t, i.JWKS(), c, "app", signedBy(t, i, alice()))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := token.Claims(&got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": "https://app.example.com", "sub": "alice", "aud": "app", "sid": "s1", "scope": "read write",
		"auth_time": 1.79e9, "iat": float64(c.Now().Unix()), "exp": float64(c.Now().Add(Lifetime).Unix()),
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	if text, _ := json.Marshal([]any{got["amr"], got["roles"]}); string(text) != `[["pwd","otp"],["admin"]]` {
		t.Errorf("amr and roles are %s", text)
	}
}

func TestAnAssertionIsForOneAudienceAndAMinute(t *testing.T) {
	t.Parallel()
	c := newClock()
	i := issuer(t, secretBytes, c)
	token := signedBy(t, i, alice())
	if _, err := verify(t, i.JWKS(), c, "billing", token); err == nil {
		t.Error("another audience accepts it")
	}
	c.add(Lifetime + time.Second)
	if _, err := verify(t, i.JWKS(), c, "app", token); err == nil {
		t.Error("it is accepted after its end")
	}
}

func TestReplicasWithOneSecretHaveTheSameKeysAndOthersHaveNot(t *testing.T) {
	t.Parallel()
	c := newClock()
	one, two := issuer(t, secretBytes, c), issuer(t, secretBytes, c)
	stranger := issuer(t, bytes.Repeat([]byte{8}, MinSecret), c)
	if _, err := verify(t, two.JWKS(), c, "app", signedBy(t, one, alice())); err != nil {
		t.Errorf("a replica's assertion is refused by the other's keys: %v", err)
	}
	if _, err := verify(t, one.JWKS(), c, "app", signedBy(t, stranger, alice())); err == nil {
		t.Error("an assertion under another secret is accepted")
	}
}

// kept serves what the handler said once, as a cache does.
func kept(handler http.Handler) http.Handler {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, JWKSPath, nil))
	body := w.Body.Bytes()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(body)
	})
}

func TestKeysRotateAndADayOldSetStillVerifies(t *testing.T) {
	t.Parallel()
	c := newClock()
	i := issuer(t, secretBytes, c)
	old, before := kept(i.JWKS()), signedBy(t, i, alice())
	c.add(2 * time.Minute) // over midnight
	after := signedBy(t, i, alice())
	if header(t, before) == header(t, after) {
		t.Fatal("the key is the same after midnight")
	}
	if _, err := verify(t, old, c, "app", after); err != nil {
		t.Errorf("the set fetched before the rotation does not verify: %v", err)
	}
	c.add(-90 * time.Second)
	if _, err := verify(t, i.JWKS(), c, "app", before); err != nil {
		t.Errorf("an assertion from before the rotation is refused within its minute: %v", err)
	}
	c.add(48 * time.Hour)
	if _, err := verify(t, old, c, "app", signedBy(t, i, alice())); err == nil {
		t.Error("a set of the day before yesterday verifies today's")
	}
}

func header(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Header.KeyID
}

func TestEqualClaimsShareAnAssertionForHalfItsLifeAndOthersNever(t *testing.T) {
	t.Parallel()
	c := newClock()
	i := issuer(t, secretBytes, c)
	first := signedBy(t, i, alice())
	if signedBy(t, i, alice()) != first {
		t.Error("it was signed twice within a moment")
	}
	for name, change := range map[string]func(*Claims){
		"subject":  func(c *Claims) { c.Subject = "bob" },
		"session":  func(c *Claims) { c.SessionID = "s2" },
		"audience": func(c *Claims) { c.Audience = "billing" },
		"age":      func(c *Claims) { c.AuthTime = c.AuthTime.Add(time.Second) },
		"factors":  func(c *Claims) { c.AMR = []string{"pwd"} },
		"roles":    func(c *Claims) { c.Roles = nil },
		"a role cut elsewhere": func(c *Claims) {
			c.Roles, c.Scopes = []string{"admin", "read"}, []string{"write"}
		},
	} {
		other := alice()
		change(&other)
		if signedBy(t, i, other) == first {
			t.Errorf("another %s gets the same assertion", name)
		}
	}
	c.add(Lifetime/2 + time.Second)
	if signedBy(t, i, alice()) == first {
		t.Error("it is handed out in the second half of its life")
	}
}

func TestAClockThatIsSetBackHandsOutNothingFromTheFuture(t *testing.T) {
	t.Parallel()
	c := newClock()
	i := issuer(t, secretBytes, c)
	first := signedBy(t, i, alice())
	c.add(-time.Hour)
	if signedBy(t, i, alice()) == first {
		t.Error("an assertion of a later hour was handed out")
	}
}

func TestTheSetTellsNoPrivateKey(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	issuer(t, secretBytes, newClock()).JWKS().ServeHTTP(w, httptest.NewRequest(http.MethodGet, JWKSPath, nil))
	body, _ := io.ReadAll(w.Result().Body)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 3 {
		t.Errorf("%d keys, want yesterday's, today's and tomorrow's", len(set.Keys))
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Algorithm != "ES256" || k.Use != "sig" || k.KeyID == "" {
			t.Errorf("key %s: public %t, alg %s, use %s", k.KeyID, k.IsPublic(), k.Algorithm, k.Use)
		}
	}
	if w.Header().Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("content type %q", w.Header().Get("Content-Type"))
	}
}

func TestWhatAnIssuerCannotWorkWithIsSaid(t *testing.T) {
	t.Parallel()
	if _, err := New("x", make([]byte, MinSecret-1), time.Now); err == nil || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("a short secret: %v", err)
	}
	if _, err := New("", secretBytes, time.Now); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("no name: %v", err)
	}
}

func BenchmarkSign(b *testing.B) {
	i, err := New("https://app.example.com", secretBytes, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := i.Sign(alice()); err != nil {
			b.Fatal(err)
		}
	}
}
