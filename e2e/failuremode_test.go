package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// carelessEnvoy lets pass what its authorization cannot say anything about, as
// some operators' do.
const carelessEnvoy = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: ADMIN}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: LISTEN}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: careless
          route_config:
            virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: app}}]}]
          http_filters:
          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              failure_mode_allow: true
              with_request_body: {max_request_bytes: 1024, allow_partial_message: true, pack_as_bytes: true}
              grpc_service: {envoy_grpc: {cluster_name: authz}, timeout: 2s}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - {name: app, type: STATIC, load_assignment: {cluster_name: app, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: APP}}}}]}]}}
  - name: authz
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment: {cluster_name: authz, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: AUTHZ}}}}]}]}
`

// What cannot be checked is a decision of the policy, and no error that Envoy may
// pass over: with failure_mode_allow: true a request is refused all the same while
// authz lives. Only where nobody answers the setting does what its operator asked
// for. Requests bring their body here, whole or cut: it changes nothing.
func TestAnEnvoyThatLetsErrorsPassLetsNothingPassThatAuthzRefuses(t *testing.T) {
	t.Parallel()
	p := pack.StartStandalone(t, `{"version": "v1", "default_policy": "members", "policies": {"members": {"session": {"require": "required"}}}, "sign_in": {}}`)
	p.App = pack.StartUpstream(t, nil)
	port := func(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
	admin := strings.TrimPrefix(p.AdminURL(""), "http://")
	file := filepath.Join(p.Dir, "careless.yaml")
	text := strings.NewReplacer("ADMIN", port(admin), "LISTEN", port(p.Addr()), "APP", port(p.App.URL), "AUTHZ", port(p.AuthzAddr())).Replace(carelessEnvoy)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pack.EnvoyOn(t, p.Dir, file, admin, p.Addr()).Start(t)
	token := p.Token(t, p.SignInAtAuthz(t))
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	post := func(size int, edits ...pack.Edit) pack.Response {
		t.Helper()
		return pack.Do(t, c, pack.Request(t, http.MethodPost, p.URL("/members/x"), strings.NewReader(strings.Repeat("x", size)), edits...))
	}
	for _, size := range []int{0, 10, 1 << 20} {
		expectStatus(t, post(size), http.StatusUnauthorized)
		expectStatus(t, post(size, pack.Bearer(token)), http.StatusOK)
	}
	p.Redis.Stop(t)
	// Until authz has seen the connection end, by which revocations are pushed, a session
	// that was looked up just now is good.
	pack.Eventually(t, 30*time.Second, "authz knows that Redis is gone", func(context.Context) error {
		if got := post(0, pack.Bearer(token)); got.Status != http.StatusServiceUnavailable {
			return fmt.Errorf("status %d", got.Status)
		}
		return nil
	})
	for _, size := range []int{0, 10, 1 << 20} {
		refused := post(size, pack.Bearer(token))
		expectStatus(t, refused, http.StatusServiceUnavailable)
		refused.Problem(t)
	}
	p.Authz.Stop(t)
	pack.Eventually(t, 30*time.Second, "Envoy does what its operator wrote", func(context.Context) error {
		if got := post(10, pack.Bearer(token)); got.Status != http.StatusOK {
			return fmt.Errorf("status %d", got.Status)
		}
		return nil
	})
}
