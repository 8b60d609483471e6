package extauthz

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"

	"gatehouse/authz/login"
	"gatehouse/authz/policy"
	"gatehouse/authz/session"
)

// Each test here is a lesson that another authorization paid for.

// CVE-2024-23324: anything but a clear yes is a no.
func TestLessonOnlyAClearYesAllows(t *testing.T) {
	h := newHarness(t)
	for name, a := range map[string]ask{
		"an unknown policy":        {policy: "nosuch"},
		"no session":               {policy: "members"},
		"a tunnel":                 {policy: "open", method: "CONNECT", host: "x", path: "/"},
		"no path":                  {policy: "open", path: "?a"},
		"the path of OPTIONS *":    {policy: "open", method: "OPTIONS", path: "*"},
		"a path without a policy":  {path: "//admin"},
		"a path without its slash": {policy: "open", path: "admin"},
	} {
		if got := h.check(t, a); got.code == 200 || got.GetOkResponse() != nil {
			t.Errorf("%s was allowed", name)
		}
	}
	out, err := h.Check(t.Context(), &authv3.CheckRequest{})
	if err != nil || out.GetStatus() == nil || out.GetStatus().GetCode() == int32(codes.OK) {
		t.Errorf("an empty request: %v, %v", out, err)
	}
}

// CVE-2023-27487, CVE-2024-45806, CVE-2025-64484: identity comes from us alone.
func TestLessonIdentityHeadersFromOutsideAreRemovedInEverySpelling(t *testing.T) {
	h := newHarness(t)
	hostile := []string{
		"x-gatehouse-subject", "X-Gatehouse-Subject", "x_gatehouse_subject", "x-gatehouse_roles", "x-gatehouse-anything",
		"x-forwarded-user", "X_Forwarded_User", "x-forwarded-email",
	}
	headers := map[string]string{}
	for _, name := range hostile {
		headers[name] = "root"
	}
	for _, policy := range []string{"open", "maybe", "watched"} {
		removed := h.check(t, ask{policy: policy, headers: headers}).GetOkResponse().GetHeadersToRemove()
		for _, name := range hostile {
			if !slices.Contains(removed, strings.ToLower(name)) {
				t.Errorf("%s: %s is not removed", policy, name)
			}
		}
	}
}

// Envoy removes after it has set: what is set must not be in the list.
func TestLessonTheSubjectThatIsSetIsNotRemovedAgain(t *testing.T) {
	h := newHarness(t)
	ok := h.check(t, ask{policy: "members", headers: map[string]string{
		"cookie": ours, "x-gatehouse-subject": "root", "x_gatehouse_subject": "root",
	}}).GetOkResponse()
	if subject, _ := find(ok.GetHeaders(), subjectHeader); subject != "user-1" {
		t.Errorf("subject %q", subject)
	}
	if slices.Contains(ok.GetHeadersToRemove(), subjectHeader) || !slices.Contains(ok.GetHeadersToRemove(), "x_gatehouse_subject") {
		t.Errorf("removed: %v", ok.GetHeadersToRemove())
	}
}

// Envoy PR 42878: some versions look at append, others at append_action.
func TestLessonEachHeaderSaysOverwriteInBothWays(t *testing.T) {
	h := newHarness(t)
	allowed := h.check(t, ask{policy: "limited", headers: cookies(ours, "a=1")}).GetOkResponse()
	denied := h.check(t, ask{policy: "members"}).GetDeniedResponse()
	all := slices.Concat(allowed.GetHeaders(), allowed.GetResponseHeadersToAdd(), denied.GetHeaders())
	if len(all) < 6 {
		t.Fatalf("only %d headers", len(all))
	}
	for _, o := range all {
		if o.GetAppend() == nil || o.GetAppend().GetValue() || o.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD { //nolint:staticcheck // both are the point
			t.Errorf("%s does not overwrite", o.GetHeader().GetKey())
		}
	}
}

// CVE-2026-40575: what a client says about the request is not the request.
func TestLessonForwardedHeadersDecideNothing(t *testing.T) {
	h := newHarness(t)
	got := h.check(t, ask{host: "admin.example.com", path: "/admin", headers: map[string]string{
		"x-forwarded-uri": "/", "x-original-url": "/", "x-rewrite-url": "/", "x-forwarded-host": "x", "x-forwarded-method": "GET",
		"x-envoy-original-path": "/", ":path": "/", ":authority": "x", "host": "x",
	}})
	if got.code != 401 {
		t.Errorf("got %d %v", got.code, got.metadata)
	}
	for i := range 3 {
		code := h.check(t, ask{policy: "deny", headers: map[string]string{
			"x-forwarded-for": fmt.Sprintf("10.0.0.%d", i), "x-envoy-external-address": fmt.Sprintf("10.0.1.%d", i),
			"x-real-ip": fmt.Sprint("10.0.2.", i), "forwarded": fmt.Sprintf("for=10.0.3.%d", i),
		}}).code
		if want := []int{200, 200, 429}[i]; code != want {
			t.Errorf("request %d: %d, want %d: the limit is by what Envoy saw", i, code, want)
		}
	}
}

