package ratelimit

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	configv3 "github.com/envoyproxy/go-control-plane/ratelimit/config/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// management is a real go-control-plane server.
type management struct {
	snapshots cache.SnapshotCache
	grpc      *grpc.Server
	address   string
	mu        sync.Mutex
	nacks     []string
	nacked    chan struct{}
}

func manage(t *testing.T, address string, snapshots cache.SnapshotCache) *management {
	t.Helper()
	m := &management{snapshots: snapshots, grpc: grpc.NewServer(), nacked: make(chan struct{}, 16)}
	callbacks := server.CallbackFuncs{StreamRequestFunc: func(_ int64, r *discoveryv3.DiscoveryRequest) error {
		if r.GetErrorDetail() != nil {
			m.mu.Lock()
			m.nacks = append(m.nacks, r.GetErrorDetail().GetMessage())
			m.mu.Unlock()
			m.nacked <- struct{}{}
		}
		return nil
	}}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(m.grpc, server.NewServer(t.Context(), snapshots, callbacks))
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	m.address = listener.Addr().String()
	go func() { _ = m.grpc.Serve(listener) }()
	t.Cleanup(m.grpc.Stop)
	return m
}

func (m *management) set(t *testing.T, version string, configs ...*configv3.RateLimitConfig) {
	t.Helper()
	list := make([]types.Resource, len(configs))
	for i, c := range configs {
		list[i] = c
	}
	snapshot, err := cache.NewSnapshot(version, map[resource.Type][]types.Resource{resource.RateLimitConfigType: list})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.snapshots.SetSnapshot(t.Context(), "replica-1", snapshot); err != nil {
		t.Fatal(err)
	}
}

func perMinute(domain, key string, n uint32) *configv3.RateLimitConfig {
	return &configv3.RateLimitConfig{Name: domain, Domain: domain, Descriptors: []*configv3.RateLimitDescriptor{{
		Key: key, Value: "v", RateLimit: &configv3.RateLimitPolicy{Unit: configv3.RateLimitUnit_MINUTE, RequestsPerUnit: n, Name: "n"},
		Descriptors: []*configv3.RateLimitDescriptor{{Key: "inner", RateLimit: &configv3.RateLimitPolicy{Unlimited: true}}},
	}}}
}

// following runs an XDS and gives each Config that it takes over.
func following(t *testing.T, address string) (*XDS, <-chan *Config) {
	t.Helper()
	x, err := OpenXDS(XDSOptions{
		Target: address, Credentials: insecure.NewCredentials(), NodeID: "replica-1", Log: slog.New(slog.DiscardHandler),
		Headers: map[string]string{"x-tenant": "t"},
	})
	if err != nil {
		t.Fatal(err)
	}
	loaded := make(chan *Config, 16)
	x.reload = func(c *Config) { loaded <- c }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		x.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return x, loaded
}

func next[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

func requests(c *Config, domain, key string) uint32 {
	rule := c.Find(domain, &ratelimitv3.RateLimitDescriptor{Entries: []*ratelimitv3.RateLimitDescriptor_Entry{{Key: key, Value: "v"}}})
	if rule.Rule == nil {
		return 0
	}
	return rule.Requests
}

func newSnapshots() cache.SnapshotCache { return cache.NewSnapshotCache(true, cache.IDHash{}, nil) }

func TestAConfigurationOverXDSIsTheSameAsInAFile(t *testing.T) {
	t.Parallel()
	m := manage(t, "127.0.0.1:0", newSnapshots())
	m.set(t, "1", perMinute("shop", "ip", 5), perMinute("api", "key", 7))
	x, loaded := following(t, m.address)
	c := next(t, loaded)
	if c != x.Current() || c.Domains() != 2 || requests(c, "shop", "ip") != 5 || requests(c, "api", "key") != 7 {
		t.Errorf("%d domains, %d and %d", c.Domains(), requests(c, "shop", "ip"), requests(c, "api", "key"))
	}
	nested := c.Find("shop", &ratelimitv3.RateLimitDescriptor{Entries: []*ratelimitv3.RateLimitDescriptor_Entry{{Key: "ip", Value: "v"}, {Key: "inner", Value: "x"}}})
	if nested.Rule == nil || !nested.Unlimited {
		t.Errorf("nested: %+v", nested)
	}
	m.set(t, "2", perMinute("shop", "ip", 6))
	if c := next(t, loaded); c.Domains() != 1 || requests(c, "shop", "ip") != 6 {
		t.Errorf("after an update: %d domains, %d", c.Domains(), requests(c, "shop", "ip"))
	}
}

func TestABadConfigurationOverXDSIsRefusedWholeWithAllItsMistakes(t *testing.T) {
	t.Parallel()
	m := manage(t, "127.0.0.1:0", newSnapshots())
	m.set(t, "1", perMinute("shop", "ip", 5))
	x, loaded := following(t, m.address)
	next(t, loaded)
	bad := perMinute("shop", "", 9)
	worse := perMinute("api", "key", 9)
	worse.Descriptors[0].RateLimit.Unit = configv3.RateLimitUnit_UNKNOWN
	m.set(t, "2", bad, worse, perMinute("fine", "ip", 1))
	next(t, m.nacked)
	m.mu.Lock()
	nack := strings.Join(m.nacks, "\n")
	m.mu.Unlock()
	for _, part := range []string{"xds:shop", "descriptors[0].key", "xds:api", "unit"} {
		if !strings.Contains(nack, part) {
			t.Errorf("the refusal does not speak of %s:\n%s", part, nack)
		}
	}
	if c := x.Current(); c.Domains() != 1 || requests(c, "shop", "ip") != 5 {
		t.Error("the one in use did not stay")
	}
	m.set(t, "3", perMinute("shop", "ip", 8))
	if c := next(t, loaded); requests(c, "shop", "ip") != 8 {
		t.Error("a good one afterwards is not taken")
	}
}

func TestAServerThatIsAwayCostsNothingAndIsFollowedWhenItIsBack(t *testing.T) {
	t.Parallel()
	snapshots := newSnapshots()
	m := manage(t, "127.0.0.1:0", snapshots)
	m.set(t, "1", perMinute("shop", "ip", 5))
	x, loaded := following(t, m.address)
	next(t, loaded)
	m.grpc.Stop()
	if requests(x.Current(), "shop", "ip") != 5 {
		t.Error("the configuration in use is gone")
	}
	m.set(t, "2", perMinute("shop", "ip", 6))
	manage(t, m.address, snapshots)
	if c := next(t, loaded); requests(c, "shop", "ip") != 6 {
		t.Errorf("%d", requests(c, "shop", "ip"))
	}
}
