package extauthz

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/authz/assertion"
	"gatehouse/authz/session"
)

const audiencePolicy = `{
  "version": "v1", "default_policy": "open",
  "policies": {
    "open": {"session": {}},
    "members": {"session": {"require": "required"}},
    "billing": {"session": {"require": "required", "audience": "https://billing.example.com"}}
  },
  "sign_in": {}
}`

// claimsOf reads an assertion without judging it; package assertion's tests do.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func vouching(t *testing.T) *harness {
	t.Helper()
	h := newHarnessWith(t, audiencePolicy)
	issuer, err := assertion.New("gatehouse", bytes.Repeat([]byte{1}, assertion.MinSecret), h.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	h.o.Assertions = issuer
	signedIn := h.clock.Now().Add(-90*time.Second - time.Millisecond)
	h.sessions.answer = session.Session{
		ID: "5e55", User: session.User{ID: "user-1"}, Created: signedIn, AuthTime: signedIn,
		AMR: []string{"pwd"}, Roles: []string{"admin", "a,b\r\n"}, Scopes: []string{"read"},
	}
	return h
}

func TestTheUpstreamIsToldWhoseTheRequestIs(t *testing.T) {
	got := vouching(t).check(t, ask{policy: "members", headers: cookies(ours)})
	set := got.GetOkResponse().GetHeaders()
	for name, want := range map[string]string{
		"x-gatehouse-subject": "user-1", "x-gatehouse-session-age": "90", "x-gatehouse-roles": "admin,a%2Cb%0D%0A",
	} {
		if value, _ := find(set, name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
		if slices.Contains(got.GetOkResponse().GetHeadersToRemove(), name) {
			t.Errorf("%s is removed again", name)
		}
	}
	token, ok := find(set, "x-gatehouse-assertion")
	if !ok {
		t.Fatal("no assertion")
	}
	claims := claimsOf(t, token)
	if claims["sub"] != "user-1" || claims["sid"] != "5e55" || claims["scope"] != "read" {
		t.Errorf("claims %v", claims)
	}
}

func TestAnAssertionIsForThePolicysAudienceElseTheUpstream(t *testing.T) {
	for _, c := range []struct{ name, policy, upstream, want string }{
		{"the policy's own", "billing", "app", "https://billing.example.com"},
		{"the route's upstream", "members", "app", "app"},
		{"a policy chosen by rules", "members", "", "members"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := vouching(t)
			in := ask{policy: c.policy, headers: cookies(ours)}.request()
			in.Attributes.ContextExtensions["audience"] = c.upstream
			out, err := h.Check(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			token, _ := find(out.GetOkResponse().GetHeaders(), "x-gatehouse-assertion")
			if got := claimsOf(t, token)["aud"]; got != c.want {
				t.Errorf("aud %v, want %s", got, c.want)
			}
		})
	}
}

func TestNobodyIsVouchedForWithoutASession(t *testing.T) {
	got := vouching(t).check(t, ask{policy: "open", headers: map[string]string{
		"cookie": ours, "x-gatehouse-assertion": "forged", "X_Gatehouse_Roles": "admin",
	}})
	for _, name := range []string{"x-gatehouse-subject", "x-gatehouse-assertion", "x-gatehouse-roles"} {
		if value, ok := find(got.GetOkResponse().GetHeaders(), name); ok {
			t.Errorf("%s: %q", name, value)
		}
	}
	for _, name := range []string{"x-gatehouse-assertion", "x_gatehouse_roles"} {
		if !slices.Contains(got.GetOkResponse().GetHeadersToRemove(), name) {
			t.Errorf("%s from outside is sent on", name)
		}
	}
}
