package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

const tlsConfig = `
version: 1
envoy:
  listen: ${LISTEN}
  tls: {listen: "${LISTEN_TLS}", cert_file: "${CERT}", key_file: "${KEY}"}
  trusted_hops: 0
upstreams:
  app: {url: "${APP}"}
policies:
  base:
    headers: {preset: strict}
    cors: {allow_origins: ["https://app.example.com"], allow_credentials: true, allow_methods: [PUT], max_age: 600}
    session: required
routes:
  - {name: public, path_prefix: /public, upstream: app, policy: base, session: none}
  - {name: api, path_prefix: /api, upstream: app, policy: base}
`

// checklist is the seed's, and what each header must hold.
var checklist = map[string]string{
	"Content-Security-Policy": "default-src",
	"X-Frame-Options":         "DENY",
	"X-Content-Type-Options":  "nosniff",
	"Referrer-Policy":         "",
}

func TestHeadersAndCORSAtTheEdge(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: tlsConfig})
	overEach(t, func(t *testing.T, c *http.Client) {
		for _, scheme := range []struct {
			name string
			url  func(string) string
			hsts bool
		}{{"in clear", p.URL, false}, {"over TLS", p.TLSURL, true}} {
			t.Run(scheme.name, func(t *testing.T) {
				for path, status := range map[string]int{
					"/public/x": http.StatusOK, "/api/me": http.StatusUnauthorized, "/nowhere": http.StatusNotFound,
				} {
					r := pack.Do(t, c, pack.Request(t, http.MethodGet, scheme.url(path), nil))
					expectStatus(t, r, status)
					expectChecklist(t, path, r, scheme.hsts)
				}
				expectCORS(t, c, scheme.url)
			})
		}
	})
}

func expectChecklist(t *testing.T, path string, r pack.Response, hsts bool) {
	t.Helper()
	for name, holds := range checklist {
		if values := r.Header.Values(name); len(values) != 1 || !strings.Contains(values[0], holds) {
			t.Errorf("%s: %s is %q", path, name, values)
		}
	}
	if got := r.Header.Get("Strict-Transport-Security"); (got != "") != hsts {
		t.Errorf("%s: Strict-Transport-Security is %q", path, got)
	}
	if got := r.Header.Get("Server"); got != "" {
		t.Errorf("%s: Server is %q", path, got)
	}
}

func expectCORS(t *testing.T, c *http.Client, url func(string) string) {
	t.Helper()
	const good, bad = "https://app.example.com", "https://app.example.com.evil.example"
	for _, path := range []string{"/public/x", "/api/me"} {
		for origin, allowed := range map[string]string{good: good, bad: "", "null": ""} {
			r := pack.Do(t, c, pack.Request(t, http.MethodGet, url(path), nil, pack.With("Origin", origin)))
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != allowed {
				t.Errorf("%s from %s: Access-Control-Allow-Origin %q", path, origin, got)
			}
			if !strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Vary"), ",")), "origin") {
				t.Errorf("%s from %s: Vary is %q", path, origin, r.Header.Values("Vary"))
			}
		}
	}
	mark := pack.NewMark()
	r := pack.Do(t, c, pack.Request(t, http.MethodOptions, url("/api/me"), nil, pack.Marked(mark),
		pack.With("Origin", good), pack.With("Access-Control-Request-Method", http.MethodPut)))
	if r.Status != http.StatusNoContent && r.Status != http.StatusOK {
		t.Errorf("preflight: status %d", r.Status)
	}
	if r.Header.Get("Access-Control-Allow-Origin") != good || r.Header.Get("Access-Control-Allow-Credentials") != "true" ||
		!strings.Contains(r.Header.Get("Access-Control-Allow-Methods"), http.MethodPut) || r.Header.Get("Access-Control-Max-Age") != "600" {
		t.Errorf("preflight: %v", r.Header)
	}
}

func TestSignInSignOutAndTheListOfSessions(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: tlsConfig})
	c := pack.HTTP2()
	defer c.CloseIdleConnections()
	call := func(method, path, token string) pack.Response {
		return pack.Do(t, c, pack.Request(t, method, p.TLSURL(path), nil, pack.Bearer(token)))
	}
	first, second := p.SignIn(t), p.SignIn(t)
	for _, token := range []string{first, second} {
		expectStatus(t, call(http.MethodGet, "/api/me", token), http.StatusOK)
	}
	list := call(http.MethodGet, "/auth/sessions", first)
	expectStatus(t, list, http.StatusOK)
	if strings.Contains(string(list.Body), first) || strings.Contains(string(list.Body), second) {
		t.Errorf("the list shows a token: %s", list.Body)
	}
	if r := call(http.MethodPost, "/auth/logout", first); r.Status >= 400 {
		t.Errorf("sign-out: %d %s", r.Status, r.Body)
	}
	expectStatus(t, call(http.MethodGet, "/api/me", first), http.StatusUnauthorized)
	expectStatus(t, call(http.MethodGet, "/api/me", second), http.StatusOK)
	expectStatus(t, call(http.MethodGet, "/api/me", second[:len(second)-1]+"0"), http.StatusUnauthorized)

	keys, err := p.RedisClient(t).Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.Contains(key, second) || strings.Contains(key, pack.UserName) {
			t.Errorf("Redis key %q tells a token or a name", key)
		}
	}
}
