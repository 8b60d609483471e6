package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/e2e/pack"
	filterpolicy "gatehouse/filter/policy"
)

//go:embed envoy.yaml.tmpl
var envoyTemplate string

// setup is what the template knows of one contender.
type setup struct {
	Name                                string
	Address, Port, AdminPort, AuthzPort string
	Own, Filter, Check                  bool
	// Policy goes to ext_authz as a context extension.
	Policy             string
	Wasm, FilterConfig string
	Headers            map[string]string
	Remove             []string
	// Dynamic is the file of the filter's configuration where it comes by
	// discovery.
	Dynamic string
	Workers int // 0 is 1
	// UpstreamPort is where requests go; without one Envoy answers itself.
	UpstreamPort  string
	UpstreamHTTP2 bool
	// TLS asks for a listener with TLS; start fills in the files.
	TLS               bool
	CertFile, KeyFile string
	// Edge is a connection manager as control renders it.
	Edge bool
	// RoutePolicy is in the route's metadata.
	RoutePolicy string
}

// headers are the same for Envoy's own way and for this filter's.
var headers = map[string]string{
	"content-security-policy":      "default-src 'self'",
	"x-frame-options":              "DENY",
	"x-content-type-options":       "nosniff",
	"referrer-policy":              "no-referrer",
	"permissions-policy":           "geolocation=()",
	"cross-origin-opener-policy":   "same-origin",
	"cross-origin-resource-policy": "same-origin",
}

const origin = "https://app.example.com"

func startAll(t pack.TB) []*contender {
	check := pack.StartStandalone(t, authzConfig(t))
	_, authzPort, _ := strings.Cut(check.AuthzAddr(), ":")
	token := check.Token(t, check.SignInAtAuthz(t))
	return []*contender{
		start(t, setup{Name: "plain Envoy"}, ""),
		start(t, setup{Name: "Envoy's own cors and headers", Own: true}, ""),
		start(t, setup{Name: "Gatehouse, filter alone", Filter: true}, ""),
		start(t, setup{Name: "Gatehouse, filter and Check", Filter: true, Check: true, AuthzPort: authzPort}, token),
	}
}

func start(t pack.TB, s setup, token string) *contender {
	ports, dir := pack.ReservePorts(t), t.TempDir()
	addr, admin := ports.Addr(0), ports.Addr(2)
	s.Address, s.Port, _ = strings.Cut(addr, ":")
	_, s.AdminPort, _ = strings.Cut(admin, ":")
	if s.Headers == nil {
		s.Headers = headers
	}
	if s.Wasm == "" {
		s.Wasm = pack.Wasm(t)
	}
	if s.FilterConfig == "" {
		s.FilterConfig = filterConfig(t)
	}
	to := front{addr: addr}
	if s.TLS {
		s.CertFile, s.KeyFile = pack.Certificate(t)
		to.tls = trusting(t, s.CertFile)
	}
	file := filepath.Join(dir, "envoy.yaml")
	if err := os.WriteFile(file, []byte(render(t, s)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &contender{name: s.Name, front: to, admin: admin, envoy: pack.EnvoyWith(t, dir, file, admin, addr, max(1, s.Workers)), requests: [][]byte{request(token)}}
	c.envoy.Start(t)
	return c
}

func request(token string) []byte {
	r := "GET /api/test-endpoint HTTP/1.1\r\nHost: shop.example\r\nOrigin: " + origin + "\r\nAccept: application/json\r\n"
	if token != "" {
		r += "Authorization: Bearer " + token + "\r\n"
	}
	return []byte(r + "\r\n")
}

func render(t pack.TB, s setup) string {
	parsed, err := template.New("envoy").Parse(envoyTemplate)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := parsed.Execute(&text, s); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func filterConfig(t pack.TB) string {
	return fmt.Sprintf("%q", marshal(t, filterpolicy.Config{
		Version: "bench", DefaultPolicy: "base",
		Policies: map[string]filterpolicy.Policy{"base": {
			Headers: &filterpolicy.Headers{Set: headers},
			CORS:    &filterpolicy.CORS{AllowOrigins: []string{origin}, AllowCredentials: true},
		}},
	}))
}

func authzConfig(t pack.TB) string {
	return marshal(t, authzpolicy.Config{
		Version: "bench", DefaultPolicy: "base",
		Policies: map[string]authzpolicy.Policy{"base": {
			Session: authzpolicy.Session{Require: authzpolicy.SessionRequired},
			Limits: []authzpolicy.Limit{
				{Name: "by_ip", By: []string{"ip"}, Requests: 1_000_000_000, WindowMillis: 60_000, Algorithm: authzpolicy.GCRA},
				{Name: "by_user", By: []string{"user"}, Requests: 1_000_000_000, WindowMillis: 60_000, Algorithm: authzpolicy.GCRA},
			},
		}},
	})
}

func marshal(t pack.TB, value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
