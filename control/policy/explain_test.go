package policy

import (
	"net/http"
	"strings"
	"testing"

	filterpolicy "gatehouse/filter/policy"
)

const explained = preamble + `policies:
  base:
    headers: {preset: strict, set: {X-Frame-Options: SAMEORIGIN}, remove: [X-Runtime]}
    cors: {allow_origins: ["https://app.example.com"], allow_credentials: true, allow_methods: [PUT]}
    session: required
    limits: [{name: all, by: [ip], rate: 100/60s}, {name: own, by: [user], rate: 10/s}]
  plain: {uploads: {allow: [pdf]}}
routes:
  - {name: public, path_prefix: /public, upstream: app, policy: base, session: none}
  - {name: api, hosts: [api.example.com], path_prefix: /, methods: [PUT], upstream: app, policy: base}
  - {name: upload, path: /upload, upstream: app, policy: plain}
`

func explain(t *testing.T, method, url string, header ...string) *Explanation {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	e, err := mustLoad(t, explained).Explain(Query{Method: method, URL: url, Header: h})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExplainFindsTheRouteThatEnvoyWouldTake(t *testing.T) {
	t.Parallel()
	preflight := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"}
	for _, tc := range []struct {
		method, url   string
		header        []string
		route, policy string
	}{
		{"GET", "/public", nil, "public", "base@public"},
		{"GET", "/public/x?y=/z", nil, "public", "base@public"},
		{"GET", "/publicity", nil, "", DefaultPolicy},
		{"GET", "/x/../public//a", nil, "public", "base@public"},
		{"put", "https://API.example.com:8443/x", nil, "api", "base"},
		{"GET", "https://api.example.com/x", nil, "", DefaultPolicy},
		{"OPTIONS", "https://api.example.com/x", preflight, "api", "base"},
		{"OPTIONS", "https://api.example.com/x", nil, "", DefaultPolicy},
		{"POST", "/auth/login", nil, AuthPolicy, AuthPolicy},
		{"POST", "http://any.example.net/upload", nil, "upload", "plain"},
	} {
		if e := explain(t, tc.method, tc.url, tc.header...); e.Route != tc.route || e.Policy != tc.policy {
			t.Errorf("%s %s: route %q, policy %q", tc.method, tc.url, e.Route, e.Policy)
		}
	}
}

func TestExplainShowsHeadersWithTheLineBehindEach(t *testing.T) {
	t.Parallel()
	e := explain(t, "GET", "https://x.example.com/public")
	found := map[string]HeaderFinding{}
	for _, h := range append(e.Headers, e.Removed...) {
		found[h.Name] = h
	}
	if h := found["x-frame-options"]; h.Value != "SAMEORIGIN" || h.Because != "" || *h.From != (Place{"policies.base.headers.set.X-Frame-Options", 6}) {
		t.Errorf("x-frame-options: %+v", h)
	}
	if h := found["x-content-type-options"]; h.Value != "nosniff" || h.Because != "preset strict" || h.From.Line != 6 {
		t.Errorf("x-content-type-options: %+v", h)
	}
	if h := found["x-runtime"]; h.From == nil || h.From.Path != "policies.base.headers.remove[0]" {
		t.Errorf("x-runtime: %+v", h)
	}
	if _, ok := found["strict-transport-security"]; !ok {
		t.Error("no HSTS over TLS")
	}
	for _, h := range explain(t, "GET", "http://x.example.com/public").Headers {
		if h.Name == "strict-transport-security" {
			t.Error("HSTS in clear text (RFC 6797 section 7.2)")
		}
	}
}

func TestExplainAnswersTheOrigin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method string
		header []string
		answer string
		allows string
	}{
		{"GET", nil, "no Origin", ""},
		{"GET", []string{"Origin", "https://app.example.com"}, "origin allowed", "https://app.example.com"},
		{"GET", []string{"Origin", "https://evil.example"}, "origin not allowed", ""},
		{
			"OPTIONS", []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"},
			"preflight allowed", "https://app.example.com",
		},
		{"OPTIONS", []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PATCH"}, "preflight refused", ""},
	} {
		e := explain(t, tc.method, "https://x.example.com/public", tc.header...)
		if !strings.HasPrefix(e.CORS.Answer, tc.answer) {
			t.Errorf("%s %v: %s", tc.method, tc.header, e.CORS.Answer)
		}
		allows := ""
		for _, h := range e.CORS.Headers {
			if h.Name == "access-control-allow-origin" {
				allows = h.Value
			}
		}
		if allows != tc.allows {
			t.Errorf("%s %v: allows %q", tc.method, tc.header, allows)
		}
	}
}

