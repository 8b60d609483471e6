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

// The policies of the comparison. exact counts each request in Redis before it is
// answered; leased counts ahead what a hot user or address will use (lease); fresh
// asks Redis for the session, too.
const (
	policyExact   = "exact"
	policyLeased  = "leased"
	policyFresh   = "fresh"
	policySession = "session"
)

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
	for _, one := range []struct {
		name, policy string
		tokens       []string
	}{
		{"one user: session cached, no limits", policySession, nil},
		{"one user: session cached, two limits with a lease", policyLeased, nil},
		{"one user: session cached, two limits in Redis each time", policyExact, nil},
		{"one user: session and two limits in Redis each time", policyFresh, nil},
		{"each another user: session and two limits in Redis", policyExact, signInStrangers(t, check)},
	} {
		c := start(t, setup{Name: one.name, Check: true, Policy: one.policy, AuthzPort: authzPort}, token)
		c.parts = []part{{"server", check.Authz.Pid()}, {"Redis", check.Redis.Pid()}}
		for _, other := range one.tokens {
			c.requests = append(c.requests, request(other))
		}
		all = append(all, c)
	}
	for _, c := range all {
		c.parts = append([]part{{"load", os.Getpid()}, {"Envoy", c.envoy.Pid()}}, c.parts...)
	}
	return all
}

// checkConfig has limits that are never reached. GCRA is the cheapest of the exact
// algorithms; leases are for fixed windows only.
func checkConfig(t pack.TB) string {
	limits := func(algorithm authzpolicy.Algorithm, lease int64) []authzpolicy.Limit {
		made := make([]authzpolicy.Limit, 2)
		for i, by := range []string{"ip", "user"} {
			made[i] = authzpolicy.Limit{
				Name: "by_" + by, By: []string{by}, Requests: 1_000_000_000, WindowMillis: 60_000, Algorithm: algorithm, Lease: lease,
			}
		}
		return made
	}
	required := authzpolicy.Session{Require: authzpolicy.SessionRequired}
	fresh := authzpolicy.Session{Require: authzpolicy.SessionRequired, Cache: "off"}
	const lease = 1000
	return marshal(t, authzpolicy.Config{
		Version: "bench", DefaultPolicy: policyExact,
		Policies: map[string]authzpolicy.Policy{
			policySession: {Session: required},
			policyLeased:  {Session: required, Limits: limits(authzpolicy.FixedWindow, lease)},
			policyExact:   {Session: required, Limits: limits(authzpolicy.GCRA, 0)},
			policyFresh:   {Session: fresh, Limits: limits(authzpolicy.GCRA, 0)},
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
