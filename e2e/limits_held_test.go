package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// TestAConcurrencyLimitAndAQuotaOfThePolicyFileHold has real Envoy carry the places of a
// Check to its access log, which frees them.
func TestAConcurrencyLimitAndAQuotaOfThePolicyFileHold(t *testing.T) {
	t.Parallel()
	var under, most atomic.Int64
	end := make(chan struct{})
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
		Answer: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/stream" {
				return
			}
			n := under.Add(1)
			defer under.Add(-1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			select {
			case <-end:
			case <-r.Context().Done():
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

	ended := make(chan int, 3)
	open := func() { go func() { ended <- get("/stream").Status }() }
	open()
	open()
	pack.Eventually(t, 10*time.Second, "two are under way", func(context.Context) error {
		if n := under.Load(); n != 2 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	for range 3 {
		if r := get("/stream"); r.Status != http.StatusTooManyRequests || r.Header.Get("RateLimit-Policy") != `"streams";q=2;qu="concurrent-requests"` {
			t.Fatalf("a third: %d %v", r.Status, r.Header)
		}
	}
	end <- struct{}{}
	if got := <-ended; got != http.StatusOK {
		t.Fatalf("%d", got)
	}
	open()
	pack.Eventually(t, 10*time.Second, "another takes the place", func(context.Context) error {
		if under.Load() == 2 {
			return nil
		}
		select {
		case status := <-ended:
			open()
			return fmt.Errorf("%d", status)
		default:
			return fmt.Errorf("%d under way", under.Load())
		}
	})
	close(end)
	for range 2 {
		if got := <-ended; got != http.StatusOK {
			t.Errorf("%d", got)
		}
	}
	if most.Load() > 2 {
		t.Errorf("%d at once", most.Load())
	}
}
