package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/e2e/pack"
)

const outageConfig = preamble + `
policies:
  session: {session: required}
  deny:
    limits: [{name: denying, by: [ip], rate: 100000/60s, on_redis_error: deny}]
  allow:
    limits: [{name: allowing, by: [ip], rate: 100000/60s, on_redis_error: allow}]
  local:
    limits: [{name: local, by: [ip], rate: 100000/60s, on_redis_error: local}]
  local_small:
    limits: [{name: local_small, by: [ip], rate: 3/60s, on_redis_error: local}]
routes:
  - {path: /session, upstream: app, policy: session}
  - {path: /deny, upstream: app, policy: deny}
  - {path: /allow, upstream: app, policy: allow}
  - {path: /local, upstream: app, policy: local}
  - {path: /local-small, upstream: app, policy: local_small}
`

// recovery is the issue's own bound.
const recovery = 2 * time.Second

var errNotYet = errors.New("not yet")

func TestWithoutRedisChecksFailByPolicyAndRecoverByThemselves(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: outageConfig})
	outages := []struct {
		name       string
		begin, end func(t pack.TB)
	}{
		{"stopped", p.Redis.Stop, p.Redis.Start},
		{"killed", p.Redis.Kill, p.Redis.Start},
		{"hung", p.Redis.Freeze, p.Redis.Thaw},
	}
	token := p.SignIn(t)
	envoy := p.Envoy.Pid()
	for _, outage := range outages {
		t.Run(outage.name, func(t *testing.T) {
			o := startOutageLoads(t, p, token)
			o.await(t, startOfLoad, http.StatusOK)
			outage.begin(t)
			o.await(t, startOfLoad, http.StatusServiceUnavailable)
			refused := o.expectOutage(t)
			expectLocalLimit(t, p)

			outage.end(t)
			took := o.await(t, recovery, http.StatusOK)
			t.Logf("recovered %v after Redis was back", took.Round(time.Millisecond))
			o.expectRecovered(t)
			e := awaitFor(t, p, refused, event.CheckUnavailable)
			expectRule(t, e)
		})
	}
	p.Envoy.MustRun(t)
	p.Authz.MustRun(t)
	if p.Envoy.Pid() != envoy {
		t.Error("Envoy was started anew")
	}
}

// startOfLoad is generous: it bounds a wait, it is not a promise.
const startOfLoad = 20 * time.Second

type outageLoads struct {
	session, deny, allow, local *pack.Load
}

func startOutageLoads(t *testing.T, p *pack.Pack, token string) outageLoads {
	t.Helper()
	load := func(path string) *pack.Load {
		return pack.StartLoad(t, pack.HTTP1(), 2, 20*time.Millisecond, func() *http.Request {
			return pack.Request(t, http.MethodGet, p.URL(path), nil, pack.Bearer(token))
		})
	}
	return outageLoads{session: load("/session"), deny: load("/deny"), allow: load("/allow"), local: load("/local")}
}

// await waits until what depends on Redis answers with the status and nothing
// else.
func (o outageLoads) await(t *testing.T, within time.Duration, status int) time.Duration {
	t.Helper()
	o.session.Cut()
	o.deny.Cut()
	return pack.Eventually(t, within, "session and limit answer "+http.StatusText(status), func(context.Context) error {
		for _, load := range []*pack.Load{o.session, o.deny} {
			switch seen := load.Peek(); {
			case seen.Total() > seen.Status[status]: // a slice may answer before Redis is asked again, or after
				load.Cut()
				return errNotYet
			case seen.Total() < 5:
				return errNotYet
			}
		}
		return nil
	})
}

// expectOutage checks each load's answers while Redis is away, and returns the
// request id of one refusal.
func (o outageLoads) expectOutage(t *testing.T) string {
	t.Helper()
	o.cut()
	o.awaitCount(t, 40)
	session := o.session.Cut()
	session.Only(t, http.StatusServiceUnavailable)
	o.deny.Cut().Only(t, http.StatusServiceUnavailable)
	o.allow.Cut().Only(t, http.StatusOK)
	o.local.Cut().Only(t, http.StatusOK)
	if len(session.RequestIDs) == 0 {
		t.Fatal("the refusals name no request id")
	}
	return session.RequestIDs[0]
}

func (o outageLoads) expectRecovered(t *testing.T) {
	t.Helper()
	o.cut()
	o.awaitCount(t, 40)
	for _, load := range []*pack.Load{o.session, o.deny, o.allow, o.local} {
		load.Stop().Only(t, http.StatusOK)
	}
}

func (o outageLoads) cut() {
	for _, load := range []*pack.Load{o.session, o.deny, o.allow, o.local} {
		load.Cut()
	}
}

// awaitCount waits until each load has had n answers.
func (o outageLoads) awaitCount(t *testing.T, n int) {
	t.Helper()
	pack.Eventually(t, startOfLoad, "enough answers", func(context.Context) error {
		for _, load := range []*pack.Load{o.session, o.deny, o.allow, o.local} {
			if load.Peek().Total() < n {
				return errNotYet
			}
		}
		return nil
	})
}

// expectLocalLimit finds the limit of three in force although nobody counts in
// Redis.
func expectLocalLimit(t *testing.T, p *pack.Pack) {
	t.Helper()
	count := map[int]int{}
	for range 10 {
		count[p.Get(t, "/local-small", pack.From(addressFor(t))).Status]++
	}
	if count[http.StatusOK] != 3 || count[http.StatusTooManyRequests] != 7 {
		t.Errorf("a local limit of 3 gave %v for ten requests", count)
	}
}
