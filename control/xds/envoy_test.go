package xds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/policy"
	"gatehouse/e2e/pack"
	filterpolicy "gatehouse/filter/policy"
)

func TestEnvoyAcceptsTheStaticResources(t *testing.T) {
	c := compiled(
		policy.Route{Name: "api", PathPrefix: "/api", Methods: []string{"GET", "POST"}, Upstream: "app", Policy: "cors"},
		policy.Route{Name: "site", Hosts: []string{"*.example.com", "example.com"}, PathPrefix: "/", Upstream: "tls", Policy: "base"},
	)
	c.Upstreams = append(c.Upstreams, policy.Upstream{Name: "tls", Host: "app.example.com", Port: 443, TLS: true})
	c.Envoy.TLS = &policy.TLSSettings{Listen: "127.0.0.1:8443"}
	c.Envoy.TLS.CertFile, c.Envoy.TLS.KeyFile = writeCertificate(t)
	o := Options{Static: true, WasmPath: pack.Wasm(t), AuthzAddress: "unix:///run/authz.sock", TrustedCA: c.Envoy.TLS.CertFile}
	r := mustBuild(t, c, o)
	text, err := protojson.Marshal(&bootstrapv3.Bootstrap{
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{Listeners: r.Listeners, Clusters: r.Clusters},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "envoy.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(pack.EnvoyBinary(t), "--mode", "validate", "--config-path", file, "--log-level", "error").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// edge is a Server with one Envoy on it.
type edge struct {
	server    *Server
	options   Options
	app       *httptest.Server
	listen    string
	checks    *checker
	rejected  chan Rejection
	published *policy.Compiled
}

func startEdge(t *testing.T) *edge {
	t.Helper()
	ports := pack.ReservePorts(t)
	e := &edge{listen: ports.Addr(0), rejected: make(chan Rejection, 100)}
	e.app = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "app")
		fmt.Fprintf(w, "%s %s", r.URL.Path, strings.Join(r.Header.Values("X-Gatehouse-Subject"), ","))
	}))
	t.Cleanup(e.app.Close)
	e.checks = startChecker(t, ports.Addr(3))
	e.options = Options{WasmPath: pack.Wasm(t), AuthzAddress: ports.Addr(3)}
	e.server = NewServer(slog.New(slog.NewTextHandler(t.Output(), nil)), func(r Rejection) { e.rejected <- r })
	l, err := net.Listen("tcp", ports.Addr(4))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	e.publish(t, e.policy(t, "0000000000000001", "base"))
	file := filepath.Join(t.TempDir(), "bootstrap.yaml")
	if err := os.WriteFile(file, []byte(bootstrap(ports.Addr(2), ports.Addr(4))), 0o600); err != nil {
		t.Fatal(err)
	}
	pack.EnvoyOn(t, t.TempDir(), file, ports.Addr(2), e.listen).Start(t)
	return e
}

func bootstrap(admin, xds string) string {
	at := func(addr string) string {
		host, port, _ := net.SplitHostPort(addr)
		return fmt.Sprintf("{socket_address: {address: %s, port_value: %s}}", host, port)
	}
	return `
node: {id: edge-1, cluster: gatehouse}
admin: {address: ` + at(admin) + `}
dynamic_resources:
  lds_config: {ads: {}, resource_api_version: V3}
  cds_config: {ads: {}, resource_api_version: V3}
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: xds}}]
static_resources:
  clusters:
  - name: xds
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 10s, timeout: 5s}}}
    load_assignment: {cluster_name: xds, endpoints: [{lb_endpoints: [{endpoint: {address: ` + at(xds) + `}}]}]}
`
}

