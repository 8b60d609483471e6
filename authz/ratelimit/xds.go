package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	configv3 "github.com/envoyproxy/go-control-plane/ratelimit/config/ratelimit/v3"
	"github.com/goccy/go-yaml"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

// configType is the type URL of what is asked for.
const configType = "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig"

const (
	// maxXDS bounds one answer of the management server, in bytes.
	maxXDS = 16 << 20
	// The wait between two connections grows from the first to the last.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// XDSOptions say where a configuration comes from over xDS.
type XDSOptions struct {
	Target      string // host:port, or any target of gRPC
	Credentials credentials.TransportCredentials
	NodeID      string
	Headers     map[string]string // sent with each stream
	Log         *slog.Logger
	// Merge takes several resources of one domain together.
	Merge bool
}

// XDS keeps the newest valid Config of a management server that serves
// ratelimit.config.ratelimit.v3.RateLimitConfig over ADS, state of the world, as
// envoyproxy/ratelimit asks for it. An answer with any mistake is refused whole
// (NACK) with all of them; the Config in use stays, also while the server is away.
type XDS struct {
	o       XDSOptions
	conn    *grpc.ClientConn
	current atomic.Pointer[Config]
	reload  func(*Config) // tests are told
}

// OpenXDS makes an XDS, which connects when it runs. Until the first Config,
// Current is one without domains.
func OpenXDS(o XDSOptions) (*XDS, error) {
	conn, err := grpc.NewClient(o.Target, grpc.WithTransportCredentials(o.Credentials),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxXDS)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}))
	if err != nil {
		return nil, fmt.Errorf("rate limit configuration over xDS from %s: %w", o.Target, err)
	}
	x := &XDS{o: o, conn: conn, reload: func(*Config) {}}
	x.current.Store(&Config{domains: map[string]*node{}})
	return x, nil
}

// Current is the Config in use.
func (x *XDS) Current() *Config { return x.current.Load() }

// Run follows the server until ctx ends.
func (x *XDS) Run(ctx context.Context) {
	defer func() { _ = x.conn.Close() }() // it has said all that it had to
	wait, last := firstRetry, ""
	for ctx.Err() == nil {
		loaded, err := x.follow(ctx)
		if loaded {
			wait, last = firstRetry, ""
		}
		if err != nil && ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			x.o.Log.Error("the rate limit configuration's server does not answer; the configuration in use stays", "server", x.o.Target, "error", err)
		}
		timer := time.NewTimer(wait/2 + rand.N(wait/2)) // #nosec G404 -- spreads replicas, keeps no secret
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, lastRetry)
	}
}

// follow keeps one stream, and says whether it brought a Config.
func (x *XDS) follow(ctx context.Context) (loaded bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(x.o.Headers))
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(x.conn).StreamAggregatedResources(ctx)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	version := ""
	request := &discoveryv3.DiscoveryRequest{TypeUrl: configType, Node: &corev3.Node{Id: x.o.NodeID, UserAgentName: "gatehouse"}}
	for {
		if err := stream.Send(request); err != nil {
			return loaded, fmt.Errorf("ask: %w", err)
		}
		answer, err := stream.Recv()
		if err != nil {
			return loaded, fmt.Errorf("receive: %w", err)
		}
		request = &discoveryv3.DiscoveryRequest{TypeUrl: configType, ResponseNonce: answer.GetNonce()}
		if err := x.take(answer); err != nil {
			x.o.Log.Error("rate limit configuration rejected; the one in use stays", "server", x.o.Target, "version", answer.GetVersionInfo(), "error", err)
			request.ErrorDetail = &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: err.Error()}
		} else {
			version, loaded = answer.GetVersionInfo(), true
		}
		request.VersionInfo = version // of the last good one
	}
}

func (x *XDS) take(answer *discoveryv3.DiscoveryResponse) error {
	if answer.GetTypeUrl() != configType {
		return fmt.Errorf("the answer is of type %.100q", answer.GetTypeUrl())
	}
	var files []File
	var errs []error
	for i, resource := range answer.GetResources() {
		var c configv3.RateLimitConfig
		if err := resource.UnmarshalTo(&c); err != nil {
			errs = append(errs, fmt.Errorf("resource %d: %w", i, err))
			continue
		}
		data, err := yaml.Marshal(document(&c))
		if err != nil {
			errs = append(errs, fmt.Errorf("resource %d: %w", i, err))
			continue
		}
		files = append(files, File{Name: "xds:" + c.GetName(), Data: data})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	config, err := parse(files, x.o.Merge)
	if err != nil {
		return err
	}
	x.current.Store(config)
	x.o.Log.Info("rate limit configuration loaded", "server", x.o.Target, "version", answer.GetVersionInfo(), "domains", config.Domains())
	x.reload(config)
	return nil
}

// document is a resource as the same file in YAML has it, so that one reader
// judges both.
func document(c *configv3.RateLimitConfig) map[string]any {
	return map[string]any{"domain": c.GetDomain(), "descriptors": descriptorList(c.GetDescriptors())}
}

func descriptorList(descriptors []*configv3.RateLimitDescriptor) []any {
	list := make([]any, len(descriptors))
	for i, d := range descriptors {
		item := map[string]any{"key": d.GetKey()}
		if d.GetValue() != "" {
			item["value"] = d.GetValue()
		}
		if d.GetRateLimit() != nil {
			item["rate_limit"] = rateLimit(d.GetRateLimit())
		}
		if d.GetShadowMode() {
			item["shadow_mode"] = true
		}
		if d.GetDetailedMetric() {
			item["detailed_metric"] = true
		}
		if len(d.GetDescriptors()) > 0 {
			item["descriptors"] = descriptorList(d.GetDescriptors())
		}
		list[i] = item
	}
	return list
}

func rateLimit(p *configv3.RateLimitPolicy) map[string]any {
	limit := map[string]any{}
	if p.GetUnlimited() {
		limit["unlimited"] = true
	} else {
		limit["unit"], limit["requests_per_unit"] = p.GetUnit().String(), p.GetRequestsPerUnit()
	}
	if p.GetName() != "" {
		limit["name"] = p.GetName()
	}
	if len(p.GetReplaces()) > 0 {
		replaces := make([]any, len(p.GetReplaces()))
		for i, r := range p.GetReplaces() {
			replaces[i] = map[string]any{"name": r.GetName()}
		}
		limit["replaces"] = replaces
	}
	return limit
}
