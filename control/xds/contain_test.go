package xds

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAPanicEndsItsStreamAndSaysNothingToEnvoy(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := NewServer(slog.New(slog.NewTextHandler(&log, nil)), func(Rejection) {})
	info := &grpc.StreamServerInfo{FullMethod: "/x/Stream"}
	err := s.contain(nil, nil, info, func(any, grpc.ServerStream) error { panic("a detail") })
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "detail") {
		t.Errorf("Envoy is told %v", err)
	}
	if !strings.Contains(log.String(), "a detail") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log says %s", log.String())
	}
	wanted := status.Error(codes.Unavailable, "ordinary")
	if err := s.contain(nil, nil, info, func(any, grpc.ServerStream) error { return wanted }); status.Code(err) != codes.Unavailable {
		t.Errorf("an ordinary error became %v", err)
	}
}
