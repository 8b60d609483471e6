package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/authz/session"
	"gatehouse/e2e/pack"
)

// The policies of the comparison. defaults says no more than a limit has to, gcra its
// algorithm, too: replicas count ahead what a hot user or address will use. leased says
// how many (lease), and exact none: each request is counted in Redis before it is
// answered. fresh asks Redis for the session, too, and over has limits that are reached.
const (
	policyDefaults = "defaults"
	policyGCRA     = "gcra"
	policyLeased   = "leased"
	policyExact    = "exact"
	policyFresh    = "fresh"
	policySession  = "session"
	policyOver     = "over"
)

// hotUsers come in turn, each often.
const hotUsers = 50

// strangers is of how many users each comes in turn: so many that no session is
// found in the cache, and no counter is hot.
const strangers = 30_000

// startChecks are Envoys with ext_authz alone, as control renders it: before a server
// that says OK to everything, which is what the hop costs, and before authz.
func startChecks(t pack.TB) []*contender {
	check := pack.StartStandalone(t, checkConfig(t))
	_, authzPort, _ := strings.Cut(check.AuthzAddr(), ":")
	token := check.Token(t, check.SignInAtAuthz(t))
	port, pid := startOK(t)
	ok := start(t, setup{Name: "a server that always says OK", Check: true, Policy: policyExact, AuthzPort: port}, token)
	ok.parts = []part{{"server", pid}}
	all := []*contender{ok}
	others := signInStrangers(t, check)
	for _, one := range []struct {
		name, policy string
		tokens       []string
		status       string
	}{
		{"one user: session cached, no limits", policySession, nil, ""},
		{"one user: session cached, two limits (sliding_window) by default", policyDefaults, nil, ""},
		{"50 users: sessions cached, two limits (sliding_window) by default", policyDefaults, others[:hotUsers], ""},
		{"one user: session cached, two limits (gcra) by default", policyGCRA, nil, ""},
		{"one user: session cached, two limits (fixed_window) with lease: 1000", policyLeased, nil, ""},
		{"one user: session cached, two limits in Redis each time (lease: 0)", policyExact, nil, ""},
		{"one user: session and two limits in Redis each time", policyFresh, nil, ""},
		{"one user: over the limits, refused", policyOver, nil, "429"},
		{"each another user: session in Redis, two limits by default", policyDefaults, others, ""},
		{"each another user: session and two limits in Redis", policyExact, others, ""},
	} {
		c := start(t, setup{Name: one.name, Check: true, Policy: one.policy, AuthzPort: authzPort}, token)
		c.parts = []part{{"server", check.Authz.Pid()}, {"Redis", check.Redis.Pid()}}
		for i, other := range one.tokens {
			if i == 0 {
				c.requests = nil
			}
			c.requests = append(c.requests, request(other))
		}
		c.status = one.status
		all = append(all, c)
	}
	for _, c := range all {
		c.parts = append([]part{{"load", os.Getpid()}, {"Envoy", c.envoy.Pid()}}, c.parts...)
	}
	return all
}

// checkConfig has limits that are never reached, but for one policy. GCRA is the cheapest
// of the algorithms where Redis is asked each time.
func checkConfig(t pack.TB) string {
	limits := func(one authzpolicy.Limit) []authzpolicy.Limit {
		made := make([]authzpolicy.Limit, 2)
		for i, by := range []string{"ip", "user"} {
			made[i] = one
			made[i].Name, made[i].By = "by_"+by, []string{by}
		}
		return made
	}
	const many = 1_000_000_000
	none, thousand := int64(0), int64(1000)
	sliding := limits(authzpolicy.Limit{Requests: 100_000, WindowMillis: 10_000}) // it remembers no more
	gcra := limits(authzpolicy.Limit{Requests: many, WindowMillis: 60_000, Algorithm: authzpolicy.GCRA})
	leased := limits(authzpolicy.Limit{Requests: many, WindowMillis: 60_000, Algorithm: authzpolicy.FixedWindow, Lease: &thousand})
	exact := limits(authzpolicy.Limit{Requests: many, WindowMillis: 59_000, Algorithm: authzpolicy.GCRA, Lease: &none})
	over := limits(authzpolicy.Limit{Requests: 100, WindowMillis: 3_600_000})
	required := authzpolicy.Session{Require: authzpolicy.SessionRequired}
	fresh := authzpolicy.Session{Require: authzpolicy.SessionRequired, Cache: "off"}
	return marshal(t, authzpolicy.Config{
		Version: "bench", DefaultPolicy: policyExact,
		Policies: map[string]authzpolicy.Policy{
			policySession:  {Session: required},
			policyDefaults: {Session: required, Limits: sliding},
			policyGCRA:     {Session: required, Limits: gcra},
			policyLeased:   {Session: required, Limits: leased},
			policyExact:    {Session: required, Limits: exact},
			policyFresh:    {Session: fresh, Limits: exact},
			policyOver:     {Session: required, Limits: over},
		},
	})
}

// signInStrangers opens sessions without asking for passwords, which would take
// minutes.
func signInStrangers(t pack.TB, check *pack.Pack) []string {
	client := check.RedisClient(t)
	manager := session.New(client, time.Now, rand.Reader)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tokens := make([]string, strangers)
	for i := range tokens {
		var err error
		tokens[i], _, err = manager.Create(ctx, session.User{ID: fmt.Sprintf("018f2b6e-7c1a-7f3e-9d52-%012x", i)}, session.Grant{
			Idle: time.Hour, Absolute: time.Hour, AMR: []string{"pwd"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tokens
}

// reportCosts prints what a request took of each process, in processor time: on a
// machine that all share, that is where the requests/s go.
func reportCosts(t pack.TB, contenders []*contender) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nprocessor time of a request in µs\tload\tEnvoy\tserver\tRedis\tall\t")
	for _, c := range contenders {
		sum := 0.0
		fmt.Fprintf(w, "%s\t", c.name)
		for _, name := range []string{"load", "Envoy", "server", "Redis"} {
			each := c.cost(name)
			sum += each
			fmt.Fprintf(w, "%.0f\t", each)
		}
		fmt.Fprintf(w, "%.0f\t\n", sum)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// startOK runs this program as that server and returns its port and process.
func startOK(t pack.TB) (string, int) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr := pack.ReservePorts(t).Addr(0)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-what", "serve-ok", "-listen", addr) //nolint:gosec // itself
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for {
		conn, err := net.DialTimeout("tcp4", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			_, port, _ := strings.Cut(addr, ":")
			return port, cmd.Process.Pid
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("the server that says OK does not listen: %v", err)
		}
	}
}

type saysOK struct {
	authv3.UnimplementedAuthorizationServer
}

// Check implements authv3.AuthorizationServer.
func (saysOK) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{
		Status: &status.Status{}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}},
	}, nil
}

func serveOK(addr string) error {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, saysOK{})
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
