package bodies

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"gatehouse/e2e/pack"
)

// policies is the filter's configuration: a policy by path.
const policies = `{
  "version": "bodies", "hold_request_headers": true, "default_policy": "refuse",
  "rules": [{"path": "/rewrite", "policy": "rewrite"}, {"path": "/json", "policy": "json"}, {"path": "/stretches", "policy": "stretches"}, {"path": "/many", "policy": "many"}],
  "policies": {
    "refuse": {"uploads": {"allow": ["pdf"], "max_file_size": 8388608}},
    "rewrite": {"uploads": {"allow": ["pdf"], "names": "rewrite"}},
    "json": {"uploads": {"allow": ["pdf"], "json_fields": [{"path": "$.document.content"}]}},
    "many": {"uploads": {"allow": ["pdf"], "max_files": 200}},
    "stretches": {"uploads": {"allow": ["pdf"], "on_uncertain": "accept"}}
  }
}`

// received is a request as the application got it.
type received struct {
	header   http.Header
	trailer  http.Header
	proto    string
	length   int64
	body     []byte
	complete bool
}

// edge is an Envoy with an application behind it.
type edge struct {
	addr      string // of the listener that is asked
	plain     string // of the one whose filter may hold headers, and reads what comes
	gathering string // of one whose filter may, and gathers bodies
	blind     string // of one whose filter may not hold headers and was not told
	envoy     *pack.Process
	mu        sync.Mutex
	seen      map[string]received
	busy      int
}

const idHeader = "X-Body"

// ServeHTTP is the application.
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.enter(+1)
	defer e.enter(-1)
	body, err := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[r.Header.Get(idHeader)] = received{r.Header.Clone(), r.Trailer.Clone(), r.Proto, r.ContentLength, body, err == nil}
	w.WriteHeader(http.StatusNoContent)
}

func (e *edge) enter(delta int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy += delta
}

// got waits until no request is under way.
func (e *edge) got(t *testing.T, id string) (received, bool) {
	t.Helper()
	pack.Eventually(t, 10*time.Second, "the application is at rest", func(context.Context) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.busy > 0 {
			return fmt.Errorf("%d requests under way", e.busy)
		}
		return nil
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := e.seen[id]
	return r, ok
}

// start runs Envoy, with the limits that rendered configurations have.
func start(t *testing.T) *edge { t.Helper(); return startWith(t, pack.Wasm(t)) }

func startWith(t *testing.T, module string) *edge {
	t.Helper()
	e := &edge{seen: map[string]received{}}
	server := httptest.NewUnstartedServer(e)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	ports := pack.ReservePorts(t)
	e.plain, e.blind, e.gathering = ports.Addr(0), ports.Addr(1), ports.Addr(3)
	e.addr = e.plain
	gathered := strings.Replace(policies, "{", `{"gather_body": 131072,`, 1)
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	f, err := os.Create(file) //nolint:gosec // in the test's own folder
	if err != nil {
		t.Fatal(err)
	}
	err = template.Must(template.New("envoy").Parse(envoyConfig)).Execute(f, map[string]any{
		"Listeners": []listener{
			{"seeing", split(e.plain), strconv.Quote(policies), true},
			{"gathering", split(e.gathering), strconv.Quote(gathered), true},
			{"blind", split(e.blind), strconv.Quote(policies), false},
		},
		"Admin": split(ports.Addr(2)), "Upstream": split(server.Listener.Addr().String()), "Wasm": module,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	e.envoy = pack.EnvoyOn(t, t.TempDir(), file, ports.Addr(2), e.addr)
	e.envoy.Launch(t)
	e.envoy.AwaitReady(t, 2*time.Minute) // the module is compiled, beside whatever else runs
	return e
}

// listener is one of Envoy's, with a filter of its own.
type listener struct {
	Name, Address, Config string
	Holds                 bool
}

func split(hostport string) string {
	i := strings.LastIndexByte(hostport, ':')
	return fmt.Sprintf("{socket_address: {address: %s, port_value: %s}}", hostport[:i], hostport[i+1:])
}

const envoyConfig = `
admin: {address: {{.Admin}}}
static_resources:
  listeners:
{{- range .Listeners}}
  - name: {{.Name}}
    address: {{.Address}}
    per_connection_buffer_limit_bytes: 262144
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bodies
          http_protocol_options: {enable_trailers: true}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /, headers: [{name: x-upstream, string_match: {exact: h2}}]}
                request_body_buffer_limit: 4194304
                route: {cluster: h2, timeout: 20s}
              - match: {prefix: /}
                request_body_buffer_limit: 4194304
                route: {cluster: h1, timeout: 20s}
          http_filters:
          - name: gatehouse
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: {{.Name}}
                failure_policy: FAIL_RELOAD
                {{if .Holds}}allow_on_headers_stop_iteration: true{{end}}
                configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: {{.Config}}}
                vm_config:
                  vm_id: gatehouse
                  runtime: envoy.wasm.runtime.v8
                  code: {local: {filename: {{$.Wasm}}}}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
{{- end}}
  clusters:
  - name: h1
    connect_timeout: 5s
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http_protocol_options: {enable_trailers: true}}
    load_assignment:
      cluster_name: h1
      endpoints: [{lb_endpoints: [{endpoint: {address: {{.Upstream}}}}]}]
  - name: h2
    connect_timeout: 5s
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: h2
      endpoints: [{lb_endpoints: [{endpoint: {address: {{.Upstream}}}}]}]
`
