package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

const redirecting = `
version: 1
envoy:
  listen: ${LISTEN}
  tls: {listen: "${LISTEN_TLS}", cert_file: "${CERT}", key_file: "${KEY}", redirect_http: true}
upstreams: {app: {url: "${APP}"}}
policies:
  base: {headers: {preset: strict, csp: {script-src: ["'nonce'"]}}}
routes:
  - {path_prefix: /, upstream: app, policy: base}
`

func TestWhatComesWithoutTLSIsRedirectedAndTheRestHasHSTS(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: redirecting})
	client := pack.HTTP1()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{"/", "/a/b?c=d", "/auth/login"} {
		r := pack.Do(t, client, pack.Request(t, http.MethodPost, p.URL(path), nil))
		want := strings.Replace(p.TLSURL(path), "127.0.0.1", "shop.example", 1) // the Host of pack.Request
		if to := r.Header.Get("Location"); r.Status != http.StatusPermanentRedirect || to != want {
			t.Errorf("%s: %d to %q, want %q", path, r.Status, to, want)
		}
		if r.Header.Get("Strict-Transport-Security") != "" || r.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: the redirect has %v", path, r.Header)
		}
	}
	// A client may say what it likes about its connection.
	r := pack.Do(t, client, pack.Request(t, http.MethodGet, p.URL("/"), nil, pack.With("X-Forwarded-Proto", "https")))
	if r.Status != http.StatusPermanentRedirect {
		t.Errorf("a client that claims TLS gets %d", r.Status)
	}
	r = pack.Do(t, client, pack.Request(t, http.MethodGet, p.TLSURL("/"), nil, pack.With("X-Csp-Nonce", "mine")))
	nonce := r.Seen(t).Header.Get("X-Csp-Nonce")
	if r.Status != http.StatusOK || nonce == "" || nonce == "mine" || !strings.Contains(r.Header.Get("Content-Security-Policy"), "'nonce-"+nonce+"'") {
		t.Errorf("%d, nonce %q, %v", r.Status, nonce, r.Header)
	}
	if r.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS over TLS")
	}
}

func TestWhatABrowserReportsIsCountedAndShown(t *testing.T) {
	t.Parallel()
	dir, ports := t.TempDir(), pack.ReservePorts(t)
	up := pack.Up(t, dir, "--port-base", strconv.Itoa(ports.Base()))
	up.Start(t)
	const body = `[{"type": "csp-violation", "body": {"documentURL": "https://app.example/", "blockedURL": "trusted-types-sink",
		"effectiveDirective": "require-trusted-types-for", "disposition": "report"}}]`
	report := pack.Request(t, http.MethodPost, "http://"+ports.Addr(0)+"/csp-reports/page", strings.NewReader(body),
		pack.With("Content-Type", "application/reports+json"))
	if r := pack.Do(t, pack.HTTP1(), report); r.Status != http.StatusNoContent {
		t.Fatalf("the report is answered with %d: %s", r.Status, r.Body)
	}
	out, err := exec.CommandContext(t.Context(), pack.Gatehouse(t), "csp", "report", "--output", "json", //nolint:gosec // our own program
		"--store", "sqlite:"+filepath.Join(dir, "gatehouse.db")).Output()
	var found []struct {
		Policy, Disposition, Directive, Blocked string
		Reports                                 int
	}
	if err != nil || json.Unmarshal(out, &found) != nil || len(found) != 1 || found[0].Policy != "page" || found[0].Disposition != "report" ||
		found[0].Directive != "require-trusted-types-for" || found[0].Reports != 1 {
		t.Errorf("%v: %s", err, out)
	}
}
