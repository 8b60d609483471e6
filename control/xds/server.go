package xds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"gatehouse/authz/secret"
)

const (
	// acceptWithin is how long an Envoy may take to answer. The order of what it
	// is sent is kept also when it does not; only its refusal would come late.
	acceptWithin = 2 * time.Second
	// pingEvery is the least time between an Envoy's keepalive pings.
	pingEvery = 2 * time.Second
	maxNodes  = 1000
)

// Server serves the resources to every Envoy that connects, the same to all.
type Server struct {
	log     *slog.Logger
	cache   cachev3.SnapshotCache
	tracker *tracker

	mu   sync.Mutex // one publication at a time
	live *content   // nil before the first
}

// NewServer makes a server with nothing to serve yet: an Envoy that connects
// waits. rejected hears of each refusal, on the stream's goroutine.
func NewServer(log *slog.Logger, rejected func(Rejection)) *Server {
	return &Server{
		log:     log,
		cache:   cachev3.NewSnapshotCache(true, everyNode{}, cacheLog{log}),
		tracker: newTracker(rejected),
	}
}

// Nodes lists the connected Envoys.
func (s *Server) Nodes() []Node { return s.tracker.nodes() }

// Serve answers Envoys on l until ctx ends. beside adds what else Envoy finds there.
func (s *Server) Serve(ctx context.Context, l net.Listener, beside ...func(grpc.ServiceRegistrar)) error {
	server := grpc.NewServer(
		grpc.MaxConcurrentStreams(maxNodes),
		grpc.StreamInterceptor(s.contain),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, &stateOfTheWorld{
		Server: serverv3.NewServer(ctx, s.cache, serverv3.CallbackFuncs{
			StreamOpenFunc:     s.tracker.opened,
			StreamClosedFunc:   s.tracker.closed,
			StreamRequestFunc:  s.tracker.requested,
			StreamResponseFunc: s.tracker.responded,
		}),
	})
	for _, register := range beside {
		register(server)
	}
	// Streams of configuration never end by themselves.
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	if err := server.Serve(l); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve xDS: %w", err)
	}
	return nil
}

// contain ends the stream whose handler panics, and nothing else. The runtime
// would end the process, and write what the panic's value says as it is.
func (s *Server) contain(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := secret.Contain(info.FullMethod, func() error { return next(server, stream) })
	var p *secret.PanicError
	if errors.As(err, &p) {
		s.log.Error("a stream's handler panicked; Envoy will connect again", "method", p.Place, "panic", p.Value, "stack", p.Stack)
		return status.Error(codes.Internal, "internal failure")
	}
	return err
}

// Publish makes next live. transition is built from the same policy file with
// the filter's former policies beside the new ones. The order is the point:
//
//  1. the filter gets transition's policies, clusters and the certificate are
//     added, and every Envoy is waited for;
//  2. between is called, for authz to get the new policy;
//  3. listeners and routes turn to next.
//
// So no request meets a policy name that the filter or authz has not heard of.
// When an Envoy refuses, everything is taken back and the error is a
// *Rejection; between has then been called or not, and undoing it is the
// caller's. What nothing refers to any more stays until Prune.
func (s *Server) Publish(ctx context.Context, transition, next *Resources, between func(context.Context)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	former := s.live
	if former == nil {
		between(ctx)
		first := contentOf(next)
		first.byType[resourcev3.ExtensionConfigType] = resources(transition.Extensions)
		return s.serve(ctx, &first)
	}
	prepared := former.prepare(transition, next)
	if err := s.serve(ctx, &prepared); err != nil {
		return errors.Join(err, s.restore(ctx, former))
	}
	between(ctx)
	turned := prepared.turn(next)
	if err := s.serve(ctx, &turned); err != nil {
		return errors.Join(err, s.restore(ctx, former))
	}
	return nil
}

// Prune serves next and nothing else. It must be what was published last.
func (s *Server) Prune(ctx context.Context, next *Resources) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pruned := contentOf(next)
	return s.serve(ctx, &pruned)
}

// restore takes a publication back without waiting: Envoy has had it before.
func (s *Server) restore(ctx context.Context, former *content) error {
	versions, err := former.versions()
	if err != nil {
		return err
	}
	return s.set(ctx, former, versions)
}

// serve sends c and waits for the Envoys. One that does not answer is logged
// and not waited for any longer; only a refusal is an error.
func (s *Server) serve(ctx context.Context, c *content) error {
	versions, err := c.versions()
	if err != nil {
		return err
	}
	changed := maps.Clone(versions)
	if s.live != nil {
		former, err := s.live.versions()
		if err != nil {
			return err
		}
		maps.DeleteFunc(changed, func(typeURL, version string) bool { return former[typeURL] == version })
	}
	if err := s.set(ctx, c, versions); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, acceptWithin)
	defer cancel()
	err = s.tracker.await(waiting, changed)
	var rejection *Rejection
	if err != nil && !errors.As(err, &rejection) {
		s.log.Warn("going on without waiting for an Envoy", "error", err)
		return nil
	}
	return err
}

func (s *Server) set(ctx context.Context, c *content, versions map[string]string) error {
	if err := s.cache.SetSnapshot(ctx, nodeKey, c.snapshot(versions)); err != nil {
		return fmt.Errorf("hand resources to the xDS cache: %w", err)
	}
	s.live = c
	return nil
}

// nodeKey is the one key under which every Envoy is known.
const nodeKey = "gatehouse"

type everyNode struct{}

func (everyNode) ID(*corev3.Node) string { return nodeKey }

// stateOfTheWorld refuses the incremental protocol: what an Envoy answers there
// would not be followed.
type stateOfTheWorld struct {
	serverv3.Server
}

func (*stateOfTheWorld) DeltaAggregatedResources(discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return status.Error(codes.Unimplemented, "set ads_config.api_type to GRPC: DELTA_GRPC is not served")
}

// cacheLog gives the library's words to slog.
type cacheLog struct {
	log *slog.Logger
}

func (l cacheLog) Debugf(format string, args ...any) { l.write(slog.LevelDebug, format, args) }
func (l cacheLog) Infof(format string, args ...any)  { l.write(slog.LevelDebug, format, args) }
func (l cacheLog) Warnf(format string, args ...any)  { l.write(slog.LevelWarn, format, args) }
func (l cacheLog) Errorf(format string, args ...any) { l.write(slog.LevelError, format, args) }

func (l cacheLog) write(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}
