package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

const securityConfig = preamble + `
policies:
  base: {session: required}
  upload:
    session: none
    uploads: {allow: [pdf]}
routes:
  - {name: admin, hosts: [admin.example], path_prefix: /, upstream: app, policy: base}
  - {name: public, path_prefix: /public, upstream: app, policy: base, session: none}
  - {name: upload, path_prefix: /upload, upstream: app, policy: upload}
  - {name: api, path_prefix: /api, upstream: app, policy: base}
`

func TestTheEdgeCannotBeTalkedAround(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: securityConfig})
	token := p.SignIn(t)
	t.Run("identity headers from outside", func(t *testing.T) { noForeignIdentity(t, p, token) })
	t.Run("credentials stay at the edge", func(t *testing.T) { noCredentialsUpstream(t, p, token) })
	t.Run("paths", func(t *testing.T) { noPathTricks(t, p) })
	t.Run("hosts", func(t *testing.T) { noHostTricks(t, p) })
	t.Run("tunnels", func(t *testing.T) { noTunnels(t, p) })
	t.Run("trailers", func(t *testing.T) { trailersAreJudged(t, p) })
	p.Envoy.MustRun(t)
}

// identityHeaders are spellings under which an application might look for the
// subject: CGI and WSGI fold '-' and '_' together, and all fold the case.
var identityHeaders = []string{
	"x-gatehouse-subject", "X-Gatehouse-Subject", "X-GATEHOUSE-SUBJECT", "x-gatehouse-assertion", "x-gatehouse-anything",
	"x_gatehouse_subject", "X-Gatehouse_Subject", "x-gatehouse_subject",
	"x-forwarded-user", "X-Forwarded-Email", "x-forwarded-groups", "X-FORWARDED-PREFERRED-USERNAME",
}

