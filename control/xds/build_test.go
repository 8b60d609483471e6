package xds

import (
	"slices"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	wasmfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/policy"
	filterpolicy "gatehouse/filter/policy"
)

// compiled is a policy with all that Build reads; routes may be replaced.
func compiled(routes ...policy.Route) *policy.Compiled {
	names := []string{policy.AuthPolicy, policy.DefaultPolicy, "base", "cors"}
	c := &policy.Compiled{
		Version:    "0123456789abcdef",
		Envoy:      policy.EnvoySettings{Listen: "127.0.0.1:8080", TrustedHops: 2},
		AuthPolicy: policy.AuthPolicy,
		Upstreams:  []policy.Upstream{{Name: "app", URL: "http://127.0.0.1:9000", Host: "127.0.0.1", Port: 9000}},
		Routes:     routes,
		Filter:     filterpolicy.Config{Version: "0123456789abcdef", Policies: map[string]filterpolicy.Policy{}},
		Authz:      authzpolicy.Config{Version: "0123456789abcdef", Policies: map[string]authzpolicy.Policy{}},
	}
	for _, name := range names {
		c.Filter.Policies[name] = filterpolicy.Policy{}
		c.Authz.Policies[name] = authzpolicy.Policy{}
	}
	c.Filter.Policies["cors"] = filterpolicy.Policy{CORS: &filterpolicy.CORS{AllowOrigins: []string{"https://a.example"}}}
	return c
}

func options() Options {
	return Options{WasmPath: "/lib/gatehouse.wasm", AuthzAddress: "127.0.0.1:9001"}
}