func TestExplainShowsSessionLimitsAndUploads(t *testing.T) {
	t.Parallel()
	e := explain(t, "GET", "/public")
	if e.Session.Require != "none" || e.Session.From.Path != "routes[0].session" {
		t.Errorf("session %+v", e.Session)
	}
	if len(e.Limits) != 2 || e.Limits[0].Note != "" || !strings.HasPrefix(e.Limits[1].Note, "never counts") {
		t.Errorf("limits %+v", e.Limits)
	}
	if e := explain(t, "PUT", "https://api.example.com/x"); !strings.HasPrefix(e.Limits[1].Note, "counts requests with a session") {
		t.Errorf("limits %+v", e.Limits)
	}
	if e := explain(t, "POST", "/upload"); e.Uploads == nil || e.Uploads.From.Line != 10 {
		t.Errorf("uploads %+v", e.Uploads)
	}
}

func TestExplainSaysWhatReplicasCountAheadAndWho(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, limit string
		want        CountedAhead
		at          string // where lease stands; empty: the default
	}{
		{"not told", "rate: 100/60s", CountedAhead{How: "adaptive"}, ""},
		{"not told, of gcra", "rate: 64/60s, algorithm: gcra", CountedAhead{How: "adaptive"}, ""},
		{"not told, of a small limit", "rate: 63/60s", CountedAhead{How: "each", Why: "of so small a limit each request counts"}, ""},
		{"not told, of a small burst", "rate: 100/60s, algorithm: gcra, burst: 63", CountedAhead{How: "each", Why: "of so small a limit each request counts"}, ""},
		{"not told, of a short window", "rate: 100/500ms", CountedAhead{How: "each", Why: "its window, or the time in which it fills up, is below a second"}, ""},
		{"not told, of a quota", "rate: 1000/day, algorithm: quota", CountedAhead{How: "each", Why: "quota is never counted ahead"}, ""},
		{"not told, of places", "rate: 100/10m, algorithm: concurrency", CountedAhead{How: "each", Why: "concurrency is never counted ahead"}, ""},
		{"told a number", "rate: 100/60s, lease: 20", CountedAhead{How: "ahead", Hits: 20}, "policies.base.limits[0].lease"},
		{"told none", "rate: 100/60s, lease: 0", CountedAhead{How: "each"}, "policies.base.limits[0].lease"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			text := preamble + "policies:\n  base: {limits: [{name: n, by: [ip], " + tc.limit + "}]}\nroutes:\n  - {name: r, path_prefix: /, upstream: app, policy: base}\n"
			e, err := mustLoad(t, text).Explain(Query{Method: "GET", URL: "/"})
			if err != nil {
				t.Fatal(err)
			}
			got := e.Limits[0].Counted
			from := got.From
			got.From = nil
			if got != tc.want || (from == nil) != (tc.at == "") || from != nil && from.Path != tc.at {
				t.Errorf("%+v, from %+v", got, from)
			}
		})
	}
}

func TestExplainSaysWhatIsRefusedBeforeAnyPolicy(t *testing.T) {
	t.Parallel()
	if e := explain(t, "GET", "/a%2Fb"); !strings.Contains(e.Outcome, "400") {
		t.Errorf("outcome %q", e.Outcome)
	}
	if e := explain(t, "GET", "/nowhere"); !strings.Contains(e.Outcome, "404") {
		t.Errorf("outcome %q", e.Outcome)
	}
	for _, url := range []string{"", "x", "ftp://x/", "//admin", "http://", "http://[::1"} {
		if _, err := mustLoad(t, explained).Explain(Query{Method: "GET", URL: url}); err == nil {
			t.Errorf("%q was explained", url)
		}
	}
}

func TestExplainTellsWhatAnotherSiteMaySend(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`
policies:
  base:
    csrf: {trust_origins: ["https://pay.example.com"]}
  watched: {extends: base, csrf: report}
routes:
  - {path_prefix: /watched, upstream: app, policy: watched}
  - {path_prefix: /, upstream: app, policy: base}
`)
	for _, test := range []struct {
		name, url, origin, site string
		mode                    filterpolicy.Mode
		answer                  string
	}{
		{"another site", "https://shop.example/", "https://evil.example", "cross-site", filterpolicy.Enforce, "refused with 403"},
		{"a trusted origin", "https://shop.example/", "https://pay.example.com", "cross-site", filterpolicy.Enforce, "not refused"},
		{"what is inherited", "https://shop.example/watched", "https://pay.example.com", "cross-site", filterpolicy.Report, "not refused"},
		{"what is only watched", "https://shop.example/watched", "https://evil.example", "", filterpolicy.Report, "refused with 403"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Origin": {test.origin}}
			if test.site != "" {
				header.Set("Sec-Fetch-Site", test.site)
			}
			e, err := c.Explain(Query{Method: "POST", URL: test.url, Header: header})
			if err != nil || e.CSRF == nil {
				t.Fatalf("%+v, %v", e, err)
			}
			if e.CSRF.Mode != test.mode || !strings.HasPrefix(e.CSRF.Answer, test.answer) {
				t.Errorf("%+v", e.CSRF)
			}
		})
	}
}

