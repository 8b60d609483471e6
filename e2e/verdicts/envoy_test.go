package verdicts

import (
	"context"
	"encoding/json"
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

// policyHeader picks the route, and with it the metadata, of a case.
const policyHeader = "X-Case-Policy"

// gatewayHeader picks a route that the proxy answers itself.
const gatewayHeader = "X-Case-Gateway"

// caseHeader finds a case's entry in the access log.
const caseHeader = "X-Case"

// startEnvoy runs the cases through a real Envoy and a real connection.
func startEnvoy(t *testing.T, config []byte) runner {
	upstream := newRecorder()
	server := httptest.NewServer(upstream)
	t.Cleanup(server.Close)
	authz := httptest.NewServer(http.HandlerFunc(refusing))
	t.Cleanup(authz.Close)
	ports := pack.ReservePorts(t)
	e := &envoy{
		upstream: upstream, url: "http://" + ports.Addr(0),
		log: filepath.Join(t.TempDir(), "access.log"), client: pack.HTTP1(),
	}
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	e.write(t, file, config, ports.Addr(0), ports.Addr(2), server.Listener.Addr().String(), authz.Listener.Addr().String())
	pack.EnvoyOn(t, t.TempDir(), file, ports.Addr(2), ports.Addr(0)).Start(t)
	return e.run
}

// refusing is a Check that answers what the case asks for.
func refusing(w http.ResponseWriter, r *http.Request) {
	status, err := strconv.Atoi(r.Header.Get(gatewayHeader))
	if err != nil {
		status = http.StatusOK
	}
	w.WriteHeader(status)
}

type envoy struct {
	upstream *recorder
	client   *http.Client
	url, log string
	cases    int
}

func (e *envoy) run(t *testing.T, c Case) Answer {
	e.cases++
	id := fmt.Sprintf("case-%d", e.cases)
	e.upstream.expect(id, c)
	r := c.request(e.url + c.Path)
	r.RequestURI = ""
	r.Header.Set(policyHeader, c.Policy)
	r.Header.Set(caseHeader, id)
	if c.Gateway != "" {
		r.Header.Set(gatewayHeader, c.Gateway)
	}
	response, err := e.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{
		Status: response.StatusCode, Header: response.Header, Body: body,
		Verdict: e.verdict(t, id), Seen: e.upstream.request(id),
	}
}

// entryWithin is a deadline, no wait, and nothing that Envoy promises: it writes its access
// log every 50 ms, if the machine lets it.
const entryWithin = 2 * time.Minute

// verdict waits for the case's line of the access log. A request that a connection broke off
// and the client sent again has several; the last one is the answered one's.
func (e *envoy) verdict(t *testing.T, id string) Verdict {
	t.Helper()
	var found Verdict
	pack.Eventually(t, entryWithin, "the access log's entry of "+id, func(context.Context) error {
		log, err := os.ReadFile(e.log)
		if err != nil {
			return err
		}
		text, err := lastEntry(string(log), id)
		if err != nil {
			return err
		}
		found = Verdict{}
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			return fmt.Errorf("%w: the entry is %q", err, text)
		}
		return nil
	})
	return found
}

// lastEntry is what the last line of that case says, if all of it has been written.
func lastEntry(log, id string) (string, error) {
	whole := log[:strings.LastIndexByte(log, '\n')+1]
	at := strings.LastIndex("\n"+whole, "\n"+id+" ")
	if at < 0 {
		return "", fmt.Errorf("no entry of %s yet, among %d", id, strings.Count(whole, "\n"))
	}
	text, _, _ := strings.Cut(whole[at:], "\n")
	return strings.TrimPrefix(text, id+" "), nil
}

// recorder is the application behind Envoy. What it sees of a case is that case's alone,
// also if it comes when the next one has begun.
type recorder struct {
	mu    sync.Mutex
	cases map[string]Case
	seen  map[string]http.Header
}

func newRecorder() *recorder {
	return &recorder{cases: map[string]Case{}, seen: map[string]http.Header{}}
}

func (u *recorder) expect(id string, c Case) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cases[id] = c
}

// request is nil if the application never saw the case's.
func (u *recorder) request(id string) http.Header {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[id]
}

func (u *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(caseHeader)
	u.mu.Lock()
	c, known := u.cases[id]
	u.mu.Unlock()
	if !known {
		http.Error(w, "no case is called "+strconv.Quote(id), http.StatusNotImplemented)
		return
	}
	application(c, func(seen http.Header) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.seen[id] = seen
	}).ServeHTTP(w, r)
}

