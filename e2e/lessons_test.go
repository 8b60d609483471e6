package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

// The lessons of authz/extauthz that only a real Envoy can teach.

// CVE-2023-27487, CVE-2024-45806: what steers Envoy, or tells upstreams that
// Envoy trusts somebody, is Envoy's to say.
func TestLessonWhatSteersEnvoyIsDroppedFromClients(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: securityConfig})
	for _, name := range []string{
		"x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-max-retries", "x-envoy-retry-on",
		"x-envoy-retriable-status-codes", "x-envoy-upstream-alt-stat-name", "x-envoy-internal", "x-envoy-external-address",
		"x-envoy-force-trace", "x-envoy-ip-tags", "x-envoy-expected-rq-timeout-ms", "x-envoy-decorator-operation", "X-Envoy-Internal",
	} {
		mark := pack.NewMark()
		p.Raw(t, rawRequest("GET", "/public/x", name+": 7", pack.MarkHeader+": "+mark))
		for _, seen := range p.App.Requests(t, mark) {
			if got := seen.Header.Get(name); got == "7" {
				t.Errorf("%s from outside reached the upstream", name)
			}
		}
	}
	// CVE-2026-40575 once more: a path in a header is no path.
	for _, name := range []string{"x-envoy-original-path", "x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-prefix"} {
		if r := p.Raw(t, rawRequest("GET", "/api/me", name+": /public/x")); r.Status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, r.Status)
		}
	}
}

// An answer that comes before the request has ended must leave nothing on the
// connection that could be taken for the next request, and nothing may have gone
// to the upstream (request smuggling by an early response).
func TestLessonAnAnswerBeforeTheBodyEndsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: securityConfig})
	for name, framing := range map[string]func(hidden string) string{
		"a body of known length": func(hidden string) string {
			return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hidden), hidden)
		},
		"a body that does not end": func(hidden string) string {
			return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hidden)+100, hidden)
		},
		"chunks": func(hidden string) string {
			return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden)
		},
		"chunks that do not end": func(hidden string) string {
			return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(hidden), hidden)
		},
		"both framings": func(hidden string) string {
			return fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n%s", hidden)
		},
	} {
		mark := pack.NewMark()
		hidden := rawRequest("GET", "/public/hidden", pack.MarkHeader+": "+mark)
		r := p.Raw(t, "POST /api/me HTTP/1.1\r\nHost: shop.example\r\n"+pack.MarkHeader+": "+mark+"\r\n"+framing(hidden))
		if r.Status != http.StatusUnauthorized && r.Status != http.StatusBadRequest && r.Status != 0 {
			t.Errorf("%s: status %d %s", name, r.Status, r.Body)
		}
		for _, seen := range p.App.Requests(t, mark) {
			t.Errorf("%s: %s %s reached the upstream", name, seen.Method, seen.Path)
		}
	}
	p.Envoy.MustRun(t)
}

// Regular expressions without anchors have let through what only contained a
// public path. Here there are none: a prefix ends at a segment's boundary, a host
// is whole, and what follows "?" or "#" is no path (oauth2-proxy, CVE-2025-54576).
func TestLessonRoutesMatchWholeSegmentsAndNeverTheQuery(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: securityConfig})
	for _, target := range []string{
		"/api/me?next=/public/x", "/api/me?/public/", "/api/me?x=http://shop.example/public/x", "/api/public/x", "/api/me/public/", "/publicity", "/public-x",
		"/api/me#/public/x", "/api/me;/public/x",
	} {
		mark := pack.NewMark()
		r := p.Raw(t, rawRequest("GET", target, pack.MarkHeader+": "+mark))
		if seen := p.App.Requests(t, mark); len(seen) != 0 || r.Status < 400 || r.Status >= 500 {
			t.Errorf("%s: status %d, seen %v", target, r.Status, seen)
		}
	}
	for _, host := range []string{"xadmin.example", "admin.example.evil.test", "admin-example"} {
		mark := pack.NewMark()
		r := p.Raw(t, fmt.Sprintf("GET /api/me HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nConnection: close\r\n\r\n", host, pack.MarkHeader, mark))
		if r.Status == http.StatusOK || strings.Contains(string(r.Body), mark) {
			t.Errorf("%s: %d", host, r.Status)
		}
	}
}
