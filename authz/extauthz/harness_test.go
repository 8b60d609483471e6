package extauthz

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"gatehouse/authz/extauthz/store"
	"gatehouse/authz/limit"
	"gatehouse/authz/policy"
	"gatehouse/authz/session"
)

const testPolicy = `{
  "version": "v1",
  "default_policy": "open",
  "rules": [{"hosts": ["admin.example.com"], "path_prefix": "/admin", "policy": "members"}],
  "policies": {
    "open": {"session": {}},
    "members": {"session": {"require": "required", "max_idle_seconds": 600}},
    "maybe": {"session": {"require": "optional"}},
    "watched": {"session": {"require": "required", "mode": "report"}},
    "limited": {"session": {"require": "required"}, "limits": [
      {"name": "ip", "by": ["ip"], "requests": 3, "window_ms": 60000},
      {"name": "user", "by": ["user"], "requests": 2, "window_ms": 60000}]},
    "consented": {"session": {"require": "required"}, "consent": {"purpose": "news"}},
    "consented-maybe": {"session": {"require": "optional"}, "consent": {"purpose": "news"}},
    "consented-gpc": {"session": {"require": "required"}, "consent": {"purpose": "news", "gpc": true}},
    "consented-report": {"session": {"require": "required"}, "consent": {"purpose": "news", "mode": "report"}},
    "consented-limited": {"session": {"require": "required"}, "consent": {"purpose": "news"}, "limits": [
      {"name": "l", "by": ["ip"], "requests": 1, "window_ms": 60000}]},
    "trial": {"session": {}, "limits": [
      {"name": "tried", "by": ["ip"], "requests": 1, "window_ms": 60000, "mode": "report"},
      {"name": "held", "by": ["ip"], "requests": 3, "window_ms": 60000}]},
    "deny": {"session": {}, "limits": [{"name": "l", "by": ["ip"], "requests": 2, "window_ms": 60000}]},
    "denied-report": {"session": {}, "limits": [{"name": "l", "by": ["ip"], "requests": 2, "window_ms": 60000, "mode": "report"}]},
    "allow": {"session": {}, "limits": [{"name": "l", "by": ["ip"], "requests": 2, "window_ms": 60000, "on_redis_error": "allow"}]},
    "local": {"session": {}, "limits": [{"name": "l", "by": ["ip"], "requests": 2, "window_ms": 60000, "on_redis_error": "local"}]},
    "mixed": {"session": {}, "limits": [
      {"name": "l", "by": ["ip"], "requests": 2, "window_ms": 60000, "on_redis_error": "local"},
      {"name": "d", "by": ["ip"], "requests": 2, "window_ms": 60000}]}
  },
  "sign_in": {}
}`

// validToken has the form of a token; fakeSessions decides what it opens.
const validToken = session.TokenPrefix + "anythinganythinganythinganythinganythinganythinganythinganyth"

// fakeSessions answers what a test says.
type fakeSessions struct {
	answer session.Session
	err    error
	asked  []string
	demand session.Demand
}

func (f *fakeSessions) Lookup(_ context.Context, token string, demand session.Demand) (session.Session, error) {
	f.asked, f.demand = append(f.asked, token), demand
	return f.answer, f.err
}

// fakeStore asks the fakes, as store.Store would ask Redis.
type fakeStore struct {
	sessions *fakeSessions
	limits   *localLimits
}

func (f fakeStore) Ask(ctx context.Context, q store.Query) (a store.Answer) {
	if q.Token != "" {
		a.Session, a.Err = f.sessions.Lookup(ctx, q.Token, q.Demand)
		if q.Needed && a.Err != nil && !errors.Is(a.Err, session.ErrInvalid) {
			return a
		}
	}
	requests := q.Limits
	if a.Err == nil {
		for _, r := range q.UserLimits {
			if q.Token != "" {
				r.Slot = session.Handle(a.Session.User.ID) // the fake's tokens are all alike
			}
			requests = append(requests[:len(requests):len(requests)], r)
		}
	}
	counted := make([]store.Counted, len(requests))
	results, err := f.limits.Admit(ctx, requests)
	for i := range counted {
		if counted[i].Err = err; err == nil {
			counted[i].Result = results[i]
		}
	}
	a.Limits, a.UserLimits = counted[:len(q.Limits)], counted[len(q.Limits):]
	return a
}