// CVE-2026-26205: parsed as a URL, "//admin" would be a host.
// CVE-2021-29492, CVE-2026-73511, 73551, 73553: one path, two readings.
func TestLessonDisguisedPathsAreRefusedWhereRulesChooseThePolicy(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{
		"//admin", "/x//admin", "/x/../admin", "/x/..", "/./admin", "/x/..;/admin", "/.;/admin", "/x/..;a=b/admin",
		"/%2e%2e/admin", "/x/%2E./admin", "/x%2fadmin", "/x%2Fadmin", "/x%5cadmin", "/x\\admin", "/admin%00", "/admin\x00",
		"//admin?x=1",
	} {
		got := h.check(t, ask{host: "admin.example.com", path: path})
		if got.code != 403 || got.metadata["rule"] != rulePathDisguised {
			t.Errorf("%q: %d %v", path, got.code, got.metadata)
		}
	}
	for _, path := range []string{"/admin", "/admin/", "/admin/a.b", "/admin/...", "/admin/.well-known", "/admin/a%20b", "/admin?u=//x/../y%2f"} {
		if got := h.check(t, ask{host: "admin.example.com", path: path}); got.metadata["policy"] != "members" {
			t.Errorf("%q: %v", path, got.metadata)
		}
	}
	// Where Envoy's own routing has chosen, there is one reading.
	if got := h.check(t, ask{policy: "open", path: "//x"}); got.code != 200 {
		t.Errorf("with the route's policy: %d", got.code)
	}
}

// CVE-2026-48794: a host has no letter case.
func TestLessonHostsAreComparedInLowerCase(t *testing.T) {
	h := newHarness(t)
	for _, host := range []string{"ADMIN.example.com", "Admin.Example.Com:443"} {
		if got := h.check(t, ask{host: host, path: "/admin"}); got.metadata["policy"] != "members" {
			t.Errorf("%s: %v", host, got.metadata)
		}
	}
}

// CVE-2026-26308: several credentials are none; which one counts is not ours to
// guess.
func TestLessonSeveralCredentialsAreNone(t *testing.T) {
	other := session.TokenPrefix + "other"
	bearer := func(token string) *corev3.HeaderValue {
		return &corev3.HeaderValue{Key: "Authorization", RawValue: []byte("Bearer " + token)}
	}
	cookie := func(value string) *corev3.HeaderValue { return &corev3.HeaderValue{Key: "cookie", Value: value} }
	for name, raw := range map[string][]*corev3.HeaderValue{
		"two cookies in a field":       {cookie(ours + "; " + login.CookieName + "=" + other)},
		"two cookies in two fields":    {cookie(ours), cookie(login.CookieName + "=" + other)},
		"the same cookie twice":        {cookie(ours + "; " + ours)},
		"a cookie and a bearer":        {cookie(ours), bearer(other)},
		"two bearers":                  {bearer(validToken), bearer(other)},
		"an empty cookie and a cookie": {cookie(login.CookieName + "=; " + ours)},
		"two bearers joined":           {bearer(validToken + ", Bearer " + other)},
		"fields joined by a comma":     {cookie("a=1," + ours)},
	} {
		h := newHarness(t)
		h.sessions.err = session.ErrMalformed // of what is not a token as it stands
		if name != "two bearers joined" {
			h.sessions.err = nil
		}
		if got := h.check(t, ask{policy: "members", raw: raw}); got.code != 401 {
			t.Errorf("%s: %d", name, got.code)
		}
	}
}

// CVE-2025-48865: hop-by-hop tricks. Envoy drops Connection itself; here nothing
// depends on it.
func TestLessonConnectionCannotNameTheHeadersWeSet(t *testing.T) {
	h := newHarness(t)
	got := h.check(t, ask{policy: "members", headers: map[string]string{
		"cookie": ours, "connection": "x-gatehouse-subject, cookie, authorization", "upgrade": "websocket",
	}})
	if subject, _ := find(got.GetOkResponse().GetHeaders(), subjectHeader); subject != "user-1" {
		t.Errorf("subject %q", subject)
	}
}

// CVE-2026-73547, 47205, 73548, 2025-64763: tunnels and upgrades.
func TestLessonTunnelsAreRefusedAndUpgradesAreJudgedLikeAll(t *testing.T) {
	h := newHarness(t)
	if got := h.check(t, ask{policy: "maybe", method: "CONNECT", path: "/", headers: cookies(ours)}); got.code != 403 {
		t.Errorf("CONNECT: %d", got.code)
	}
	upgrade := map[string]string{"connection": "Upgrade", "upgrade": "websocket"}
	if got := h.check(t, ask{policy: "members", headers: upgrade}); got.code != 401 {
		t.Errorf("Upgrade: %d", got.code)
	}
}

// CVE-2026-47774: the work for one request is bounded.
func TestLessonCookiesAreBoundedInNumber(t *testing.T) {
	h := newHarness(t)
	many := strings.Repeat("a=1;", 100_000) + ours
	got := h.check(t, ask{policy: "maybe", headers: cookies(many)})
	sent, _ := find(got.GetOkResponse().GetHeaders(), "cookie")
	if got.code != 200 || len(sent) > 5*maxCookies || strings.Contains(sent, login.CookieName) {
		t.Errorf("%d, %d bytes of cookies", got.code, len(sent))
	}
}

