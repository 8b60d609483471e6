package xds

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"gatehouse/control/policy"
)

// connectionBuffer bounds what Envoy reads ahead on a connection, in bytes.
const connectionBuffer = 256 << 10

func (b *builder) listeners(routes *routev3.RouteConfiguration, wasm *anypb.Any) []*listenerv3.Listener {
	listen := b.compiled.Envoy.Listen
	if b.options.Listen != "" {
		listen = b.options.Listen
	}
	made := []*listenerv3.Listener{b.listener(ListenerName, listen, b.filterChain(b.connectionManager("gatehouse_http", routes, wasm)))}
	if tls := b.compiled.Envoy.TLS; tls != nil {
		made = append(made, b.tlsListener(tls, routes, wasm))
	}
	return made
}

func (b *builder) listener(name, listen string, chain *listenerv3.FilterChain) *listenerv3.Listener {
	at, err := listenAddress(listen)
	if err != nil {
		b.fail("listener %s: %w", name, err)
	}
	return &listenerv3.Listener{
		Name:                          name,
		Address:                       at,
		FilterChains:                  []*listenerv3.FilterChain{chain},
		PerConnectionBufferLimitBytes: uint32Value(connectionBuffer),
		TrafficDirection:              corev3.TrafficDirection_INBOUND,
	}
}

func (b *builder) tlsListener(tls *policy.TLSSettings, routes *routev3.RouteConfiguration, wasm *anypb.Any) *listenerv3.Listener {
	listen := tls.Listen
	if b.options.TLSListen != "" {
		listen = b.options.TLSListen
	}
	manager := b.connectionManager("gatehouse_https", routes, wasm)
	if tls.ClientCAFile != "" {
		// What a client writes there itself is always dropped. Envoy's word is the hash
		// alone: to bind a session takes no name.
		manager.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
	}
	chain := b.filterChain(manager)
	chain.TransportSocket = &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.pack(b.downstreamTLS(tls))},
	}
	l := b.listener(TLSListenerName, listen, chain)
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: b.pack(&tlsinspectorv3.TlsInspector{})},
	}}
	return l
}

func (b *builder) filterChain(manager *hcmv3.HttpConnectionManager) *listenerv3.FilterChain {
	return &listenerv3.FilterChain{Filters: []*listenerv3.Filter{{
		Name:       "envoy.filters.network.http_connection_manager",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: b.pack(manager)},
	}}}
}

func (b *builder) downstreamTLS(tls *policy.TLSSettings) *tlsv3.DownstreamTlsContext {
	common := &tlsv3.CommonTlsContext{TlsParams: minimumTLS(), AlpnProtocols: []string{"h2", "http/1.1"}}
	if b.options.Static {
		common.TlsCertificates = []*tlsv3.TlsCertificate{{
			CertificateChain: fileSource(tls.CertFile), PrivateKey: fileSource(tls.KeyFile),
		}}
	} else {
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{{Name: SecretName, SdsConfig: viaADS()}}
	}
	made := &tlsv3.DownstreamTlsContext{CommonTlsContext: common}
	if tls.ClientCAFile == "" {
		return made
	}
	// A certificate that is shown must be good, also where none is required: Envoy
	// ends the handshake else.
	made.RequireClientCertificate = wrapperspb.Bool(tls.RequireClientCertificate)
	if b.options.Static {
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: fileSource(tls.ClientCAFile)},
		}
	} else {
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
			ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: ClientsName, SdsConfig: viaADS()},
		}
	}
	return made
}

// minimumTLS is TLS 1.2: RFC 8996 retires what came before.
func minimumTLS() *tlsv3.TlsParameters {
	return &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2}
}

func (b *builder) secrets() []*tlsv3.Secret {
	if b.compiled.Envoy.TLS == nil {
		return nil
	}
	if b.options.Certificate == nil {
		b.fail("the TLS listener has no certificate")
		return nil
	}
	made := []*tlsv3.Secret{{Name: SecretName, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: inline(b.options.Certificate.Chain), PrivateKey: inline(b.options.Certificate.Key),
	}}}}
	if b.compiled.Envoy.TLS.ClientCAFile != "" {
		if len(b.options.Certificate.Clients) == 0 {
			b.fail("the TLS listener has no authorities for clients' certificates")
		}
		made = append(made, &tlsv3.Secret{Name: ClientsName, Type: &tlsv3.Secret_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: inline(b.options.Certificate.Clients)},
		}})
	}
	return made
}

func inline(data []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: data}}
}
