package e2e

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

// TestAConcurrencyLimitAndAQuotaOfThePolicyFileHold has real Envoy carry the places of a
// Check to its access log, which frees them.
func TestAConcurrencyLimitAndAQuotaOfThePolicyFileHold(t *testing.T) {
	t.Parallel()
	app := newPlaces()
	p := pack.Start(t, pack.Options{
		Config: preamble + `
policies:
  streams:
    session: none
    limits: [{name: streams, by: [ip], rate: 2/1h, algorithm: concurrency}]
  monthly:
    session: none
    limits: [{name: monthly, by: [ip], rate: 2/month, algorithm: quota, time_zone: Asia/Tokyo}]
routes:
  - {path: /stream, upstream: app, policy: streams}
  - {path: /quota, upstream: app, policy: monthly}
`,
		Answer: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stream" {
				app.ServeHTTP(w, r)
			}
		}),
	})
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	get := func(path string) pack.Response {
		return pack.Do(t, c, pack.Request(t, http.MethodGet, p.URL(path), nil))
	}
	for i, want := range []int{200, 200, 429} {
		r := get("/quota")
		if r.Status != want || !strings.HasPrefix(r.Header.Get("RateLimit-Policy"), `"monthly";q=2`) {
			t.Errorf("request %d of a quota: %d %v", i, r.Status, r.Header)
		}
	}

	app.hold(t, 2, func() int { return get("/stream").Status }, func() {
		for range 3 {
			if r := get("/stream"); r.Status != http.StatusTooManyRequests || r.Header.Get("RateLimit-Policy") != `"streams";q=2;qu="concurrent-requests"` {
				t.Fatalf("a third: %d %v", r.Status, r.Header)
			}
		}
	})
}