func TestARouteMayOverrideCSRFAlone(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`
policies: {base: {headers: {preset: strict}}}
routes: [{path_prefix: /, upstream: app, policy: base, csrf: enforce}]
`)
	for _, q := range []Query{
		{Method: "POST", URL: "https://shop.example/", Header: http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		{Method: "GET", URL: "https://shop.example/", Header: http.Header{"Upgrade": {"websocket"}, "Origin": {"https://evil.example"}}},
	} {
		e, err := c.Explain(q)
		if err != nil || e.CSRF == nil || !strings.HasPrefix(e.CSRF.Answer, "refused") {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

func TestExplainTellsWhoWroteEachHeader(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`policies:
  base:
    headers: {preset: strict, csp: {script-src: ["'nonce'"]}, set: {X-Own: 1}}
  site:
    extends: base
    headers: {existing: {Referrer-Policy: keep}, cookies: {same_site: Strict}}
routes:
  - {name: shop, path_prefix: /, upstream: app, policy: site, headers: {csp: {frame-ancestors: ["'self'"]}}}
`)
	e, err := c.Explain(Query{Method: "GET", URL: "https://x.example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]HeaderFinding{"set-cookie": *e.Cookies}
	for _, h := range e.Headers {
		found[h.Name] = h
		for _, part := range h.Parts {
			found[part.Name] = part
		}
	}
	for name, want := range map[string]struct{ value, because, layer, path, existing string }{
		"x-own":                   {"1", "", "extends base", "policies.base.headers.set.X-Own", ""},
		"referrer-policy":         {"no-referrer", "preset strict", "extends base", "policies.base.headers.preset", "keep"},
		"x-frame-options":         {"SAMEORIGIN", "as csp frame-ancestors", "route shop", "routes[0].headers.csp.frame-ancestors", ""},
		"frame-ancestors":         {"'self'", "", "route shop", "routes[0].headers.csp.frame-ancestors", ""},
		"script-src":              {"'nonce'", "", "extends base", "policies.base.headers.csp.script-src", ""},
		"style-src":               {"'self'", "preset strict", "extends base", "policies.base.headers.preset", ""},
		"set-cookie":              {"Secure over TLS, HttpOnly, SameSite=Strict", "", "policy site", "policies.site.headers.cookies", ""},
		"content-security-policy": {found["content-security-policy"].Value, "", "route shop", "routes[0].headers.csp", ""},
	} {
		h := found[name]
		if h.From == nil || h.Value != want.value || h.Because != want.because || h.Layer != want.layer || h.From.Path != want.path || h.Existing != want.existing {
			t.Errorf("%s: %+v from %+v", name, h, h.From)
		}
	}
}

func TestWeakHeadersAreWarnedOf(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, preamble+`policies:
  base:
    headers:
      csp: {script-src: ["'self'", "'unsafe-inline'"], object-src: ["'none'"], base-uri: ["'none'"]}
      csp_report_only: {default-src: ["'none'"]}
routes: [{path_prefix: /, upstream: app, policy: base}]
`)
	want := []string{
		`gatehouse.yaml:7:36: policies.base.headers.csp.script-src[1]: lets injected script run: use a nonce ('nonce') or hashes: "'unsafe-inline'"`,
		`gatehouse.yaml:8:24: policies.base.headers.csp_report_only: is missing: nobody hears what this policy would block: "report-to"`,
	}
	for i, w := range want {
		if len(c.Warnings) != len(want) || c.Warnings[i].Error() != w {
			t.Fatalf("got %v", c.Warnings)
		}
	}
}

func TestExplainTellsOfTheRedirect(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `version: 1
envoy: {listen: 127.0.0.1:8080, tls: {listen: 127.0.0.1:8443, cert_file: c.pem, key_file: k.pem, redirect_http: true}}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies: {base: {headers: {preset: strict}}}
routes: [{name: site, path_prefix: /, upstream: app, policy: base}]
`)
	for url, route := range map[string]string{"http://a.example/x": "", "https://a.example/x": "site", "/x": "site"} {
		e, err := c.Explain(Query{Method: "GET", URL: url})
		if err != nil || e.Route != route || strings.Contains(e.Outcome, "308 to https, port 8443") != (route == "") {
			t.Errorf("%s: %v, %+v", url, err, e)
		}
	}
}
