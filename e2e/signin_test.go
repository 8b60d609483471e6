package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

var (
	formToken  = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
	formCookie = regexp.MustCompile(`__Host-gatehouse-form=[A-Za-z0-9_-]+`)
	sessionOf  = regexp.MustCompile(`__Host-gatehouse=[^;]+`)
)

// The pages keep their own strict policy on their way through the filter, and a
// person gets from sign-in to their account without a script.
func TestAPersonSignsInByThePagesThroughEnvoy(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: edgeConfig})
	page := p.Get(t, "/auth/sign-in?next=/auth/account")
	expectStatus(t, page, http.StatusOK)
	if policy := strings.Join(page.Header.Values("Content-Security-Policy"), ", "); !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe-inline") {
		t.Errorf("policy %q", policy)
	}
	token, cookie := formToken.FindStringSubmatch(string(page.Body)), formCookie.FindString(page.Header.Get("Set-Cookie"))
	if token == nil || cookie == "" {
		t.Fatalf("%v %s", page.Header, page.Body)
	}
	form := url.Values{"csrf": {token[1]}, "page": {"1"}, "next": {"/auth/account"}, "username": {pack.UserName}, "password": {pack.Password}}
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	in := pack.Do(t, c, pack.Request(t, http.MethodPost, p.URL("/auth/login"), strings.NewReader(form.Encode()),
		pack.With("Content-Type", "application/x-www-form-urlencoded"), pack.With("Sec-Fetch-Site", "same-origin"), pack.With("Cookie", cookie)))
	expectStatus(t, in, http.StatusSeeOther)
	session := sessionOf.FindString(strings.Join(in.Header.Values("Set-Cookie"), "\n"))
	account := p.Get(t, "/auth/account", pack.With("Cookie", session))
	expectStatus(t, account, http.StatusOK)
	if !strings.Contains(string(account.Body), "Signed in as <strong>"+pack.UserName) {
		t.Errorf("%s", account.Body)
	}
}
