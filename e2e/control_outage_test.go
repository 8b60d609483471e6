package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

const controlOutageConfig = preamble + `
policies:
  base: {session: required}
routes:
  - {name: api, path_prefix: /api, upstream: app, policy: base}
`

func TestWithoutControlTrafficGoesOnAndNoEventIsMissing(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: controlOutageConfig})
	token := p.SignIn(t)
	var sent []string
	for _, outage := range []struct {
		name  string
		begin func(t pack.TB)
	}{
		{"stopped", p.Control.Stop},
		{"killed", p.Control.Kill},
	} {
		t.Run(outage.name, func(t *testing.T) {
			load := pack.StartLoad(t, pack.HTTP1(), 2, 10*time.Millisecond, alternately(t, p, token))
			awaitTotal(t, load, 50)
			outage.begin(t)
			awaitTotal(t, load, 200)
			if fresh := p.SignIn(t); fresh == token {
				t.Error("a new sign-in gave the old token")
			}
			token = p.SignIn(t)
			p.Control.Start(t)
			awaitTotal(t, load, load.Peek().Total()+50)

			tally := load.Stop()
			tally.Only(t, http.StatusOK, http.StatusUnauthorized)
			if len(tally.RequestIDs) != tally.Total() {
				t.Fatalf("%d answers, but %d request ids", tally.Total(), len(tally.RequestIDs))
			}
			sent = append(sent, tally.RequestIDs...)
			expectEachOnce(t, p, sent)
		})
	}
}

// alternately makes requests that pass and requests that are refused.
func alternately(t *testing.T, p *pack.Pack, token string) func() *http.Request {
	t.Helper()
	turn := make(chan bool, 1)
	turn <- true
	return func() *http.Request {
		pass := <-turn
		turn <- !pass
		r := pack.Request(t, http.MethodGet, p.URL("/api/things"), nil)
		if pass {
			pack.Bearer(token)(r)
		}
		return r
	}
}

func awaitTotal(t *testing.T, load *pack.Load, n int) {
	t.Helper()
	pack.Eventually(t, startOfLoad, fmt.Sprintf("%d answers", n), func(context.Context) error {
		if load.Peek().Total() < n {
			return errNotYet
		}
		return nil
	})
}

// expectEachOnce waits until the audit log has Envoy's event of each request,
// and checks that none is there twice.
func expectEachOnce(t *testing.T, p *pack.Pack, requestIDs []string) {
	t.Helper()
	times := map[string]int{}
	pack.Eventually(t, 20*time.Second, "every request is in the audit log", func(context.Context) error {
		clear(times)
		ids := map[string]bool{}
		for _, e := range p.Events(t) {
			if ids[e.ID] {
				t.Fatalf("event %s is in the audit log twice", e.ID)
			}
			ids[e.ID] = true
			if e.Source == "envoy" {
				times[e.RequestID]++
			}
		}
		missing := 0
		for _, id := range requestIDs {
			if times[id] == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d requests have no event", missing, len(requestIDs))
		}
		return nil
	})
	for _, id := range requestIDs {
		if times[id] != 1 {
			t.Errorf("request %s has %d events", id, times[id])
		}
	}
}
