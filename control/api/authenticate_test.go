package api

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

func TestATokenIsReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	g.as(DPO, "GET", "/v1/me", "").want(http.StatusOK)
	path := filepath.Join(g.dir, "dpo.token")
	const other = "another-token-of-the-dpo-987654321"
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	g.clock.advance(2 * refreshEvery)
	g.as(DPO, "GET", "/v1/me", "").problem(http.StatusUnauthorized)
	g.call("GET", "/v1/me", "", "Authorization", "bearer  "+other).want(http.StatusOK)
}

func TestATokenWhoseFileIsNotRightOpensNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	path := filepath.Join(g.dir, "dpo.token")
	for name, spoil := range map[string]func() error{
		"gone":                  func() error { return os.Remove(path) },
		"empty":                 func() error { return os.WriteFile(path, nil, 0o600) },
		"short":                 func() error { return os.WriteFile(path, []byte("short"), 0o600) },
		"readable by everybody": func() error { return os.Chmod(path, 0o644) },
	} {
		if err := os.WriteFile(path, []byte(g.tokens[DPO]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		g.clock.advance(2 * refreshEvery)
		g.as(DPO, "GET", "/v1/me", "").want(http.StatusOK)
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		g.clock.advance(2 * refreshEvery)
		if a := g.as(DPO, "GET", "/v1/me", ""); a.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.Code)
		}
		if a := g.call("GET", "/v1/me", "", "Authorization", "Bearer short"); a.Code != http.StatusUnauthorized {
			t.Errorf("%s: a short token: %d", name, a.Code)
		}
		g.as(Admin, "GET", "/v1/me", "").want(http.StatusOK)
	}
	if !strings.Contains(g.log.String(), "opens nothing") || strings.Contains(g.log.String(), g.tokens[DPO]) {
		t.Errorf("log: %s", g.log)
	}
}

func TestWrongSettingsChangeNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	good := OIDCSettings{Issuer: "https://id.example.com", Audience: "a", RoleClaim: "r", Roles: map[string]Role{"x": DPO}}
	with := func(change func(*OIDCSettings)) *OIDCSettings {
		o := good
		change(&o)
		return &o
	}
	for name, s := range map[string]Settings{
		"a token without a name":           {Tokens: []TokenSetting{{Role: DPO, File: "f"}}},
		"an unknown role":                  {Tokens: []TokenSetting{{Name: "a", Role: "root", File: "f"}}},
		"one name twice":                   {Tokens: []TokenSetting{{Name: "a", Role: DPO, File: "f"}, {Name: "a", Role: DPO, File: "f"}}},
		"no file":                          {Tokens: []TokenSetting{{Name: "a", Role: DPO}}},
		"an issuer without TLS":            {OIDC: with(func(o *OIDCSettings) { o.Issuer = "http://id.example.com" })},
		"no issuer":                        {OIDC: with(func(o *OIDCSettings) { o.Issuer = "" })},
		"no audience":                      {OIDC: with(func(o *OIDCSettings) { o.Audience = "" })},
		"no roles":                         {OIDC: with(func(o *OIDCSettings) { o.Roles = nil })},
		"a role of theirs to none of ours": {OIDC: with(func(o *OIDCSettings) { o.Roles = map[string]Role{"x": "root"} })},
	} {
		if g.server.Configure(s) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	g.as(DPO, "GET", "/v1/me", "").want(http.StatusOK)
	if err := g.server.Configure(Settings{}); err != nil {
		t.Fatal(err)
	}
	g.as(DPO, "GET", "/v1/me", "").problem(http.StatusUnauthorized)
}

func TestAPersonsRoleIsTheOneTheyHaveNow(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	token := g.session("operator")
	g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token).want(http.StatusOK)
	if err := g.store.SetDisabled(context.Background(), "operator", true); err != nil {
		t.Fatal(err)
	}
	g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token).problem(http.StatusUnauthorized)
	if e := g.events.last(event.APIRefused); e.Reason != "user" {
		t.Errorf("%+v", e)
	}
}

func TestASessionThatCannotBeLookedUpIsNotOneThatIsInvalid(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	token := g.session("operator")
	g.redis.Stop()
	a := g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token)
	a.problem(http.StatusServiceUnavailable)
	if a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	g.as(Operator, "GET", "/v1/me", "").want(http.StatusOK) // a token needs no Redis
	g.call("GET", "/v1/me", "", "Authorization", "Bearer ghs_malformed").problem(http.StatusUnauthorized)
}

// cookieOf finds the cookie that an answer sets.
func (a answer) cookieOf(name string) *http.Cookie {
	a.t.Helper()
	for _, c := range a.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	a.t.Fatalf("no cookie %s: %v", name, a.Header())
	return nil
}

