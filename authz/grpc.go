package authz

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"gatehouse/authz/extauthz"
	"gatehouse/authz/ratelimit"
)

// Bounds of what one caller can make the server hold.
const (
	maxMessage    = 4 << 20
	maxHeaderList = 64 << 10
	maxStreams    = 10_000
)

// streamWorkers answer requests on stacks that have grown already, 16 KiB each; when
// all are busy, also waiting for Redis, a request gets a goroutine of its own, whose
// stack grows anew: that took a tenth of the time of a Check.
const streamWorkers = 256

// newGRPC makes the server with what all services share.
func newGRPC(log *slog.Logger, panics prometheus.Counter) *grpc.Server {
	r := recovery{log: log, panics: panics}
	return grpc.NewServer(
		grpc.ForceServerCodecV2(ratelimit.Codec(extauthz.Codec())),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxHeaderList),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.ReadBufferSize(64<<10),
		grpc.WriteBufferSize(64<<10),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(r.unary),
		grpc.ChainStreamInterceptor(r.stream),
	)
}

// recovery turns a handler's panic into an INTERNAL error, which Envoy takes for
// a refusal, instead of the end of the process, which would refuse everybody.
type recovery struct {
	log    *slog.Logger
	panics prometheus.Counter
}

func (r recovery) unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, r.report(info.FullMethod, p)
		}
	}()
	return next(ctx, in)
}

func (r recovery) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = r.report(info.FullMethod, p)
		}
	}()
	return next(server, stream)
}

func (r recovery) report(method string, p any) error {
	r.panics.Inc()
	r.log.Error("a handler panicked; its request was refused", "method", method, "panic", p, "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal failure")
}
