package xds

import (
	"net"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"gatehouse/control/policy"
)

// httpOptionsKey is where a cluster keeps its HTTP options.
const httpOptionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// upstreamBuffer is what Envoy's edge guidance gives a connection to an
// upstream, in bytes.
const upstreamBuffer = 32 << 10

func (b *builder) clusters() []*clusterv3.Cluster {
	authz, err := address(b.options.AuthzAddress)
	if err != nil {
		b.fail("authz: %w", err)
		return nil
	}
	clusters := []*clusterv3.Cluster{
		b.cluster(AuthzGRPCCluster, authz, b.http2()),
		b.cluster(AuthzHTTPCluster, authz, b.http1()),
	}
	if name := b.compiled.Filter.ScanService; name != "" {
		clusters = append(clusters, b.scanCluster(name))
	}
	for _, u := range b.compiled.Upstreams {
		clusters = append(clusters, b.upstream(u))
	}
	return clusters
}

// scanCluster is control, which hands files to the virus scanner.
func (b *builder) scanCluster(name string) *clusterv3.Cluster {
	if b.options.ScanAddress == "" {
		b.fail("files are to be scanned, but it is not known where Envoy reaches control for it: pass --scan-address HOST:PORT")
		return nil
	}
	at, err := address(b.options.ScanAddress)
	if err != nil {
		b.fail("scan service: %w", err)
		return nil
	}
	return b.cluster(name, at, b.http2())
}

func (b *builder) upstream(u policy.Upstream) *clusterv3.Cluster {
	c := b.cluster(UpstreamPrefix+u.Name, socketAddress(u.Host, u.Port), b.http1())
	if u.TLS {
		c.TransportSocket = b.upstreamTLS(u.Host)
	}
	return c
}

func (b *builder) cluster(name string, at *corev3.Address, http *anypb.Any) *clusterv3.Cluster {
	c := &clusterv3.Cluster{
		Name:                          name,
		ConnectTimeout:                seconds(1),
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS},
		DnsLookupFamily:               clusterv3.Cluster_V4_PREFERRED,
		PerConnectionBufferLimitBytes: uint32Value(upstreamBuffer),
		TypedExtensionProtocolOptions: map[string]*anypb.Any{httpOptionsKey: http},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: at}},
			}}}},
		},
	}
	if numeric(at) {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		c.DnsLookupFamily = clusterv3.Cluster_AUTO
	}
	return c
}

func (b *builder) http1() *anypb.Any {
	return b.explicitHTTP(&upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
		ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
		},
	})
}

// http2 notices within seconds that the other side has gone without a word, as
// a machine that loses power does.
func (b *builder) http2() *anypb.Any {
	return b.explicitHTTP(&upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
		ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
				ConnectionKeepalive: &corev3.KeepaliveSettings{Interval: seconds(10), Timeout: seconds(5)},
			},
		},
	})
}

func (b *builder) explicitHTTP(config *upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig) *anypb.Any {
	return b.pack(&upstreamhttpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: config},
	})
}

// upstreamTLS speaks TLS to an upstream and refuses one that cannot prove its
// name.
func (b *builder) upstreamTLS(host string) *corev3.TransportSocket {
	context := &tlsv3.UpstreamTlsContext{
		CommonTlsContext: &tlsv3.CommonTlsContext{
			TlsParams: minimumTLS(),
			ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{
				ValidationContext: &tlsv3.CertificateValidationContext{
					TrustedCa: fileSource(b.options.TrustedCA),
					MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
						SanType: sanType(host), Matcher: exactly(host),
					}},
				},
			},
		},
	}
	if net.ParseIP(host) == nil {
		context.Sni = host // an address is no server name (RFC 6066 section 3)
	}
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.pack(context)},
	}
}

func sanType(host string) tlsv3.SubjectAltNameMatcher_SanType {
	if net.ParseIP(host) != nil {
		return tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	}
	return tlsv3.SubjectAltNameMatcher_DNS
}

func exactly(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s}}
}

func fileSource(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}