// policy has one route for each named policy: "/NAME".
func (e *edge) policy(t *testing.T, version string, names ...string) *policy.Compiled {
	t.Helper()
	var routes []policy.Route
	for _, name := range names {
		routes = append(routes, policy.Route{Name: name, PathPrefix: "/" + name, Upstream: "app", Policy: name})
	}
	c := compiled(routes...)
	c.Version, c.Filter.Version, c.Authz.Version = version, version, version
	c.Envoy.Listen, c.Envoy.TrustedHops = e.listen, 0
	host, port, _ := net.SplitHostPort(e.app.Listener.Addr().String())
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	c.Upstreams = []policy.Upstream{{Name: "app", Host: host, Port: uint32(n)}}
	for _, name := range names {
		c.Filter.Policies[name] = filterpolicy.Policy{Headers: &filterpolicy.Headers{
			Preset: "strict", Set: map[string]string{"X-Edition": version},
		}}
		c.Authz.Policies[name] = c.Authz.Policies["base"]
	}
	c.Filter.Policies[policy.DefaultPolicy] = filterpolicy.Policy{Headers: &filterpolicy.Headers{Preset: "strict"}}
	return c
}

func (e *edge) publish(t *testing.T, c *policy.Compiled) {
	t.Helper()
	if err := e.tryPublish(t, c); err != nil {
		t.Fatal(err)
	}
}