func noForeignIdentity(t *testing.T, p *pack.Pack, token string) {
	for _, name := range identityHeaders {
		for _, route := range []string{"/public/x", "/api/me"} {
			t.Run(name+" on "+route, func(t *testing.T) {
				mark := pack.NewMark()
				r := p.Raw(t, rawRequest("GET", route, name+": mallory", "Authorization: Bearer "+token, pack.MarkHeader+": "+mark))
				expectNoMallory(t, p, r, mark)
			})
		}
	}
	// No method and no wish of the client's is a way around: not a preflight that
	// the edge leaves to the application, nor an upgrade.
	everything := make([]string, len(identityHeaders))
	for i, name := range identityHeaders {
		everything[i] = strings.ReplaceAll(name, "_", "-") + ": mallory"
	}
	for name, request := range map[string]string{
		"HEAD": rawRequest("HEAD", "/public/x", everything...), "OPTIONS": rawRequest("OPTIONS", "/public/x", everything...),
		"a preflight": rawRequest("OPTIONS", "/public/x", append([]string{"Origin: https://a.example", "Access-Control-Request-Method: PUT"}, everything...)...),
		"DELETE":      rawRequest("DELETE", "/public/x", everything...), "PROPFIND": rawRequest("PROPFIND", "/public/x", everything...),
		"an upgrade": rawRequest("GET", "/public/x", append([]string{
			"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, everything...)...),
		"HTTP/1.0": "GET /public/x HTTP/1.0\r\nHost: shop.example\r\n" + strings.Join(everything, "\r\n") + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			mark := pack.NewMark()
			p.Raw(t, strings.Replace(request, "\r\nHost:", "\r\n"+pack.MarkHeader+": "+mark+"\r\nHost:", 1))
			seen := p.App.Requests(t, mark)
			if refused := name == "an upgrade" || name == "HTTP/1.0"; len(seen) == 0 && !refused {
				t.Error("nothing reached the upstream")
			}
			for _, s := range seen {
				for field, values := range s.Header {
					if strings.Contains(strings.Join(values, " "), "mallory") {
						t.Errorf("%s: %v reached the upstream", field, values)
					}
				}
			}
		})
	}
	t.Run("Connection names the header that we set", func(t *testing.T) {
		mark := pack.NewMark()
		r := p.Raw(t, rawRequest("GET", "/api/me", "Connection: close, x-gatehouse-subject", "x-gatehouse-subject: mallory",
			"Authorization: Bearer "+token, pack.MarkHeader+": "+mark))
		expectNoMallory(t, p, r, mark)
		for _, seen := range p.App.Requests(t, mark) {
			if seen.Header.Get("X-Gatehouse-Subject") == "" {
				t.Error("the upstream saw no subject at all")
			}
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		c, mark := pack.HTTP2(), pack.NewMark()
		defer c.CloseIdleConnections()
		for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodPost} {
			r := pack.Request(t, method, p.URL("/public/x"), nil, pack.Marked(mark))
			for _, name := range identityHeaders {
				r.Header.Set(strings.ReplaceAll(name, "_", "-"), "mallory")
			}
			expectNoMallory(t, p, pack.Do(t, c, r), mark)
		}
	})
}

// expectNoMallory allows for a refusal, and for a request without the claim.
func expectNoMallory(t *testing.T, p *pack.Pack, r pack.Response, mark string) {
	t.Helper()
	seen := p.App.Requests(t, mark)
	if len(seen) == 0 && r.Status != http.StatusBadRequest {
		t.Errorf("status %d, and nothing reached the upstream", r.Status)
	}
	for _, s := range seen {
		for name, values := range s.Header {
			if strings.Contains(strings.Join(values, " "), "mallory") {
				t.Errorf("%s: %v reached the upstream", name, values)
			}
		}
	}
}

func noCredentialsUpstream(t *testing.T, p *pack.Pack, token string) {
	for name, edit := range map[string]pack.Edit{
		"bearer":                 pack.Bearer(token),
		"cookie":                 pack.With("Cookie", "theme=dark; __Host-gatehouse="+token+"; lang=de"),
		"cookie, twice the same": pack.With("Cookie", "__Host-gatehouse="+token+"; __Host-gatehouse="+token),
	} {
		t.Run(name, func(t *testing.T) {
			for _, route := range []string{"/api/me", "/public/x"} {
				seen := p.Get(t, route, edit)
				if strings.Contains(string(seen.Body), token) {
					t.Errorf("%s: the token reached the upstream: %s", route, seen.Body)
				}
			}
		})
	}
	seen := p.Get(t, "/api/me", pack.With("Cookie", "theme=dark; __Host-gatehouse="+token+"; lang=de")).Seen(t)
	if got := seen.Header.Get("Cookie"); got != "theme=dark; lang=de" {
		t.Errorf("Cookie %q reached the upstream, want the application's own two", got)
	}
	if got := seen.Header.Get("X-Gatehouse-Subject"); got == "" {
		t.Error("the upstream is not told the subject")
	}
}

// pathTricks are spellings of a path under /api that a matcher may take for
// something else.
var pathTricks = []string{
	"//api/me", "///api//me", "/./api/me", "/public/../api/me", "/public/%2e%2e/api/me", "/public/%2E%2E/api/me",
	"/public/..%2fapi/me", "/public/..%2Fapi/me", "/public%2f..%2fapi/me", "/public/..%5capi/me", "/public/..%5Capi/me",
	`/public/..\api/me`, `/public\..\api\me`, "/%2fapi/me", "/api%2fme", "/%61pi/me", "/api/%2e%2e/api/me", "/public/.;/../api/me",
	"/public/..;/api/me", "/public;/../api/me", "/public/%2e%2e%2fapi/me", "/public/%252e%252e/api/me",
	"/public/..%252fapi/me", "/public/.%2e/api/me", "/public/%00/../api/me", "/public/..%c0%afapi/me", "/API/me",
	"/public#/../../api/me", "/public?/../api/me", "http://shop.example/api/me", "http://shop.example//api/me",
	"/public/..//api/me", "/publicx/../api/me", "/public/. ./api/me", "/public/x/../../api/me", "/api/me%20", "/api/me/.",
}

func noPathTricks(t *testing.T, p *pack.Pack) {
	for _, trick := range pathTricks {
		t.Run(trick, func(t *testing.T) {
			mark := pack.NewMark()
			r := p.Raw(t, rawRequest("GET", trick, pack.MarkHeader+": "+mark))
			if r.Status >= 500 {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
			for _, seen := range p.App.Requests(t, mark) {
				for _, reading := range readings(seen.Path) {
					if reading == "/api" || strings.HasPrefix(reading, "/api/") {
						t.Errorf("without a session, the upstream saw %q, which may be read as %q", seen.Path, reading)
					}
				}
			}
		})
	}
}

// readings are the ways in which an application may understand a path: as it
// stands, percent-decoded once, with backslashes as slashes, without path
// parameters (RFC 3986 section 3.3), and each of these with dot segments
// resolved.
func readings(target string) []string {
	raw, _, _ := strings.Cut(target, "?")
	all := []string{raw}
	if decoded, err := url.PathUnescape(raw); err == nil {
		all = append(all, decoded)
	}
	for _, reading := range all {
		all = append(all, strings.ReplaceAll(reading, `\`, "/"))
	}
	for _, reading := range all {
		all = append(all, withoutParameters(reading))
	}
	for _, reading := range all {
		all = append(all, path.Clean("/"+reading))
	}
	return all
}

func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

func noHostTricks(t *testing.T, p *pack.Pack) {
	for _, host := range []string{
		"admin.example", "ADMIN.example", "Admin.Example", "admin.example.", "ADMIN.EXAMPLE.", "admin.example:80",
		"admin.example:8080", "ADMIN.example.:443", "admin.example:",
	} {
		t.Run(host, func(t *testing.T) {
			mark := pack.NewMark()
			r := p.Raw(t, fmt.Sprintf("GET /public/secret HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nConnection: close\r\n\r\n",
				host, pack.MarkHeader, mark))
			if seen := p.App.Requests(t, mark); len(seen) > 0 || r.Status == http.StatusOK {
				t.Errorf("status %d: %q was not taken for admin.example", r.Status, host)
			}
		})
	}
	for name, request := range map[string]string{
		"two Host fields": "GET /public/x HTTP/1.1\r\nHost: shop.example\r\nHost: admin.example\r\nConnection: close\r\n\r\n",
		"no Host field":   "GET /public/x HTTP/1.1\r\nConnection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if r := p.Raw(t, request); r.Status != http.StatusBadRequest && r.Status != 0 {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		})
	}
}

func noTunnels(t *testing.T, p *pack.Pack) {
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for name, request := range map[string]string{
		"CONNECT":                "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n",
		"CONNECT to a path":      "CONNECT /api/me HTTP/1.1\r\nHost: shop.example\r\n\r\n",
		"upgrade to a WebSocket": rawUpgrade("/api/me", upgrade...),
		"upgrade to h2c":         rawUpgrade("/api/me", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
		"upgrade to h2c, public": rawUpgrade("/public/x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
		"TRACE":                  rawRequest("TRACE", "/api/me"),
		"an empty target":        "GET  HTTP/1.1\r\nHost: shop.example\r\n\r\n",
		"asterisk":               rawRequest("OPTIONS", "*"),
	} {
		t.Run(name, func(t *testing.T) {
			r := p.Raw(t, request)
			if r.Status == http.StatusSwitchingProtocols || r.Status >= 500 {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
			if r.Status == http.StatusOK && !strings.Contains(name, "public") {
				t.Errorf("passed: %s", r.Body)
			}
		})
	}
}

// trailersAreJudged sends bodies that end in trailers, where no body callback
// sees the end.
func trailersAreJudged(t *testing.T, p *pack.Pack) {
	overEach(t, func(t *testing.T, c *http.Client) {
		for name, test := range map[string]struct {
			content string
			status  int
		}{
			"an honest file passes": {"%PDF-1.7\n1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\nstartxref\n0\n%%EOF\n", http.StatusOK},
			"a lying file does not": {"MZ\x90\x00 this program cannot be run", http.StatusUnsupportedMediaType},
		} {
			t.Run(name, func(t *testing.T) {
				mark := pack.NewMark()
				body, contentType := multipartFile(t, "report.pdf", "application/pdf", test.content)
				r := pack.Request(t, http.MethodPost, p.URL("/upload"), io.NopCloser(body), pack.Marked(mark),
					pack.With("Content-Type", contentType))
				r.ContentLength = -1
				r.Trailer = http.Header{"X-Gatehouse-Subject": {"mallory"}, "X-Checksum": {"17"}}
				expectStatus(t, pack.Do(t, c, r), test.status)
				for _, seen := range p.App.Requests(t, mark) {
					if seen.Complete != (test.status == http.StatusOK) {
						t.Errorf("complete %t at the upstream with status %d", seen.Complete, test.status)
					}
					if got := seen.Trailer.Get("X-Gatehouse-Subject"); got != "" {
						t.Errorf("trailer X-Gatehouse-Subject: %s reached the upstream", got)
					}
				}
			})
		}
	})
}

func rawRequest(method, target string, fields ...string) string {
	fields = append(fields, "Host: shop.example")
	if !strings.Contains(strings.Join(fields, "\n"), "Connection:") {
		fields = append(fields, "Connection: close")
	}
	return method + " " + target + " HTTP/1.1\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

func rawUpgrade(target string, fields ...string) string { return rawRequest("GET", target, fields...) }
