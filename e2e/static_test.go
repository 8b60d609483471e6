package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// TestTheStaticConfigurationServes runs envoy/static.yaml: two routes under two
// policies, without a control plane.
func TestTheStaticConfigurationServes(t *testing.T) {
	t.Parallel()
	p := pack.StartStatic(t)
	t.Run("each route has its own policy", func(t *testing.T) {
		const origin = "https://app.example.com"
		site := p.Get(t, "/page", pack.With("Origin", origin))
		site.Seen(t)
		if site.Header.Get("Access-Control-Allow-Origin") != origin || site.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("/page: %v", site.Header)
		}
		if site.Header.Get("RateLimit") == "" {
			t.Errorf("/page is not counted by Envoy's rate limit filter: %v", site.Header)
		}
		other := upload(t, p, "report.pdf", "application/pdf", "%PDF-1.7\n1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\nstartxref\n0\n%%EOF\n",
			pack.With("Origin", origin))
		other.Seen(t)
		if other.Header.Get("Access-Control-Allow-Origin") != "" || other.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("/upload: %v", other.Header)
		}
		lie := upload(t, p, "invoice.pdf", "application/pdf", "MZ\x90\x00 this program cannot be run")
		expectStatus(t, lie, http.StatusUnsupportedMediaType)
		lie.Problem(t)
	})
	t.Run("a session is told to the application, a wrong one is none", func(t *testing.T) {
		token := p.SignIn(t)
		if got := p.Get(t, "/me", pack.Bearer(token)).Seen(t).Header.Get("X-Gatehouse-Subject"); got == "" {
			t.Error("the upstream is not told the subject")
		}
		for name, edit := range map[string]pack.Edit{
			"another token": pack.Bearer(token[:len(token)-1] + "!"), "a claim": pack.With("X-Gatehouse-Subject", "mallory"),
		} {
			if got := p.Get(t, "/me", edit).Seen(t).Header.Get("X-Gatehouse-Subject"); got != "" {
				t.Errorf("with %s the upstream is told %q", name, got)
			}
		}
	})
	t.Run("descriptors are counted exactly", func(t *testing.T) { expectExactDescriptors(t, p) })
	t.Run("without authz nothing passes", func(t *testing.T) {
		p.Authz.Stop(t)
		r := p.Get(t, "/page")
		expectStatus(t, r, http.StatusServiceUnavailable)
		if strings.Contains(string(r.Body), "authz") || r.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%v %s", r.Header, r.Body)
		}
	})
	p.Envoy.MustRun(t)
}

// expectExactDescriptors tries from one address after the other until a burst
// did not cross the end of a minute, where the limit's window ends.
func expectExactDescriptors(t *testing.T, p *pack.Pack) {
	t.Helper()
	minute := func() int64 { return time.Now().Unix() / 60 }
	for host := 2; host < 10; host++ {
		c, mark, before := pack.HTTP1From(fmt.Sprintf("127.0.0.%d", host)), pack.NewMark(), minute()
		count := map[int]int{}
		for _, r := range burst(t, c, 200, 10, func() *http.Request {
			return pack.Request(t, http.MethodGet, p.URL("/page"), nil, pack.Marked(mark))
		}) {
			count[r.Status]++
		}
		c.CloseIdleConnections()
		if minute() != before {
			continue
		}
		if count[http.StatusOK] != 100 || count[http.StatusTooManyRequests] != 100 || len(p.App.Requests(t, mark)) != 100 {
			t.Errorf("%v, %d at the upstream; want 100 of each", count, len(p.App.Requests(t, mark)))
		}
		return
	}
	t.Error("no burst began and ended in the same minute")
}