// fakeConsents answers what a test says.
type fakeConsents struct {
	given bool
	err   error
	asked []string
}

func (f *fakeConsents) Given(_ context.Context, userID, purpose string) (bool, error) {
	f.asked = append(f.asked, userID+" "+purpose)
	return f.given, f.err
}

// localLimits counts in memory, and fails when a test says so.
type localLimits struct {
	*limit.Local
	err error
}

func (l localLimits) Admit(_ context.Context, requests []limit.Request) ([]limit.Result, error) {
	if l.err != nil {
		return nil, l.err
	}
	return l.Local.Admit(requests)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type harness struct {
	*Service
	sessions  *fakeSessions
	consents  *fakeConsents
	limits    *localLimits
	clock     *clock
	disagreed []string
	source    *policy.Source
	file      string
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	return newHarnessWith(t, testPolicy)
}

func newHarnessWith(t testing.TB, policyJSON string) *harness {
	t.Helper()
	h := &harness{
		sessions: &fakeSessions{answer: session.Session{User: session.User{ID: "user-1"}}},
		consents: &fakeConsents{},
		clock:    &clock{now: time.Unix(1_800_000_000, 0)},
		file:     filepath.Join(t.TempDir(), "policy.json"),
	}
	h.limits = &localLimits{Local: limit.NewLocal(1000, h.clock.Now)}
	h.write(t, policyJSON)
	log := slog.New(slog.DiscardHandler)
	source, err := policy.NewSource(t.Context(), policy.SourceOptions{File: h.file, Log: log, Now: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.source = source
	h.Service = New(Options{
		Policy: source, Store: fakeStore{h.sessions, h.limits}, Consents: h.consents,
		Local:   limit.NewLocal(1000, h.clock.Now),
		Subject: func(id string) string { return "u:" + id }, Now: h.clock.Now, Log: log,
		Metrics:   NewMetrics(prometheus.NewRegistry()),
		Disagreed: func(loaded, foreign string) { h.disagreed = append(h.disagreed, loaded+"/"+foreign) },
	})
	return h
}

func (h *harness) write(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask describes a request; from has a default.
type ask struct {
	policy, version, route string
	method, host, path     string
	headers                map[string]string
	raw                    []*corev3.HeaderValue
	from                   string
	withoutAddress         bool
}

func (a ask) request() *authv3.CheckRequest {
	if a.method == "" {
		a.method = "GET"
	}
	if a.path == "" {
		a.path = "/x"
	}
	if a.from == "" && !a.withoutAddress {
		a.from = "203.0.113.7"
	}
	in := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"policy": a.policy, "policy_version": a.version, "route": a.route},
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: a.from},
		}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: a.method, Host: a.host, Path: a.path, Headers: a.headers,
		}},
	}}
	if a.raw != nil {
		in.Attributes.Request.Http.HeaderMap = &corev3.HeaderMap{Headers: a.raw}
	}
	return in
}

// answer is a CheckResponse, read.
type answer struct {
	*authv3.CheckResponse
	code     int // of HTTP; 200 when allowed
	metadata map[string]any
}

func (h *harness) check(t testing.TB, a ask) answer {
	t.Helper()
	out, err := h.Check(t.Context(), a.request())
	if err != nil {
		t.Fatal(err)
	}
	if out.GetStatus() == nil {
		t.Fatal("the answer has no status: Envoy would take it for a yes")
	}
	got := answer{CheckResponse: out, code: 200, metadata: out.GetDynamicMetadata().AsMap()}
	if denied := out.GetDeniedResponse(); denied != nil {
		got.code = int(denied.GetStatus().GetCode())
	}
	if (got.code == 200) != (out.GetStatus().GetCode() == int32(codes.OK)) {
		t.Fatalf("HTTP says %d and gRPC %d", got.code, out.GetStatus().GetCode())
	}
	return got
}

func find(options []*corev3.HeaderValueOption, name string) (string, bool) {
	for _, o := range options {
		if o.GetHeader().GetKey() == name {
			return o.GetHeader().GetValue(), true
		}
	}
	return "", false
}

func cookies(s ...string) map[string]string {
	return map[string]string{"cookie": strings.Join(s, "; ")}
}

var errDown = errors.New("redis is away")
