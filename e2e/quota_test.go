package e2e

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// TestEnvoyEnforcesItsQuotaByItself runs envoy/quota.yaml: real Envoy's
// rate_limit_quota filter, dealt a share of 50 a second by authz.
func TestEnvoyEnforcesItsQuotaByItself(t *testing.T) {
	t.Parallel()
	files := filepath.Join(pack.Root(t), "envoy")
	p := pack.StartStandalone(t, `{"version": "v1", "policies": {}, "sign_in": {}}`, "--ratelimit-config", filepath.Join(files, "ratelimit"))
	p.App = pack.StartUpstream(t, nil)
	_, app, _ := net.SplitHostPort(strings.TrimPrefix(p.App.URL, "http://"))
	_, demo, _ := net.SplitHostPort(p.Ports.Addr(7))
	p.Envoy = pack.StartableEnvoy(t, p.Dir, p.Ports, filepath.Join(files, "quota.yaml"), "port_value: "+demo, "port_value: "+app)
	p.Envoy.Start(t)

	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	// Nothing passes before the first assignment. With it, a second lets its share
	// through, and no more.
	allowed, denied := 0, 0
	deadline := time.Now().Add(30 * time.Second)
	for best := 0; best <= 30; {
		if time.Now().After(deadline) {
			t.Fatalf("no second lets more than %d through: the quota of 50 is not in force", best)
		}
		second := time.Now().Add(time.Second)
		passed := 0
		for time.Now().Before(second) {
			switch r := pack.Do(t, c, pack.Request(t, http.MethodGet, p.URL("/"), nil)); r.Status {
			case http.StatusOK:
				passed++
				allowed++
			case http.StatusTooManyRequests:
				denied++
			default:
				t.Fatalf("%d %s", r.Status, r.Body)
			}
		}
		best = max(best, passed)
		// The share and a tenth for its burst; a second that the machine drew out has
		// more room.
		if elapsed := time.Since(second.Add(-time.Second)); float64(passed) > 50*elapsed.Seconds()+2*5+1 {
			t.Fatalf("%d passed in a second, of a limit of 50", passed)
		}
	}
	if denied == 0 {
		t.Errorf("nothing was denied of %d", allowed)
	}
}
