package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"gatehouse/authz"
	"gatehouse/authz/secret"
)

type trivial struct {
	authv3.UnimplementedAuthorizationServer
}

func (trivial) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{
		Status: &status.Status{}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}},
	}, nil
}

func serveTrivial(ctx context.Context, path string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, trivial{})
	go func() {
		<-ctx.Done()
		server.Stop()
	}()
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

const policyText = `{"version": "bench", "policies": {
  "cached": {"session": {"require": "required"}},
  "fresh": {"session": {"require": "required", "cache": "off"}}
}, "sign_in": {}}`

func serveAuthz(ctx context.Context, path, store string) error {
	policyFile := filepath.Join(filepath.Dir(path), "policy.json")
	if err := os.WriteFile(policyFile, []byte(policyText), 0o600); err != nil {
		return fmt.Errorf("write the policy: %w", err)
	}
	err := authz.Run(ctx, authz.Options{
		Listen: "unix://" + path, PolicyFile: policyFile, Redis: authz.RedisOptions{URL: secret.New([]byte("unix://" + store))},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fmt.Errorf("authz: %w", err)
	}
	return nil
}
