package xds

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"gatehouse/filter/verdict"
)

// Bounds of one connection, from Envoy's guidance for edge proxies. Times are
// in seconds.
const (
	maxConcurrentStreams = 100
	streamWindow         = 64 << 10
	connectionWindow     = 1 << 20
	maxHeadersKB         = 60
	headersWithin        = 10
	streamIdle           = 300
	connectionIdle       = 3600
)

// identityPrefix begins the names of the headers by which an upstream knows
// what Gatehouse has found out. Only Gatehouse sets them.
const identityPrefix = "x-gatehouse-"

func (b *builder) connectionManager(stats string, routes *routev3.RouteConfiguration, wasm *anypb.Any) *hcmv3.HttpConnectionManager {
	m := &hcmv3.HttpConnectionManager{
		CodecType:  hcmv3.HttpConnectionManager_AUTO,
		StatPrefix: stats,

		// Who the client is.
		UseRemoteAddress:              yes(),
		XffNumTrustedHops:             b.compiled.Envoy.TrustedHops,
		InternalAddressConfig:         nobodyInternal(),
		EarlyHeaderMutationExtensions: []*corev3.TypedExtensionConfig{b.dropIdentityHeaders()},
		AlwaysSetRequestIdInResponse:  true,

		// One spelling for each host and path, before anything is matched on it.
		StripTrailingHostDot:         true,
		NormalizePath:                yes(),
		MergeSlashes:                 true,
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_REJECT_REQUEST,

		// What a client may cost.
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout:                  seconds(connectionIdle),
			HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_REJECT_REQUEST,
		},
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        uint32Value(maxConcurrentStreams),
			InitialStreamWindowSize:     uint32Value(streamWindow),
			InitialConnectionWindowSize: uint32Value(connectionWindow),
		},
		MaxRequestHeadersKb:   uint32Value(maxHeadersKB),
		RequestHeadersTimeout: seconds(headersWithin),
		StreamIdleTimeout:     seconds(streamIdle),

		// Envoy would write its own name after the filter has removed the upstream's.
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
		LocalReplyConfig:           b.localReplies(),
		HttpFilters:                b.httpFilters(wasm),
		AccessLog:                  []*accesslogv3.AccessLog{b.accessLog()},
	}
	if b.options.Static {
		m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes}
	} else {
		m.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			ConfigSource: viaADS(), RouteConfigName: RouteConfigName,
		}}
	}
	return m
}

// nobodyInternal makes Envoy drop x-envoy-* from every client: an address of a
// private network is no reason to let somebody steer retries and timeouts. The
// one address in it belongs to no client (RFC 919 section 7): an empty list would
// mean the private networks.
func nobodyInternal() *hcmv3.HttpConnectionManager_InternalAddressConfig {
	return &hcmv3.HttpConnectionManager_InternalAddressConfig{
		CidrRanges: []*corev3.CidrRange{{AddressPrefix: "255.255.255.255", PrefixLen: uint32Value(32)}},
	}
}

// dropIdentityHeaders removes what a client must not be able to say, before any
// filter can believe it. The filter and authz do the same once more.
func (b *builder) dropIdentityHeaders() *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{
		Name: "envoy.http.early_header_mutation.header_mutation",
		TypedConfig: b.pack(&earlyv3.HeaderMutation{Mutations: []*mutationv3.HeaderMutation{{
			Action: &mutationv3.HeaderMutation_RemoveOnMatch_{RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{
				KeyMatcher: &matcherv3.StringMatcher{
					MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: identityPrefix},
					IgnoreCase:   true,
				},
			}},
		}}}),
	}
}

// accessLog sends one entry for each request to authz, with the filter's
// verdict. It is how every allow and deny becomes an event.
func (b *builder) accessLog() *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{
		Name: "envoy.access_loggers.http_grpc",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: b.pack(&grpclogv3.HttpGrpcAccessLogConfig{
			CommonConfig: &grpclogv3.CommonGrpcAccessLogConfig{
				LogName:                 FilterName,
				GrpcService:             authzService(0),
				TransportApiVersion:     corev3.ApiVersion_V3,
				BufferFlushInterval:     millis(200),
				FilterStateObjectsToLog: []string{verdict.FilterState},
			},
		})},
	}
}
