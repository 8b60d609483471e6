package xds

import (
	"errors"
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"gatehouse/control/policy"
)

// Names of the resources that Build makes.
const (
	FilterName       = "gatehouse"
	RouteConfigName  = "gatehouse"
	SecretName       = "gatehouse-tls"
	ClientsName      = "gatehouse-clients"
	ListenerName     = "gatehouse-http"
	TLSListenerName  = "gatehouse-https"
	AuthzGRPCCluster = "gatehouse_authz"
	AuthzHTTPCluster = "gatehouse_auth"
	// UpstreamPrefix goes before an upstream's name to make its cluster's.
	UpstreamPrefix = "upstream_"
	// DefaultRoute is the name of the route that every virtual host has besides
	// authzpolicy.AuthRoute and the user's.
	DefaultRoute = "gatehouse-default"
)

// systemCA is where Debian, Ubuntu and Alpine keep the certificates that an
// https upstream is validated against; Envoy's image has it too.
const systemCA = "/etc/ssl/certs/ca-certificates.crt"

// Options are what the policy file does not say.
type Options struct {
	// Static makes resources that need no control plane: the route
	// configuration and the filter's stand inside the listener, and the
	// certificate is named by its files.
	Static bool
	// WasmPath is the filter's module, as Envoy sees it.
	WasmPath string
	// AuthzAddress is authz's listener: host:port, or unix:///path.
	AuthzAddress string
	// ScanAddress is where control serves scans, as Envoy reaches it: host:port, or
	// unix:///path; needed for a policy that has files scanned.
	ScanAddress string
	// Listen and TLSListen, if set, go before what the policy file says.
	Listen, TLSListen string
	// Certificate is served over SDS; needed for a policy with TLS unless
	// Static.
	Certificate *Certificate
	// TrustedCA is the file, as Envoy sees it, that https upstreams are
	// validated against; empty means the system's.
	TrustedCA string
}

// Certificate is a chain and its private key, and the authorities of clients'
// certificates, all PEM.
type Certificate struct {
	Chain, Key []byte
	Clients    []byte // empty: clients are asked for none
}

// Resources are Envoy's configuration for one version of the policy. With
// Options.Static only Listeners and Clusters are filled.
type Resources struct {
	Version    string
	Listeners  []*listenerv3.Listener
	Clusters   []*clusterv3.Cluster
	Routes     *routev3.RouteConfiguration
	Extensions []*corev3.TypedExtensionConfig
	Secrets    []*tlsv3.Secret
}

// Build makes the resources of a compiled policy. The error joins everything
// that is wrong with the two together.
func Build(c *policy.Compiled, o Options) (*Resources, error) {
	if o.TrustedCA == "" {
		o.TrustedCA = systemCA
	}
	b := builder{compiled: c, options: o}
	r := &Resources{Version: c.Version}
	routes := b.routeConfiguration()
	wasm := b.wasmFilter()
	r.Clusters = b.clusters()
	r.Listeners = b.listeners(routes, wasm)
	if !o.Static {
		r.Routes = routes
		r.Extensions = []*corev3.TypedExtensionConfig{{Name: FilterName, TypedConfig: wasm}}
		r.Secrets = b.secrets()
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, fmt.Errorf("policy %s cannot be given to Envoy: %w", c.Version, err)
	}
	return r, nil
}

// builder collects what is wrong, so that all of it is reported at once.
type builder struct {
	compiled *policy.Compiled
	options  Options
	errs     []error
}

func (b *builder) fail(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf(format, args...))
}

// pack wraps a message the way Envoy's typed_config wants it. The bytes are
// deterministic: the same policy must not look like a change.
func (b *builder) pack(m proto.Message) *anypb.Any {
	packed := &anypb.Any{}
	if err := anypb.MarshalFrom(packed, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		b.fail("pack %T: %w", m, err)
	}
	return packed
}

// viaADS says that a resource comes over the stream that all others use.
// Without a fetch timeout Envoy waits for it instead of serving without.
func viaADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   seconds(0),
	}
}
