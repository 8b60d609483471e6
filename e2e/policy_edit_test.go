package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/e2e/pack"
)

// editConfig is the n-th edition of a policy that the filter enforces (the
// header) and authz counts (the limit).
func editConfig(edition, limit int, more string) string {
	return fmt.Sprintf(preamble+`
policies:
  base:
    headers: {set: {X-Edition: "%d"}}
    limits: [{name: edited_%d, by: [ip], rate: %d/60s}]
%s
  - {name: base, path_prefix: /base, upstream: app, policy: base}
`, edition, edition, limit, more)
}

const (
	noMore = "routes:"
	// newPolicyAndRoute names a policy that neither Envoy nor authz has heard
	// of before.
	newPolicyAndRoute = `  fresh_%d:
    headers: {set: {X-Fresh: "%d"}}
    limits: [{name: fresh, by: [ip], rate: 100000/60s}]
routes:
  - {name: fresh, path: /fresh, upstream: app, policy: fresh_%d}`
	plenty = 100_000
	// live is the issue's own bound.
	live = 2 * time.Second
)

func TestAnEditedPolicyIsLiveWithinTwoSecondsAndNoRequestIsLost(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: editConfig(1, plenty, noMore)})
	envoy := p.Envoy.Pid()
	base := loadOn(t, p, "/base/x")
	fresh := loadOn(t, p, "/fresh")

	for edition := 2; edition <= 6; edition++ {
		more := fmt.Sprintf(newPolicyAndRoute, edition, edition, edition)
		p.WriteConfig(t, editConfig(edition, plenty, more))
		took := awaitHeader(t, p, "/base/x", "X-Edition", edition)
		took += awaitHeader(t, p, "/fresh", "X-Fresh", edition)
		t.Logf("edition %d live after %v", edition, took.Round(time.Millisecond))
	}
	p.WriteConfig(t, editConfig(7, 1, noMore))
	awaitHeader(t, p, "/base/x", "X-Edition", 7)
	pack.Eventually(t, live, "the new limit is enforced", func(context.Context) error {
		if r := p.Get(t, "/base/x", pack.From(clientIP)); r.Status != http.StatusTooManyRequests {
			return fmt.Errorf("status %d", r.Status)
		}
		return nil
	})

	base.Stop().Only(t, http.StatusOK, http.StatusTooManyRequests)
	fresh.Stop().Only(t, http.StatusOK, http.StatusNotFound)
	p.Envoy.MustRun(t)
	if p.Envoy.Pid() != envoy {
		t.Error("Envoy was started anew")
	}
	p.AwaitEvent(t, "policy_changed", func(e event.Event) bool { return e.Type == event.PolicyChanged })
}

func TestABrokenEditChangesNothingAndSaysWhy(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: editConfig(1, plenty, noMore)})
	load := loadOn(t, p, "/base/x")
	for name, broken := range map[string]struct{ config, at string }{
		"a misspelt key": {strings.Replace(editConfig(2, 1, noMore), "limits:", "limts:", 1), "12:5"},
		"no YAML at all": {editConfig(2, 1, noMore) + "\n\t- {", "16:1"},
	} {
		t.Run(name, func(t *testing.T) {
			p.WriteConfig(t, broken.config)
			where := "gatehouse.yaml:" + broken.at
			pack.Eventually(t, 5*time.Second, "control's log names "+where, func(context.Context) error {
				if !strings.Contains(p.Control.Log(), where) {
					return fmt.Errorf("it ends in %q", lastLines(p.Control.Log()))
				}
				return nil
			})
			if r := p.Get(t, "/base/x"); r.Status != http.StatusOK || r.Header.Get("X-Edition") != "1" {
				t.Errorf("status %d, edition %q after a broken edit", r.Status, r.Header.Get("X-Edition"))
			}
		})
	}
	p.AwaitEvent(t, "policy_rejected", func(e event.Event) bool { return e.Type == event.PolicyRejected })

	p.WriteConfig(t, editConfig(3, plenty, noMore))
	awaitHeader(t, p, "/base/x", "X-Edition", 3)
	load.Stop().Only(t, http.StatusOK)
}

func loadOn(t *testing.T, p *pack.Pack, path string) *pack.Load {
	t.Helper()
	return pack.StartLoad(t, pack.HTTP1(), 4, 20*time.Millisecond, func() *http.Request {
		return pack.Request(t, http.MethodGet, p.URL(path), nil)
	})
}

func awaitHeader(t *testing.T, p *pack.Pack, path, name string, edition int) time.Duration {
	t.Helper()
	return pack.Eventually(t, live, fmt.Sprintf("%s: %d on %s", name, edition, path), func(context.Context) error {
		r := p.Get(t, path, pack.From(clientIP))
		if got := r.Header.Get(name); got != fmt.Sprint(edition) {
			return fmt.Errorf("status %d, %s: %q", r.Status, name, got)
		}
		return nil
	})
}

func lastLines(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}
