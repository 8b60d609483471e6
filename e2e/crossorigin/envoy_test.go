package crossorigin

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"gatehouse/e2e/pack"
	"gatehouse/filter/policy"
)

// filterConfig has a policy for each first part of a path.
func filterConfig(t *testing.T, s site) string {
	t.Helper()
	age := func(seconds int) *int { return &seconds }
	app := []string{s.app}
	shared := func(c policy.CORS) policy.Policy {
		return policy.Policy{Headers: &policy.Headers{Preset: "strict"}, CORS: &c}
	}
	config := policy.Config{Version: "pages", HoldRequestHeaders: true, IgnoreMetadata: true, Policies: map[string]policy.Policy{
		"app": shared(policy.CORS{AllowOrigins: app, AllowCredentials: true, AllowMethods: []string{"PUT", "DELETE"},
			AllowHeaders: []string{"X-Token"}, ExposeHeaders: []string{"X-Total"}, MaxAge: age(600)}),
		"brief":   shared(policy.CORS{AllowOrigins: app, AllowMethods: []string{"PUT"}, MaxAge: age(0)}),
		"wild":    shared(policy.CORS{AllowOrigins: app, AllowCredentials: true, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}}),
		"open":    shared(policy.CORS{AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}, ExposeHeaders: []string{"*"}}),
		"named":   shared(policy.CORS{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*", "Authorization"}}),
		"null":    shared(policy.CORS{AllowOrigins: []string{"null"}, AllowMethods: []string{"PUT"}}),
		"private": shared(policy.CORS{AllowOrigins: app, AllowMethods: []string{"PUT"}, AllowPrivateNetwork: true}),
		"own":     {CORS: &policy.CORS{Mode: policy.Off, AllowOrigins: app}},
		"nonce":   {Headers: &policy.Headers{Preset: "strict", CSP: map[string][]string{"script-src": {"'nonce'"}}}},
		"files": {Headers: &policy.Headers{Preset: "strict"}, CORS: &policy.CORS{AllowOrigins: app},
			Uploads: &policy.Uploads{Allow: []string{"pdf"}}},
	}}
	for name := range config.Policies {
		config.Rules = append(config.Rules, policy.Rule{PathPrefix: "/" + name, Policy: name})
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startEnvoy returns the access log, a line with method and path for each request.
func startEnvoy(t *testing.T, ports pack.Ports, s site) string {
	t.Helper()
	dir := t.TempDir()
	log, file := filepath.Join(dir, "access.log"), filepath.Join(dir, "envoy.yaml")
	config, err := json.Marshal(filterConfig(t, s))
	if err != nil {
		t.Fatal(err)
	}
	socket := func(i int) string {
		host, port, _ := net.SplitHostPort(ports.Addr(i))
		return "{socket_address: {address: " + host + ", port_value: " + port + "}}"
	}
	_, port, _ := net.SplitHostPort(ports.Addr(0))
	var text strings.Builder
	err = template.Must(template.New("envoy").Parse(envoyConfig)).Execute(&text, map[string]string{
		"Listen": socket(0), "Admin": socket(2), "Upstream": socket(3), "Log": log, "Config": string(config), "Wasm": pack.Wasm(t), "Port": port,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	pack.EnvoyOn(t, dir, file, ports.Addr(2), ports.Addr(0)).Start(t)
	return log
}

const envoyConfig = `
admin: {address: {{.Admin}}}
static_resources:
  listeners:
  - name: api
    address: {{.Listen}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: api
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {{.Log}}
              log_format: {text_format_source: {inline_string: "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%\n"}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {path: /app/dead}
                route: {cluster: dead}
              - match: {path: /app/gone}
                direct_response: {status: 410}
              - match: {path: /app/moved}
                redirect: {path_redirect: /app/new, response_code: PERMANENT_REDIRECT}
              - match: {path: /app/away}
                redirect: {host_redirect: other.localhost, port_redirect: {{.Port}}, path_redirect: /app/new, response_code: TEMPORARY_REDIRECT}
              - match: {path: /app/to-null}
                redirect: {host_redirect: other.localhost, port_redirect: {{.Port}}, path_redirect: /null/new, response_code: TEMPORARY_REDIRECT}
              - match: {prefix: /}
                route: {cluster: upstream}
          http_filters:
          - name: gatehouse
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: gatehouse
                failure_policy: FAIL_RELOAD
                allow_on_headers_stop_iteration: true
                configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: {{.Config}}}
                vm_config:
                  vm_id: gatehouse
                  runtime: envoy.wasm.runtime.v8
                  code: {local: {filename: {{.Wasm}}}}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: upstream
    connect_timeout: 5s
    type: STATIC
    load_assignment:
      cluster_name: upstream
      endpoints: [{lb_endpoints: [{endpoint: {address: {{.Upstream}}}}]}]
  - name: dead
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: dead
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]
`
