package extauthz

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/authz/session"
)

// withPage is testPolicy with a page where people sign in.
var withPage = strings.Replace(testPolicy, `"sign_in": {}`, `"sign_in": {"page": "/auth/sign-in"}`, 1)

func TestAPersonsBrowserIsSentToSignInAndAllOthersAreRefused(t *testing.T) {
	navigation := map[string]string{"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
	page := map[string]string{"accept": "text/html,application/xhtml+xml"}
	for _, c := range []struct {
		name string
		ask  ask
		to   string
	}{
		{"a navigation", ask{headers: navigation, path: "/orders?page=2&x=%2F"}, "/auth/sign-in?next=%2Forders%3Fpage%3D2%26x%3D%252F"},
		{"an older browser's navigation", ask{headers: page, path: "/orders"}, "/auth/sign-in?next=%2Forders"},
		{"a path that a browser takes for a host", ask{headers: navigation, path: "//evil.example.com"}, "/auth/sign-in?next=%2F%2Fevil.example.com"},
		{"a path that would split the answer", ask{headers: navigation, path: "/a\r\nset-cookie: x=1"}, "/auth/sign-in?next=%2Fa%0D%0Aset-cookie%3A+x%3D1"},
		{"a script's fetch", ask{headers: map[string]string{"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "text/html"}}, ""},
		{"a frame", ask{headers: map[string]string{"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}}, ""},
		{"a form that is sent", ask{headers: navigation, method: http.MethodPost}, ""},
		{"a program", ask{headers: map[string]string{"accept": "*/*"}}, ""},
		{"an older library", ask{headers: map[string]string{"accept": "text/html", "x-requested-with": "XMLHttpRequest"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarnessWith(t, withPage)
			c.ask.policy = "members"
			got := h.check(t, c.ask)
			to, sent := find(got.GetDeniedResponse().GetHeaders(), "location")
			switch {
			case c.to != "" && (got.code != http.StatusFound || to != c.to):
				t.Errorf("%d to %q, want %q", got.code, to, c.to)
			case c.to == "" && (got.code != http.StatusUnauthorized || sent):
				t.Errorf("%d to %q, want a refusal", got.code, to)
			}
		})
	}
}

func TestWithoutAPageNobodyIsSentAnywhere(t *testing.T) {
	got := newHarness(t).check(t, ask{policy: "members", headers: map[string]string{"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}})
	if got.code != http.StatusUnauthorized {
		t.Errorf("%d", got.code)
	}
}

func TestWhatSigningInDoesNotMendIsNotRedirected(t *testing.T) {
	h := newHarnessWith(t, withPage)
	h.sessions.err = session.ErrUnavailable
	got := h.check(t, ask{policy: "members", headers: map[string]string{
		"cookie": ours, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document",
	}})
	if got.code != http.StatusServiceUnavailable {
		t.Errorf("%d", got.code)
	}
}

func TestAGRPCClientReadsTheRefusalAsAStatus(t *testing.T) {
	for _, c := range []struct {
		name, policy, contentType, status string
		times                             int
	}{
		{"no session", "members", "application/grpc", "16", 1},
		{"a limit, not to be tried again at once", "deny", "application/grpc+proto", "8", 3},
		{"parameters", "members", "Application/gRPC; charset=utf-8", "16", 1},
		{"another type that begins alike", "members", "application/grpcx", "", 1},
		{"gRPC-Web is answered over HTTP", "members", "application/grpc-web", "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t)
			var got answer
			for range c.times {
				got = h.check(t, ask{policy: c.policy, method: http.MethodPost, headers: map[string]string{
					"content-type": c.contentType, "x-request-id": "r-1",
				}})
			}
			denied := got.GetDeniedResponse()
			status, _ := find(denied.GetHeaders(), "grpc-status")
			if status != c.status {
				t.Errorf("grpc-status %q, want %q", status, c.status)
			}
			if challenge, _ := find(denied.GetHeaders(), "www-authenticate"); c.policy == "members" && challenge != `Bearer realm="gatehouse"` {
				t.Errorf("challenge %q", challenge)
			}
			if _, ok := find(denied.GetHeaders(), "content-type"); ok == (c.status != "") {
				t.Errorf("a content type is set: %t", ok)
			}
			if c.status != "" && (strings.HasPrefix(denied.GetBody(), "{") || !strings.Contains(denied.GetBody(), "r-1")) {
				t.Errorf("message %q", denied.GetBody())
			}
		})
	}
}
