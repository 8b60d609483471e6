package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"gatehouse/e2e/pack"
)

// startChecks are two Envoys with ext_authz alone: before a server that says OK to
// everything, which is what the hop costs, and before authz with a session and two
// limits.
func startChecks(t pack.TB) []*contender {
	check := pack.StartStandalone(t, authzConfig(t))
	_, authzPort, _ := strings.Cut(check.AuthzAddr(), ":")
	token := check.Token(t, check.SignInAtAuthz(t))
	return []*contender{
		start(t, setup{Name: "Check by a server that always says OK", Check: true, AuthzPort: startOK(t)}, token),
		start(t, setup{Name: "Check with a session and two limits", Check: true, AuthzPort: authzPort}, token),
	}
}

// startOK runs this program as that server and returns its port.
func startOK(t pack.TB) string {
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
			return port
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