func TestABrowserSignsInWithATokenUntilItIsReplaced(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	browser := []string{"Sec-Fetch-Site", "same-origin"}
	a := g.call("POST", "/v1/sign-in", `{"token":"`+g.tokens[Auditor]+`"}`, browser...).want(http.StatusOK)
	c := a.cookieOf(ConsoleCookie)
	if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || len(c.Value) < 40 ||
		strings.Contains(a.Body.String(), g.tokens[Auditor]) {
		t.Errorf("%+v %s", c, a.Body)
	}
	with := append([]string{"Cookie", ConsoleCookie + "=" + c.Value}, browser...)
	var who Me
	if err := json.Unmarshal(g.call("GET", "/v1/me", "", with...).want(http.StatusOK).Body.Bytes(), &who); err != nil || who.Role != Auditor || who.Person || who.Name != "the-auditor" {
		t.Errorf("%+v %v", who, err)
	}
	g.clock.advance(signInAbsolute)
	g.call("GET", "/v1/me", "", with...).problem(http.StatusUnauthorized)

	c = g.call("POST", "/v1/sign-in", `{"token":"`+g.tokens[Auditor]+`"}`, browser...).cookieOf(ConsoleCookie)
	with[1] = ConsoleCookie + "=" + c.Value
	g.call("GET", "/v1/me", "", with...).want(http.StatusOK)
	if err := os.WriteFile(filepath.Join(g.dir, "auditor.token"), []byte("a-new-token-for-the-auditor"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.clock.advance(2 * refreshEvery)
	g.call("GET", "/v1/me", "", with...).problem(http.StatusUnauthorized)
	if e := g.events.last(event.APIRefused); e.Reason != "token_replaced" {
		t.Errorf("%+v", e)
	}
}

func TestABrowserSignsInWithAPasswordAndOut(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	browser := []string{"Sec-Fetch-Site", "same-origin"}
	a := g.call("POST", "/v1/sign-in", `{"username":"DPO","password":"`+demoPassword+`"}`, browser...).want(http.StatusOK)
	c := a.cookieOf("__Host-gatehouse")
	if e := g.events.last(event.AuthenticationAttempt); e.Outcome != event.Success || !strings.HasPrefix(e.Subject, "u:") || e.Personal[event.PersonalName] == "" {
		t.Errorf("%+v", e)
	}
	if g.events.last(event.SessionCreated).Detail["session"] == "" {
		t.Error("no session_created")
	}
	with := append([]string{"Cookie", "__Host-gatehouse=" + c.Value}, browser...)
	g.call("GET", "/v1/me", "", with...).want(http.StatusOK)
	g.call("POST", "/v1/sign-out", "", "Cookie", "__Host-gatehouse="+c.Value).problem(http.StatusForbidden)
	out := g.call("POST", "/v1/sign-out", "", with...).want(http.StatusNoContent)
	if out.cookieOf("__Host-gatehouse").MaxAge >= 0 || out.cookieOf(ConsoleCookie).MaxAge >= 0 {
		t.Error("a cookie stays")
	}
	g.call("GET", "/v1/me", "", with...).problem(http.StatusUnauthorized)
	if g.events.last(event.SessionRevoked).Reason != "signed out" {
		t.Error("no session_revoked")
	}
}

func TestAFailedSignInSaysNothingAboutWhy(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	if err := g.store.SetDisabled(context.Background(), "subject", true); err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, body := range []string{
		`{"username":"dpo","password":"wrong wrong wrong"}`, `{"username":"nobody","password":"wrong wrong wrong"}`,
		`{"username":"subject","password":"` + demoPassword + `"}`, `{"token":"wrong-wrong-wrong-wrong-wrong"}`, `{"username":"dpo","password":"short"}`,
	} {
		a := g.call("POST", "/v1/sign-in", body, "X-Request-Id", "same")
		a.problem(http.StatusUnauthorized)
		bodies = append(bodies, a.Body.String())
		if e := g.events.last(event.AuthenticationAttempt); e.Outcome != event.Failure || e.Reason == "" || e.Personal[event.PersonalName] != "" {
			t.Errorf("%+v", e)
		}
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("%s differs from %s", body, bodies[0])
		}
	}
	g.redis.Stop()
	g.call("POST", "/v1/sign-in", `{"username":"dpo","password":"`+demoPassword+`"}`).problem(http.StatusServiceUnavailable)
	g.call("POST", "/v1/sign-in", `{"token":"`+g.tokens[DPO]+`"}`).problem(http.StatusServiceUnavailable)
}

func TestAuthTimeIsThatOfTheSession(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	token := g.session("subject")
	g.clock.advance(5 * time.Minute)
	var who Me
	if err := json.Unmarshal(g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token).want(http.StatusOK).Body.Bytes(), &who); err != nil {
		t.Fatal(err)
	}
	if who.Role != Subject || !who.Person || !who.AuthTime.Equal(g.clock.now().Add(-5*time.Minute)) {
		t.Errorf("%+v", who)
	}
}