func mustBuild(t *testing.T, c *policy.Compiled, o Options) *Resources {
	t.Helper()
	r, err := Build(c, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []interface{ ValidateAll() error }{r.Routes} {
		if !o.Static {
			if err := m.ValidateAll(); err != nil {
				t.Errorf("invalid: %v", err)
			}
		}
	}
	for _, l := range r.Listeners {
		if err := l.ValidateAll(); err != nil {
			t.Errorf("listener %s: %v", l.GetName(), err)
		}
	}
	for _, c := range r.Clusters {
		if err := c.ValidateAll(); err != nil {
			t.Errorf("cluster %s: %v", c.GetName(), err)
		}
	}
	return r
}

func unpack[M proto.Message](t *testing.T, packed *anypb.Any, into M) M {
	t.Helper()
	if err := packed.UnmarshalTo(into); err != nil {
		t.Fatal(err)
	}
	return into
}

func manager(t *testing.T, l *listenerv3.Listener) *hcmv3.HttpConnectionManager {
	t.Helper()
	return unpack(t, l.GetFilterChains()[0].GetFilters()[0].GetTypedConfig(), &hcmv3.HttpConnectionManager{})
}

func TestEveryRouteNamesItsPolicyToTheFilterAndToAuthz(t *testing.T) {
	r := mustBuild(t, compiled(
		policy.Route{Name: "api", PathPrefix: "/api", Upstream: "app", Policy: "base"},
		policy.Route{Name: "site", PathPrefix: "/", Hosts: []string{"*.example.com"}, Upstream: "app", Policy: "cors"},
	), options())
	for _, host := range r.Routes.GetVirtualHosts() {
		for _, route := range host.GetRoutes() {
			name := route.GetMetadata().GetFilterMetadata()["gatehouse"].GetFields()["policy"].GetStringValue()
			check := unpack(t, route.GetTypedPerFilterConfig()["envoy.filters.http.ext_authz"], &extauthzv3.ExtAuthzPerRoute{})
			extensions := check.GetCheckSettings().GetContextExtensions()
			if check.GetDisabled() || name == "" || extensions["policy"] != name || extensions["route"] != route.GetName() ||
				extensions["policy_version"] != "0123456789abcdef" {
				t.Errorf("%s, %s: filter has %q, authz %v", host.GetName(), route.GetName(), name, extensions)
			}
		}
	}
}

func TestRoutesOfAHostKeepTheOrderOfTheFile(t *testing.T) {
	routes := []policy.Route{
		{Name: "narrow", Hosts: []string{"a.example.com"}, PathPrefix: "/x", Upstream: "app", Policy: "base"},
		{Name: "all", PathPrefix: "/x", Upstream: "app", Policy: "base"},
		{Name: "wide", Hosts: []string{"*.example.com"}, PathPrefix: "/", Upstream: "app", Policy: "base"},
		{Name: "other", Hosts: []string{"other.net", "a.example.com"}, PathPrefix: "/", Upstream: "app", Policy: "base"},
	}
	want := map[string][]string{
		"*":             {DefaultRoute, authzpolicy.AuthRoute, "all", DefaultRoute},
		"a.example.com": {DefaultRoute, authzpolicy.AuthRoute, "narrow", "all", "wide", "other", DefaultRoute},
		"*.example.com": {DefaultRoute, authzpolicy.AuthRoute, "all", "wide", DefaultRoute},
		"other.net":     {DefaultRoute, authzpolicy.AuthRoute, "all", "other", DefaultRoute},
	}
	r := mustBuild(t, compiled(routes...), options())
	if len(r.Routes.GetVirtualHosts()) != len(want) {
		t.Errorf("%d virtual hosts, want %d", len(r.Routes.GetVirtualHosts()), len(want))
	}
	for _, host := range r.Routes.GetVirtualHosts() {
		if got := routeNames(host); !slices.Equal(got, want[host.GetDomains()[0]]) {
			t.Errorf("%v: %v, want %v", host.GetDomains(), got, want[host.GetDomains()[0]])
		}
	}
}

func routeNames(host *routev3.VirtualHost) []string {
	var names []string
	for _, r := range host.GetRoutes() {
		names = append(names, r.GetName())
	}
	return names
}

func TestARouteMatchesWhatTheFileSays(t *testing.T) {
	for name, c := range map[string]struct {
		route policy.Route
		want  []string // each match of Envoy's, as text
	}{
		"a path is exact":                    {policy.Route{Path: "/a"}, []string{`path:"/a"`}},
		"a prefix ends at a segment":         {policy.Route{PathPrefix: "/a"}, []string{`path_separated_prefix:"/a"`}},
		"a prefix with a slash is a prefix":  {policy.Route{PathPrefix: "/a/"}, []string{`prefix:"/a/"`}},
		"the root is everything":             {policy.Route{PathPrefix: "/"}, []string{`prefix:"/"`}},
		"one method":                         {policy.Route{Path: "/a", Methods: []string{"POST"}}, []string{`exact:"POST"`}},
		"several methods":                    {policy.Route{Path: "/a", Methods: []string{"GET", "M-SEARCH"}}, []string{`regex:"GET|M-SEARCH"`}},
		"preflights follow a route's policy": {policy.Route{Path: "/a", Methods: []string{"PUT"}, Policy: "cors"}, []string{`":method" string_match:{exact:"PUT"}`, `"access-control-request-method" string_match:{exact:"PUT"}`}},
		"OPTIONS that is listed is enough":   {policy.Route{Path: "/a", Methods: []string{"PUT", "OPTIONS"}, Policy: "cors"}, []string{`regex:"PUT|OPTIONS"`}},
	} {
		t.Run(name, func(t *testing.T) {
			c.route.Name, c.route.Upstream = "r", "app"
			if c.route.Policy == "" {
				c.route.Policy = "base"
			}
			r := mustBuild(t, compiled(c.route), options())
			routes := r.Routes.GetVirtualHosts()[0].GetRoutes()
			routes = routes[2 : len(routes)-1]
			if len(routes) != len(c.want) {
				t.Fatalf("%d routes, want %d", len(routes), len(c.want))
			}
			for i, want := range c.want {
				// The text form has one or two spaces, at random.
				if got := strings.Join(strings.Fields(routes[i].GetMatch().String()), " "); !strings.Contains(got, want) {
					t.Errorf("route %d matches %s, want %s", i, got, want)
				}
				if got := routes[i].GetRoute().GetCluster(); got != "upstream_app" {
					t.Errorf("route %d goes to %s", i, got)
				}
			}
		})
	}
}

func TestNothingPassesWithoutTheFilterAndAuthz(t *testing.T) {
	r := mustBuild(t, compiled(), options())
	m := manager(t, r.Listeners[0])
	var names []string
	for _, f := range m.GetHttpFilters() {
		names = append(names, f.GetName())
		if f.GetIsOptional() || f.GetDisabled() {
			t.Errorf("%s can be left out", f.GetName())
		}
	}
	if want := []string{FilterName, extAuthzName, routerName}; !slices.Equal(names, want) {
		t.Errorf("filters %v, want %v", names, want)
	}
	discovery := m.GetHttpFilters()[0].GetConfigDiscovery()
	if discovery.GetDefaultConfig() != nil || discovery.GetApplyDefaultConfigWithoutWarming() {
		t.Error("the filter has a default configuration")
	}
	authz := unpack(t, m.GetHttpFilters()[1].GetTypedConfig(), &extauthzv3.ExtAuthz{})
	if authz.GetFailureModeAllow() || authz.GetStatusOnError().GetCode() != 503 || authz.GetGrpcService().GetTimeout().AsDuration().Milliseconds() != 500 {
		t.Errorf("ext_authz: %v", authz)
	}
	routes := r.Routes.GetVirtualHosts()[0].GetRoutes()
	if last := routes[len(routes)-1]; last.GetMatch().GetPrefix() != "/" || last.GetDirectResponse().GetStatus() != 404 {
		t.Errorf("the last route is %v", last)
	}
}

func TestTheFilterIsGivenItsPolicyAndItsModule(t *testing.T) {
	r := mustBuild(t, compiled(), options())
	wasm := unpack(t, r.Extensions[0].GetTypedConfig(), &wasmfilterv3.Wasm{}).GetConfig()
	text := unpack(t, wasm.GetConfiguration(), &wrapperspb.StringValue{}).GetValue()
	if !strings.Contains(text, `"version":"0123456789abcdef"`) {
		t.Errorf("configuration %s", text)
	}
	if r.Extensions[0].GetName() != FilterName || wasm.GetVmConfig().GetCode().GetLocal().GetFilename() != "/lib/gatehouse.wasm" ||
		wasm.GetFailurePolicy().String() != "FAIL_RELOAD" || !wasm.GetAllowOnHeadersStopIteration().GetValue() {
		t.Errorf("plugin %v", wasm)
	}
}

func TestAPathHasOneSpellingAndAClientOneAddress(t *testing.T) {
	m := manager(t, mustBuild(t, compiled(), options()).Listeners[0])
	if !m.GetNormalizePath().GetValue() || !m.GetMergeSlashes() ||
		m.GetPathWithEscapedSlashesAction() != hcmv3.HttpConnectionManager_REJECT_REQUEST ||
		m.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction().String() != "REJECT_REQUEST" {
		t.Errorf("paths and headers are not strict: %v", m)
	}
	if !m.GetUseRemoteAddress().GetValue() || m.GetXffNumTrustedHops() != 2 {
		t.Errorf("the client's address: %v, %d hops", m.GetUseRemoteAddress(), m.GetXffNumTrustedHops())
	}
}

func TestTLSIsServedOverSDSOrFromFiles(t *testing.T) {
	c := compiled()
	c.Envoy.TLS = &policy.TLSSettings{Listen: "127.0.0.1:8443", CertFile: "/c.pem", KeyFile: "/k.pem"}
	o := options()
	o.Certificate = &Certificate{Chain: []byte("chain"), Key: []byte("key")}
	served := func(o Options) (*Resources, *tlsv3.CommonTlsContext) {
		r := mustBuild(t, c, o)
		socket := r.Listeners[1].GetFilterChains()[0].GetTransportSocket()
		common := unpack(t, socket.GetTypedConfig(), &tlsv3.DownstreamTlsContext{}).GetCommonTlsContext()
		if min := common.GetTlsParams().GetTlsMinimumProtocolVersion(); min != tlsv3.TlsParameters_TLSv1_2 {
			t.Errorf("minimum is %v", min)
		}
		if !slices.Equal(common.GetAlpnProtocols(), []string{"h2", "http/1.1"}) {
			t.Errorf("ALPN %v", common.GetAlpnProtocols())
		}
		return r, common
	}
	r, common := served(o)
	if name := common.GetTlsCertificateSdsSecretConfigs()[0].GetName(); name != r.Secrets[0].GetName() {
		t.Errorf("the listener asks for %q, the secret is %q", name, r.Secrets[0].GetName())
	}
	if key := r.Secrets[0].GetTlsCertificate().GetPrivateKey().GetInlineBytes(); string(key) != "key" {
		t.Errorf("key %q", key)
	}
	o.Static, o.Certificate = true, nil
	if _, common = served(o); common.GetTlsCertificates()[0].GetPrivateKey().GetFilename() != "/k.pem" {
		t.Errorf("static: %v", common)
	}
}

func TestWhatCameWithoutTLSIsSentToIt(t *testing.T) {
	c := compiled(policy.Route{Name: "site", PathPrefix: "/", Upstream: "app", Policy: "base"})
	c.Envoy.TLS = &policy.TLSSettings{Listen: "127.0.0.1:8443", CertFile: "/c.pem", KeyFile: "/k.pem", RedirectHTTP: true, RedirectPort: 8443}
	o := options()
	o.Certificate = &Certificate{Chain: []byte("chain"), Key: []byte("key")}
	redirect := func() *routev3.Route { return mustBuild(t, c, o).Routes.GetVirtualHosts()[0].GetRoutes()[1] }
	r := redirect()
	if m := r.GetMatch().GetHeaders()[0]; m.GetName() != "x-forwarded-proto" || m.GetStringMatch().GetExact() != "http" {
		t.Errorf("matches %v", m)
	}
	if to := r.GetRedirect(); to.GetResponseCode() != routev3.RedirectAction_PERMANENT_REDIRECT || !to.GetHttpsRedirect() || to.GetPortRedirect() != 8443 {
		t.Errorf("redirects %v", to)
	}
	c.Envoy.TLS.RedirectPort = 443
	if port := redirect().GetRedirect().GetPortRedirect(); port != 443 {
		t.Errorf("the port is %d: that of the Host would stay", port)
	}
	c.Envoy.TLS.RedirectHTTP = false
	if redirect().GetRedirect() != nil {
		t.Error("redirects though nobody asked for it")
	}
}

func TestStaticResourcesNeedNoControlPlane(t *testing.T) {
	o := options()
	o.Static = true
	r := mustBuild(t, compiled(policy.Route{Name: "api", PathPrefix: "/api", Upstream: "app", Policy: "base"}), o)
	if r.Routes != nil || r.Extensions != nil || r.Secrets != nil {
		t.Error("there are resources that a control plane would have to serve")
	}
	m := manager(t, r.Listeners[0])
	if len(m.GetRouteConfig().GetVirtualHosts()) == 0 || m.GetHttpFilters()[0].GetTypedConfig() == nil {
		t.Error("the listener is not complete")
	}
}

func TestAnUpstreamOverTLSMustProveItsName(t *testing.T) {
	for host, sni := range map[string]string{"app.example.com": "app.example.com", "192.0.2.1": ""} {
		c := compiled()
		c.Upstreams = []policy.Upstream{{Name: "app", Host: host, Port: 443, TLS: true}}
		r := mustBuild(t, c, options())
		context := unpack(t, r.Clusters[2].GetTransportSocket().GetTypedConfig(), &tlsv3.UpstreamTlsContext{})
		validation := context.GetCommonTlsContext().GetValidationContext()
		if context.GetSni() != sni || validation.GetMatchTypedSubjectAltNames()[0].GetMatcher().GetExact() != host ||
			validation.GetTrustedCa().GetFilename() == "" {
			t.Errorf("%s: %v", host, context)
		}
	}
}

func TestTheSamePolicyGivesTheSameBytes(t *testing.T) {
	c := compiled(policy.Route{Name: "api", PathPrefix: "/api", Upstream: "app", Policy: "base"})
	first, second := mustBuild(t, c, options()), mustBuild(t, c, options())
	for i := range first.Listeners {
		if !proto.Equal(first.Listeners[i], second.Listeners[i]) {
			t.Errorf("listener %d differs", i)
		}
	}
	if !proto.Equal(first.Routes, second.Routes) || !proto.Equal(first.Extensions[0], second.Extensions[0]) {
		t.Error("routes or the filter's configuration differ")
	}
}

func TestAllThatIsWrongIsReportedAtOnce(t *testing.T) {
	c := compiled(policy.Route{Name: "api", PathPrefix: "/api", Upstream: "app", Policy: "gone"})
	c.Envoy.Listen = "not-an-address:80"
	c.Envoy.TLS = &policy.TLSSettings{Listen: "127.0.0.1:99999"}
	_, err := Build(c, Options{AuthzAddress: "nowhere"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"--wasm", `no policy "gone"`, "not-an-address", "99999", "nowhere", "no certificate"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:80":       "127.0.0.1",
		":80":                "0.0.0.0",
		"localhost:80":       "127.0.0.1",
		"[::1]:80":           "::1",
		"unix:///run/a.sock": "",
	} {
		a, err := listenAddress(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got := a.GetSocketAddress().GetAddress(); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "80", "host", "127.0.0.1:http", "127.0.0.1:-1", "127.0.0.1:65536"} {
		if _, err := listenAddress(in); err == nil {
			t.Errorf("%q is accepted", in)
		}
	}
}

func TestClientsAreAskedForCertificatesWhereAuthoritiesAreNamed(t *testing.T) {
	c := compiled()
	c.Envoy.TLS = &policy.TLSSettings{Listen: "127.0.0.1:8443", CertFile: "/c.pem", KeyFile: "/k.pem", ClientCAFile: "/ca.pem", RequireClientCertificate: true}
	o := options()
	o.Certificate = &Certificate{Chain: []byte("chain"), Key: []byte("key"), Clients: []byte("authorities")}
	for _, static := range []bool{false, true} {
		o.Static = static
		r := mustBuild(t, c, o)
		if got := manager(t, r.Listeners[0]).GetForwardClientCertDetails(); got != hcmv3.HttpConnectionManager_SANITIZE {
			t.Errorf("without TLS a client's word on its certificate is %v", got)
		}
		if got := manager(t, r.Listeners[1]).GetForwardClientCertDetails(); got != hcmv3.HttpConnectionManager_SANITIZE_SET {
			t.Errorf("over TLS it is %v", got)
		}
		made := unpack(t, r.Listeners[1].GetFilterChains()[0].GetTransportSocket().GetTypedConfig(), &tlsv3.DownstreamTlsContext{})
		if !made.GetRequireClientCertificate().GetValue() {
			t.Error("none is required")
		}
		if common := made.GetCommonTlsContext(); static && common.GetValidationContext().GetTrustedCa().GetFilename() != "/ca.pem" ||
			!static && (common.GetValidationContextSdsSecretConfig().GetName() != r.Secrets[1].GetName() ||
				string(r.Secrets[1].GetValidationContext().GetTrustedCa().GetInlineBytes()) != "authorities") {
			t.Errorf("static %t: %v", static, common)
		}
	}
	o.Static, o.Certificate.Clients = false, nil
	if _, err := Build(c, o); err == nil {
		t.Error("a listener without the authorities that it verifies with")
	}
}