func TestTheSessionTokenIsNeverSentOn(t *testing.T) {
	h := newHarness(t)
	for _, c := range []struct {
		name    string
		headers map[string]string
		cookie  string // as sent on; "-" is untouched, "" is removed
		removed []string
	}{
		{"only ours", cookies(ours), "", []string{"cookie"}},
		{"ours among others", cookies("a=1", ours, "b=2"), "a=1; b=2", nil},
		{"ours with spaces", map[string]string{"cookie": "a=1 ;  " + login.CookieName + " =x;b=2"}, "a=1; b=2", nil},
		{"ours inside another's value", cookies("a=1," + ours), "", []string{"cookie"}},
		{"none of ours", cookies("a=1", "b=2"), "-", nil},
		{"those of sign-in", cookies("a=1", login.CookieName+"-device=x", login.CookieName+"-second=y", login.CookieName+"-openid-x=z", "b=2"), "a=1; b=2", nil},
		{"the console's, which may be behind us", cookies(login.CookieName + "-console=x"), "-", nil},
		{"those of sign-in alone", cookies(login.CookieName + "-form=x"), "", []string{"cookie"}},
		{"a cookie that only begins alike", cookies(login.CookieName + "2=x"), "-", nil},
		{"our bearer", map[string]string{"authorization": "Bearer " + validToken}, "-", []string{"authorization"}},
		{"our bearer in other letters", map[string]string{"authorization": "bEARER   " + validToken + " "}, "-", []string{"authorization"}},
		{"our bearer among others", map[string]string{"authorization": "Basic x, Bearer " + validToken}, "-", []string{"authorization"}},
		{"the application's own bearer", map[string]string{"authorization": "Bearer app"}, "-", nil},
	} {
		for _, policy := range []string{"open", "maybe"} {
			ok := h.check(t, ask{policy: policy, headers: c.headers}).GetOkResponse()
			sent, rewritten := find(ok.GetHeaders(), "cookie")
			if want := c.cookie; (want == "-" || want == "") == rewritten || rewritten && sent != want {
				t.Errorf("%s, %s: cookie %q, want %q", policy, c.name, sent, want)
			}
			for _, name := range []string{"cookie", "authorization"} {
				if slices.Contains(ok.GetHeadersToRemove(), name) != slices.Contains(c.removed, name) {
					t.Errorf("%s, %s: removed %v", policy, c.name, ok.GetHeadersToRemove())
				}
			}
		}
	}
}

func TestSignInAloneGetsTheTokenAndTheClientsAddress(t *testing.T) {
	h := newHarness(t)
	headers := map[string]string{"cookie": ours, ClientHeader: "9.9.9.9"}
	ok := h.check(t, ask{policy: "open", route: policy.AuthRoute, path: "/auth/logout", headers: headers}).GetOkResponse()
	if client, _ := find(ok.GetHeaders(), ClientHeader); client != "203.0.113.7" {
		t.Errorf("client %q", client)
	}
	if slices.Contains(ok.GetHeadersToRemove(), "cookie") || slices.Contains(ok.GetHeadersToRemove(), ClientHeader) {
		t.Errorf("removed: %v", ok.GetHeadersToRemove())
	}
	// An application's own /auth/ is another upstream.
	ok = h.check(t, ask{policy: "open", path: "/auth/logout", headers: headers}).GetOkResponse()
	if _, set := find(ok.GetHeaders(), ClientHeader); set || !slices.Contains(ok.GetHeadersToRemove(), "cookie") ||
		!slices.Contains(ok.GetHeadersToRemove(), ClientHeader) {
		t.Errorf("set %v, removed %v", ok.GetHeaders(), ok.GetHeadersToRemove())
	}
}

func TestAUserIDThatCannotStandInAHeaderIsEscaped(t *testing.T) {
	h := newHarness(t)
	h.sessions.answer.User.ID = "a b\r\nx-admin: 1%é"
	ok := h.check(t, ask{policy: "members", headers: cookies(ours)}).GetOkResponse()
	if subject, _ := find(ok.GetHeaders(), subjectHeader); subject != "a%20b%0D%0Ax-admin:%201%25%C3%A9" {
		t.Errorf("got %q", subject)
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add("a=1; "+ours, "Bearer "+validToken)
	f.Add(ours+","+ours, "bearer ghs_")
	f.Fuzz(func(t *testing.T, cookie, authorization string) {
		r := request{headers: []header{{"cookie", cookie}, {"authorization", authorization}}}
		c := r.credentials()
		if strings.Contains(c.cookie, login.CookieName+"=") {
			t.Errorf("our cookie is sent on: %q", c.cookie)
		}
		if strings.Contains(authorization, session.TokenPrefix) && !c.bearer {
			t.Errorf("our token is sent on: %q", authorization)
		}
		if c.token != "" && c.ambiguous {
			t.Error("a token and ambiguous")
		}
	})
}