func (e *envoy) write(t *testing.T, file string, config []byte, listen, admin, upstream, authz string) {
	t.Helper()
	var parsed struct {
		Policies map[string]json.RawMessage `json:"policies"`
	}
	if err := json.Unmarshal(config, &parsed); err != nil {
		t.Fatal(err)
	}
	names := []string{"missing"}
	for name := range parsed.Policies {
		names = append(names, name)
	}
	quoted, err := json.Marshal(string(config))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file) //nolint:gosec // in the test's own folder
	if err != nil {
		t.Fatal(err)
	}
	err = template.Must(template.New("envoy").Parse(envoyConfig)).Execute(f, map[string]any{
		"Listen": split(listen), "Admin": split(admin), "Upstream": split(upstream), "Authz": split(authz), "Log": e.log,
		"Policies": names, "Gateways": gateways, "Config": string(quoted), "Wasm": pack.Wasm(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func split(hostport string) string {
	i := strings.LastIndexByte(hostport, ':')
	return fmt.Sprintf("{socket_address: {address: %s, port_value: %s}}", hostport[:i], hostport[i+1:])
}

const envoyConfig = `
admin: {address: {{.Admin}}}
static_resources:
  listeners:
  - name: cases
    address: {{.Listen}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: cases
          server_header_transformation: PASS_THROUGH
          upgrade_configs: [{upgrade_type: websocket}]
          # The table itself plays the trusted proxy that says https.
          xff_num_trusted_hops: 1
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {{.Log}}
              log_format:
                text_format_source: {inline_string: "%REQ(X-CASE)% %FILTER_STATE(wasm.gatehouse.verdict:PLAIN)%\n"}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
{{- range .Policies}}
{{- $policy := .}}
{{- range $name, $action := $.Gateways}}
              - match: {prefix: /, headers: [{name: x-case-policy, string_match: {exact: {{$policy}}}}, {name: x-case-gateway, string_match: {exact: "{{$name}}"}}]}
                metadata: {filter_metadata: {gatehouse: {policy: {{$policy}}}}}
                {{$action}}
{{- end}}
              - match: {prefix: /, headers: [{name: x-case-policy, string_match: {exact: {{.}}}}]}
                metadata: {filter_metadata: {gatehouse: {policy: {{.}}}}}
                request_body_buffer_limit: 4194304
                route: {cluster: upstream}
{{- end}}
              - match: {prefix: /}
                request_body_buffer_limit: 4194304
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
          - name: envoy.filters.http.ext_authz
            disabled: true
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              http_service:
                server_uri: {uri: http://authz, cluster: authz, timeout: 5s}
              allowed_headers: {patterns: [{exact: x-case-gateway}]}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: upstream
    connect_timeout: 5s
    type: STATIC
    load_assignment:
      cluster_name: upstream
      endpoints: [{lb_endpoints: [{endpoint: {address: {{.Upstream}}}}]}]
  - name: authz
    connect_timeout: 5s
    type: STATIC
    load_assignment:
      cluster_name: authz
      endpoints: [{lb_endpoints: [{endpoint: {address: {{.Authz}}}}]}]
  - name: dead
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: dead
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]
`

// checked is a route where Check is asked, which says no.
const checked = `route: {cluster: upstream}
                typed_per_filter_config:
                  envoy.filters.http.ext_authz: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}`

// gateways are the answers of the proxy itself.
var gateways = map[string]string{
	"dead":     "route: {cluster: dead}",
	"direct":   `direct_response: {status: 200, body: {inline_string: "{}"}}`,
	"gone":     `direct_response: {status: 410}`,
	"redirect": "redirect: {path_redirect: /elsewhere, response_code: PERMANENT_REDIRECT}",
	"401":      checked, "403": checked, "429": checked,
}

func TestAnEntryOfTheAccessLogIsReadWhole(t *testing.T) {
	t.Parallel()
	const log = "case-1 {}\ncase-12 {\"a\":1}\ncase-2 -\ncase-2 {\"b\":2}\ncase-3 {\"c\""
	for id, want := range map[string]string{"case-1": "{}", "case-12": `{"a":1}`, "case-2": `{"b":2}`, "case-3": "", "case-4": ""} {
		if got, err := lastEntry(log, id); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
	if _, err := lastEntry("", "case-1"); err == nil {
		t.Error("an entry of nothing")
	}
}