func (e *edge) tryPublish(t *testing.T, c *policy.Compiled) error {
	t.Helper()
	next, err := Build(c, e.options)
	if err != nil {
		t.Fatal(err)
	}
	transition := next
	if e.published != nil {
		if transition, err = Build(Merge(c, e.published), e.options); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	err = e.server.Publish(ctx, transition, next, func(context.Context) {})
	if err == nil {
		e.published = c
	}
	return err
}

func (e *edge) get(t *testing.T, path string, header ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.listen+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	r.Close = true // an open connection stays with the listener that it was made to
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestEnvoyFollowsWhatIsPublished(t *testing.T) {
	e := startEdge(t)

	t.Run("a route serves under its policy", func(t *testing.T) {
		resp, body := e.get(t, "/base/x", "X-Gatehouse-Subject", "mallory", "x-gatehouse-other", "y")
		if resp.StatusCode != http.StatusOK || body != "/base/x " || resp.Header.Get("X-Edition") != "0000000000000001" {
			t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
		}
		if resp.Header.Get("Server") != "" || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("headers %v", resp.Header)
		}
		seen := e.checks.last()
		if ext := seen.GetContextExtensions(); ext["policy"] != "base" || ext["policy_version"] != "0000000000000001" || ext["route"] != "base" {
			t.Errorf("authz was told %v", ext)
		}
		for _, h := range seen.GetRequest().GetHttp().GetHeaderMap().GetHeaders() {
			if strings.HasPrefix(h.GetKey(), "x-gatehouse-") {
				t.Errorf("%s came through", h.GetKey())
			}
		}
	})
	t.Run("what no route matches is a 404 with the security headers", func(t *testing.T) {
		resp, body := e.get(t, "/nowhere")
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
			resp.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(body, `"request_id":"`+resp.Header.Get("X-Request-Id")+`"`) || !strings.Contains(body, `"status":404`) {
			t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
		}
	})
	t.Run("a client cannot steer Envoy", func(t *testing.T) {
		e.checks.last()
		e.get(t, "/base", "X-Envoy-Upstream-Rq-Timeout-Ms", "1", "X-Request-Id", "mine")
		for _, h := range e.checks.last().GetRequest().GetHttp().GetHeaderMap().GetHeaders() {
			if h.GetKey() == "x-envoy-upstream-rq-timeout-ms" || h.GetKey() == "x-envoy-internal" || string(h.GetRawValue()) == "mine" {
				t.Errorf("%s: %s came through", h.GetKey(), h.GetRawValue())
			}
		}
	})
	t.Run("a disguised path is refused", func(t *testing.T) {
		if resp, _ := e.get(t, "/base%2fx"); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("an edit is live once it is published", func(t *testing.T) {
		e.publish(t, e.policy(t, "0000000000000002", "base", "fresh"))
		for _, path := range []string{"/base", "/fresh"} {
			if resp, body := e.get(t, path); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Edition") != "0000000000000002" {
				t.Errorf("%s: %d %s %v", path, resp.StatusCode, body, resp.Header)
			}
		}
		nodes := e.server.Nodes()
		if len(nodes) != 1 || nodes[0] != (Node{ID: "edge-1", Version: "0000000000000002"}) {
			t.Errorf("nodes %+v", nodes)
		}
	})
	t.Run("authz is told the client behind trusted proxies", func(t *testing.T) {
		behind := e.policy(t, "0000000000000012", "base")
		behind.Envoy.TrustedHops = 1
		e.publish(t, behind)
		for forwarded, want := range map[string]string{
			"203.0.113.77": "203.0.113.77", "198.51.100.1, 203.0.113.78": "203.0.113.78", "2001:db8::1": "2001:db8::1", "": "127.0.0.1",
		} {
			pack.Eventually(t, 10*time.Second, forwarded+" is "+want, func(context.Context) error {
				e.get(t, "/base", "X-Forwarded-For", forwarded, authzpolicy.ClientMetadata, "192.0.2.66")
				if got := e.checks.client.Load(); got != want {
					return fmt.Errorf("authz was told %v", got)
				}
				return nil
			})
		}
		e.publish(t, e.policy(t, "0000000000000002", "base", "fresh"))
	})
	t.Run("what Envoy refuses is taken back", func(t *testing.T) { expectTakenBack(t, e) })
	t.Run("authz without an answer is a 503 that looks like any other", func(t *testing.T) {
		e.checks.stop()
		resp, body := e.get(t, "/base")
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(body, "urn:gatehouse:problem:check-unavailable") {
			t.Errorf("%d %v %q", resp.StatusCode, resp.Header, body)
		}
	})
}

func expectTakenBack(t *testing.T, e *edge) {
	t.Helper()
	wrong := e.policy(t, "0000000000000003", "base", "other")
	wrong.Envoy.Listen = "192.0.2.1:80" // not an address of this machine
	err := e.tryPublish(t, wrong)
	var rejection *Rejection
	if !errors.As(err, &rejection) || rejection.Type != "Listener" || !strings.Contains(rejection.Detail, "192.0.2.1") {
		t.Fatalf("error %v", err)
	}
	if told := <-e.rejected; told != *rejection {
		t.Errorf("told %+v, returned %+v", told, rejection)
	}
	e.publish(t, e.policy(t, "0000000000000004", "base"))
	if resp, _ := e.get(t, "/base"); resp.Header.Get("X-Edition") != "0000000000000004" {
		t.Errorf("headers %v", resp.Header)
	}
	if n := len(e.rejected); n != 0 {
		t.Errorf("Envoy was sent what it had refused %d times more", n)
	}
	if nodes := e.server.Nodes(); nodes[0].Version != "0000000000000004" || nodes[0].Rejected != "" {
		t.Errorf("nodes %+v", nodes)
	}
}

// checker says yes to everything and remembers what it was asked.
type checker struct {
	authv3.UnimplementedAuthorizationServer
	server *grpc.Server
	asked  chan *authv3.AttributeContext
	client atomic.Value // string
}

func startChecker(t *testing.T, addr string) *checker {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{server: grpc.NewServer(), asked: make(chan *authv3.AttributeContext, 1000)}
	authv3.RegisterAuthorizationServer(c.server, c)
	done := make(chan error)
	go func() { done <- c.server.Serve(l) }()
	t.Cleanup(func() {
		c.stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return c
}

func (c *checker) stop() { c.server.Stop() }

func (c *checker) Check(ctx context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	c.client.Store(strings.Join(metadata.ValueFromIncomingContext(ctx, authzpolicy.ClientMetadata), ","))
	c.asked <- r.GetAttributes()
	return &authv3.CheckResponse{
		Status:       &rpcstatus.Status{},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}},
	}, nil
}

func (c *checker) last() *authv3.AttributeContext {
	var last *authv3.AttributeContext
	for {
		select {
		case last = <-c.asked:
		default:
			return last
		}
	}
}
