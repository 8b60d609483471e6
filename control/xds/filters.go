package xds

import (
	commonmutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	wasmfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/wasm/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	authzpolicy "gatehouse/authz/policy"
	filterpolicy "gatehouse/filter/policy"
)

const (
	extAuthzName = "envoy.filters.http.ext_authz"
	routerName   = "envoy.filters.http.router"
	// GateName is the filter that keeps back what waits for the virus scanner.
	GateName = "gatehouse-gate"
	wasmType = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
)

// checkWithin is what Envoy waits for Check, in milliseconds: authz gives Redis
// 150 ms and asks at most twice.
const checkWithin = 500

// httpFilters are in the order in which a request meets them.
func (b *builder) httpFilters(wasm *anypb.Any) []*hcmv3.HttpFilter {
	filters := []*hcmv3.HttpFilter{
		b.gatehouseFilter(wasm),
		typedFilter(extAuthzName, b.pack(b.extAuthz())),
	}
	if b.compiled.Control.Scanner != nil { // also before a policy scans: then none of them has to drain connections
		// Last before the router, behind whom nobody keeps bytes: filter/gate.go.
		filters = append(filters, typedFilter(GateName, b.wasmPlugin(filterpolicy.Gate)))
	}
	return append(filters, typedFilter(routerName, b.pack(&routerv3.Router{SuppressEnvoyHeaders: true})))
}

func typedFilter(name string, config *anypb.Any) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: config}}
}

// gatehouseFilter is discovered apart from the listener, so that a new policy
// reaches the filter without draining connections. It has no default
// configuration: until the real one is there, nothing passes.
func (b *builder) gatehouseFilter(wasm *anypb.Any) *hcmv3.HttpFilter {
	if b.options.Static {
		return typedFilter(FilterName, wasm)
	}
	return &hcmv3.HttpFilter{Name: FilterName, ConfigType: &hcmv3.HttpFilter_ConfigDiscovery{
		ConfigDiscovery: &corev3.ExtensionConfigSource{ConfigSource: viaADS(), TypeUrls: []string{wasmType}},
	}}
}

func (b *builder) wasmFilter() *anypb.Any {
	if b.options.WasmPath == "" {
		b.fail("the filter's module is not named: pass --wasm")
	}
	json, err := b.compiled.FilterJSON()
	if err != nil {
		b.errs = append(b.errs, err)
	}
	return b.wasmPlugin(string(json))
}

func (b *builder) wasmPlugin(json string) *anypb.Any {
	return b.pack(&wasmfilterv3.Wasm{Config: &wasmv3.PluginConfig{
		Name:          FilterName,
		RootId:        FilterName,
		Configuration: b.pack(wrapperspb.String(json)),
		// A crashed VM refuses the requests that it had, and is replaced.
		FailurePolicy: wasmv3.FailurePolicy_FAIL_RELOAD,
		// Lets the filter hold the headers back until it has judged an upload.
		AllowOnHeadersStopIteration: yes(),
		Vm: &wasmv3.PluginConfig_VmConfig{VmConfig: &wasmv3.VmConfig{
			VmId:    FilterName,
			Runtime: "envoy.wasm.runtime.v8",
			Code: &corev3.AsyncDataSource{Specifier: &corev3.AsyncDataSource_Local{
				Local: fileSource(b.options.WasmPath),
			}},
		}},
	}})
}

// extAuthz refuses whatever is not a clear yes: an authz that does not answer
// is a 503, never a pass.
func (b *builder) extAuthz() *extauthzv3.ExtAuthz {
	return &extauthzv3.ExtAuthz{
		StatPrefix:          FilterName,
		TransportApiVersion: corev3.ApiVersion_V3,
		FailureModeAllow:    false,
		StatusOnError:       &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
		ValidateMutations:   true,
		// Repeated fields reach authz one by one, not joined into one.
		EncodeRawHeaders: true,
		DecoderHeaderMutationRules: &commonmutationv3.HeaderMutationRules{
			DisallowSystem: yes(),
		},
		Services: &extauthzv3.ExtAuthz_GrpcService{GrpcService: b.checkService()},
	}
}

func (b *builder) checkService() *corev3.GrpcService {
	s := authzService(checkWithin)
	s.InitialMetadata = []*corev3.HeaderValue{{Key: authzpolicy.ClientMetadata, Value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}
	return s
}

// authzService calls authz; a time limit of 0 milliseconds is none, for streams.
func authzService(within int) *corev3.GrpcService {
	s := &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
		EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: AuthzGRPCCluster},
	}}
	if within > 0 {
		s.Timeout = millis(within)
	}
	return s
}
