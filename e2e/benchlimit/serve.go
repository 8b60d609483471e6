package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"gatehouse/authz"
	"gatehouse/authz/secret"
)

// be is what this program is when it is started as a contender.
func be(ctx context.Context, what, listen, config, redis, profile string) error {
	if profile != "" {
		f, err := os.Create(profile) // #nosec G304 -- the developer's own file
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	switch what {
	case "echo":
		return beEcho(ctx, listen)
	case "ours":
		url := secret.New([]byte(redis))
		return authz.Run(ctx, authz.Options{
			Listen: listen, RateLimitConfig: config, Redis: authz.RedisOptions{URL: url},
			Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		})
	}
	return fmt.Errorf("-serve %q: write echo or ours", what)
}

// echo answers with what a limit that admits would.
type echo struct {
	pb.UnimplementedRateLimitServiceServer
}

func (echo) ShouldRateLimit(context.Context, *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	return &pb.RateLimitResponse{
		OverallCode: pb.RateLimitResponse_OK,
		Statuses: []*pb.RateLimitResponse_DescriptorStatus{{
			Code:               pb.RateLimitResponse_OK,
			CurrentLimit:       &pb.RateLimitResponse_RateLimit{RequestsPerUnit: 1, Unit: pb.RateLimitResponse_RateLimit_HOUR},
			LimitRemaining:     1,
			DurationUntilReset: durationpb.New(time.Hour),
		}},
	}, nil
}

func beEcho(ctx context.Context, listen string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	pb.RegisterRateLimitServiceServer(server, echo{})
	defer context.AfterFunc(ctx, server.Stop)()
	return server.Serve(listener)
}
