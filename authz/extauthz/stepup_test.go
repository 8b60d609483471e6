package extauthz

import (
	"strings"
	"testing"
	"time"

	"gatehouse/authz/session"
)

const stepUpPolicy = `{
  "version": "v1", "default_policy": "open",
  "policies": {
    "open": {"session": {}},
    "recent": {"session": {"require": "required", "max_auth_age_seconds": 300}},
    "second": {"session": {"require": "required", "second_factor": true}},
    "key": {"session": {"require": "required", "passkey": "any"}},
    "bound": {"session": {"require": "required", "second_factor": true, "passkey": "device_bound"}},
    "clerks": {"session": {"require": "required", "roles": ["clerk", "admin"]}},
    "orders": {"session": {"require": "required", "scopes": ["orders.read", "orders.write"]}},
    "all": {"session": {"require": "required", "max_auth_age_seconds": 300, "second_factor": true, "roles": ["admin"], "scopes": ["x"]}},
    "tried": {"session": {"require": "required", "second_factor": true, "mode": "report"}}
  },
  "sign_in": {"page": "/auth/sign-in"}
}`

func TestARouteCanAskForMoreThanASession(t *testing.T) {
	for _, c := range []struct {
		name, policy string
		session      session.Session
		age          time.Duration // since the user proved who they are
		code         int
		missing      string
		challenge    string
	}{
		{"signed in a moment ago", "recent", session.Session{}, 0, 200, "", ""},
		{"at the limit", "recent", session.Session{}, 300 * time.Second, 200, "", ""},
		{"too long ago", "recent", session.Session{}, 301 * time.Second, 401, "recent_sign_in", `error="insufficient_user_authentication", max_age="300"`},
		{"a password", "second", session.Session{AMR: []string{"pwd"}}, 0, 401, "second_factor", `error="insufficient_user_authentication", acr_values="mfa"`},
		{"nothing said", "second", session.Session{}, 0, 401, "second_factor", `acr_values="mfa"`},
		{"two passwords", "second", session.Session{AMR: []string{"pwd", "pin"}}, 0, 401, "second_factor", ""},
		{"a word that proves nothing", "second", session.Session{AMR: []string{"pwd", "user"}}, 0, 401, "second_factor", ""},
		{"a password and a code", "second", session.Session{AMR: []string{"pwd", "otp"}}, 0, 200, "", ""},
		{"a key that knows its user's finger", "second", session.Session{AMR: []string{"hwk", "fpt"}}, 0, 200, "", ""},
		{"a provider that says so", "second", session.Session{AMR: []string{"mfa"}}, 0, 200, "", ""},
		{"a password and a code, where phishing must not help", "key", session.Session{AMR: []string{"pwd", "otp", "mfa"}}, 0, 401, "passkey", `error="insufficient_user_authentication", acr_values="phr"`},
		{"a passkey that is copied between devices", "key", session.Session{AMR: []string{"swk", "user", "mfa"}}, 0, 200, "", ""},
		{"one that is, where it must not be", "bound", session.Session{AMR: []string{"swk", "user", "mfa"}}, 0, 401, "device_bound_passkey", `acr_values="phrh"`},
		{"one that cannot leave its device", "bound", session.Session{AMR: []string{"hwk", "user", "mfa"}}, 0, 200, "", ""},
		{"a key alone, where two factors are asked for", "bound", session.Session{AMR: []string{"hwk"}}, 0, 401, "second_factor", ""},
		{"one of the roles", "clerks", session.Session{Roles: []string{"guest", "admin"}}, 0, 200, "", ""},
		{"none of the roles", "clerks", session.Session{Roles: []string{"guest", "Clerk", "clerk "}}, 0, 403, "role", ""},
		{"all scopes", "orders", session.Session{Scopes: []string{"orders.write", "orders.read"}}, 0, 200, "", ""},
		{"a scope too few", "orders", session.Session{Scopes: []string{"orders.read"}}, 0, 403, "scope", `error="insufficient_scope", scope="orders.read orders.write"`},
		{"what signing in cannot mend is told first", "all", session.Session{AMR: []string{"pwd"}}, time.Hour, 403, "role", ""},
		{"report lets through", "tried", session.Session{AMR: []string{"pwd"}}, 0, 200, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarnessWith(t, stepUpPolicy)
			c.session.User.ID, c.session.AuthTime = "user-1", h.clock.Now().Add(-c.age)
			h.sessions.answer = c.session
			got := h.check(t, ask{policy: c.policy, headers: cookies(ours)})
			body := got.GetDeniedResponse().GetBody()
			if got.code != c.code || c.missing != "" && !strings.Contains(body, `"missing":"`+c.missing+`"`) {
				t.Errorf("%d %s", got.code, body)
			}
			challenge, _ := find(got.GetDeniedResponse().GetHeaders(), "www-authenticate")
			if !strings.Contains(challenge, c.challenge) || c.code == 401 && !strings.HasPrefix(challenge, `Bearer realm="gatehouse"`) {
				t.Errorf("challenge %q, want %q in it", challenge, c.challenge)
			}
			if rule, _ := got.metadata["rule"].(string); c.policy == "tried" && rule != "step_up_required" {
				t.Errorf("rule %q", rule)
			}
		})
	}
}

func TestABrowserIsSentToSignInWithAPasskey(t *testing.T) {
	h := newHarnessWith(t, stepUpPolicy)
	h.sessions.answer = session.Session{User: session.User{ID: "user-1"}, AMR: []string{"pwd", "otp", "mfa"}}
	got := h.check(t, ask{policy: "key", path: "/vault", headers: map[string]string{
		"cookie": ours, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document",
	}})
	if to, _ := find(got.GetDeniedResponse().GetHeaders(), "location"); to != "/auth/sign-in?next=%2Fvault&step_up=passkey" {
		t.Errorf("%d to %q", got.code, to)
	}
	h.sessions.answer.AMR = []string{"swk", "user", "mfa"}
	got = h.check(t, ask{policy: "bound", path: "/safe", headers: map[string]string{
		"cookie": ours, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document",
	}})
	if to, _ := find(got.GetDeniedResponse().GetHeaders(), "location"); to != "/auth/sign-in?next=%2Fsafe&step_up=device_bound_passkey" {
		t.Errorf("%d to %q", got.code, to)
	}
}

func TestABrowserIsSentToWhereTheMissingFactorIsGiven(t *testing.T) {
	h := newHarnessWith(t, stepUpPolicy)
	h.sessions.answer = session.Session{User: session.User{ID: "user-1"}, AMR: []string{"pwd"}}
	got := h.check(t, ask{policy: "second", path: "/vault", headers: map[string]string{
		"cookie": ours, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document",
	}})
	if to, _ := find(got.GetDeniedResponse().GetHeaders(), "location"); to != "/auth/sign-in?next=%2Fvault&step_up=second_factor" {
		t.Errorf("%d to %q", got.code, to)
	}
}
