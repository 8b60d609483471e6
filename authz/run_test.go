package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslog "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"gatehouse/authz/event"
	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/login"
	"gatehouse/authz/policy"
	"gatehouse/authz/secret"
)

const (
	patience = 10 * time.Second
	password = "correct horse battery staple"
)

const testPolicy = `{
  "version": "v1",
  "policies": {
    "members": {"session": {"require": "required"}},
    "hundred": {"session": {}, "limits": [{"name": "api_calls", "by": ["ip"], "requests": 100, "window_ms": 3600000}]}
  },
  "sign_in": {}
}`

// users knows one person.
type users struct{ hash string }

func (u users) UserByName(_ context.Context, name string) (login.User, error) {
	if name != "erika" {
		return login.User{}, login.ErrNoUser
	}
	return login.User{ID: "user-1", Name: name, PasswordHash: u.hash}, nil
}

// running is an authz that a test started.
type running struct {
	address string
	conn    *grpc.ClientConn
	stop    context.CancelFunc
	ended   chan error
}

func options(t testing.TB, client redis.UniversalClient) Options {
	t.Helper()
	return Options{
		Listen: "127.0.0.1:0", RedisClient: client, Instance: "test",
		PseudonymKey: secret.New([]byte("0123456789abcdef0123456789abcdef")),
		Log:          slog.New(slog.DiscardHandler),
	}
}

func start(t testing.TB, o Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan net.Addr, 1)
	o.Started = func(a net.Addr) { started <- a }
	r := &running{stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- Run(ctx, o) }()
	select {
	case a := <-started:
		r.address = a.String()
	case err := <-r.ended:
		t.Fatalf("it did not start: %v", err)
	}
	conn, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	r.conn = conn
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
		if err := <-r.ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return r
}

// end stops it and gives back how it ended, and after how long.
func (r *running) end(t testing.TB) (time.Duration, error) {
	t.Helper()
	start := time.Now()
	r.stop()
	err := <-r.ended
	r.ended <- nil // for the clean-up
	return time.Since(start), err
}

func publish(t testing.TB, client redis.UniversalClient, text string) {
	t.Helper()
	if err := client.Set(t.Context(), policy.Key, text, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, r *running, name string, headers map[string]string) *authv3.CheckResponse {
	t.Helper()
	out, err := authv3.NewAuthorizationClient(r.conn).Check(t.Context(), request(name, headers))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func request(name string, headers map[string]string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"policy": name, "policy_version": "v1"},
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "203.0.113.7"},
		}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Host: "x", Path: "/x", Headers: headers,
		}},
	}}
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	return do(t, http.MethodGet, url, "", nil)
}

func do(t testing.TB, method, url, body string, headers map[string]string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		in.Header.Set(name, value)
	}
	out, err := http.DefaultClient.Do(in)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	text, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return out.StatusCode, string(text)
}

func await(t testing.TB, what string, there func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func events(t testing.TB, client redis.UniversalClient) []event.Event {
	t.Helper()
	entries, err := client.XRange(t.Context(), event.StreamKey, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]event.Event, len(entries))
	for i, entry := range entries {
		text, _ := entry.Values[event.StreamField].(string)
		if err := json.Unmarshal([]byte(text), &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestOnePersonSignsInPassesAndSignsOut(t *testing.T) {
	client := redistest.Start(t).Client()
	publish(t, client, testPolicy)
	o := options(t, client)
	hash, err := login.HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	o.Users = users{hash}
	r := start(t, o)
	base := "http://" + r.address

	if got := check(t, r, "members", nil).GetDeniedResponse().GetStatus().GetCode(); got != 401 {
		t.Errorf("without a session: %v", got)
	}
	code, body := do(t, http.MethodPost, base+"/auth/login", fmt.Sprintf(`{"username":"erika","password":%q,"token":true}`, password),
		map[string]string{"Content-Type": "application/json", "Accept": "application/json"})
	var signedIn struct{ Token string }
	if err := json.Unmarshal([]byte(body), &signedIn); err != nil || code != 200 || signedIn.Token == "" {
		t.Fatalf("sign-in: %d %s", code, body)
	}
	bearer := map[string]string{"authorization": "Bearer " + signedIn.Token}
	ok := check(t, r, "members", bearer).GetOkResponse()
	if ok == nil || ok.GetHeaders()[0].GetHeader().GetValue() != "user-1" {
		t.Errorf("with a session: %v", ok)
	}
	if code, body := do(t, http.MethodPost, base+"/auth/logout", "", bearer); code != http.StatusNoContent {
		t.Errorf("sign-out: %d %s", code, body)
	}
	if got := check(t, r, "members", bearer).GetDeniedResponse().GetStatus().GetCode(); got != 401 {
		t.Errorf("after signing out: %v", got)
	}
	if _, err := r.end(t); err != nil {
		t.Error(err)
	}
	var types []string
	for _, e := range events(t, client) {
		types = append(types, string(e.Type))
		if e.Instance != "test" || strings.Contains(fmt.Sprint(e), "user-1") {
			t.Errorf("got %+v", e)
		}
	}
	if got := strings.Join(types, " "); got != "authentication_attempt session_created session_revoked" {
		t.Errorf("events: %s", got)
	}
}

func TestAHundredOfAThousandParallelRequestsPass(t *testing.T) {
	client := redistest.Start(t).Client()
	publish(t, client, testPolicy)
	r := start(t, options(t, client))
	var passed, refused atomic.Int64
	var callers sync.WaitGroup
	for range 10 {
		callers.Go(func() {
			for range 100 {
				out, err := authv3.NewAuthorizationClient(r.conn).Check(t.Context(), request("hundred", nil))
				switch {
				case err != nil:
					t.Error(err)
					return
				case out.GetOkResponse() != nil:
					passed.Add(1)
				case out.GetDeniedResponse().GetStatus().GetCode() == http.StatusTooManyRequests:
					refused.Add(1)
				}
			}
		})
	}
	callers.Wait()
	if passed.Load() != 100 || refused.Load() != 900 {
		t.Errorf("%d passed, %d refused", passed.Load(), refused.Load())
	}
}

func TestRedisGoesAndComesBackUnderAuthz(t *testing.T) {
	server := redistest.StartDurable(t)
	client := server.Client()
	publish(t, client, testPolicy)
	r := start(t, options(t, client))
	code := func() int { return int(check(t, r, "hundred", nil).GetDeniedResponse().GetStatus().GetCode()) }
	if got := code(); got != 0 {
		t.Fatalf("with Redis: %d", got)
	}
	server.Stop()
	start := time.Now()
	if got := code(); got != http.StatusServiceUnavailable || time.Since(start) > 400*time.Millisecond {
		t.Errorf("without Redis: %d after %s; Envoy waits 500 ms", got, time.Since(start))
	}
	await(t, "readiness tells of it", func() bool {
		status, body := get(t, "http://"+r.address+"/readyz")
		return status == 200 && strings.Contains(body, `"reachable":false`)
	})
	server.Restart()
	start = time.Now()
	await(t, "it recovers", func() bool { return code() == 0 })
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestReadinessWaitsForAPolicy(t *testing.T) {
	client := redistest.Start(t).Client()
	r := start(t, options(t, client))
	status, body := get(t, "http://"+r.address+"/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "no policy is published") {
		t.Errorf("%d %s", status, body)
	}
	health := healthv1.NewHealthClient(r.conn)
	serves := func(service string) healthv1.HealthCheckResponse_ServingStatus {
		out, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return out.GetStatus()
	}
	const authorization, log = "envoy.service.auth.v3.Authorization", "envoy.service.accesslog.v3.AccessLogService"
	if serves("") == healthv1.HealthCheckResponse_SERVING || serves(authorization) == healthv1.HealthCheckResponse_SERVING ||
		serves(log) != healthv1.HealthCheckResponse_SERVING {
		t.Error("gRPC health says otherwise")
	}
	if got := check(t, r, "members", nil).GetDeniedResponse().GetStatus().GetCode(); got != 503 {
		t.Errorf("a request before the policy: %v", got)
	}
	publish(t, client, testPolicy)
	await(t, "ready", func() bool {
		status, _ := get(t, "http://"+r.address+"/readyz")
		return status == 200 && serves(authorization) == healthv1.HealthCheckResponse_SERVING
	})
	if status, _ := get(t, "http://"+r.address+"/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
}

func TestWithRateLimitConfigAloneItIsADropIn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("domain: d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(t, redistest.Start(t).Client())
	o.RateLimitConfig = dir
	r := start(t, o)
	if status, body := get(t, "http://"+r.address+"/readyz"); status != 200 || !strings.Contains(body, `"domains":1`) {
		t.Errorf("%d %s", status, body)
	}
	_, err := ratelimitv3.NewRateLimitServiceClient(r.conn).ShouldRateLimit(t.Context(), &ratelimitv3.RateLimitRequest{})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	if status, _ := get(t, "http://"+r.address+"/auth/login"); status != http.StatusNotFound {
		t.Errorf("sign-in without users: %d", status)
	}
}

func TestStoppingIsQuickAnswersWhatIsInFlightAndKeepsTheEvents(t *testing.T) {
	client := redistest.Start(t).Client()
	publish(t, client, testPolicy)
	r := start(t, options(t, client))
	stream, err := accesslogv3.NewAccessLogServiceClient(r.conn).StreamAccessLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const n = 300
	for i := range n {
		err := stream.Send(&accesslogv3.StreamAccessLogsMessage{LogEntries: &accesslogv3.StreamAccessLogsMessage_HttpLogs{
			HttpLogs: &accesslogv3.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: []*dataaccesslog.HTTPAccessLogEntry{{
				CommonProperties: &dataaccesslog.AccessLogCommon{StartTime: timestamppb.New(time.Unix(int64(i), 0))},
			}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the first entries arrive", func() bool { return len(events(t, client)) > 0 })
	took, err := r.end(t)
	if err != nil || took > stopWithin {
		t.Errorf("it ended after %s with %v", took, err)
	}
	if got := len(events(t, client)); got != n {
		t.Errorf("%d of %d entries became events", got, n)
	}
}

func TestStoppingDoesNotWaitForRedis(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	publish(t, client, testPolicy)
	r := start(t, options(t, client))
	stream, err := accesslogv3.NewAccessLogServiceClient(r.conn).StreamAccessLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := stream.Send(&accesslogv3.StreamAccessLogsMessage{LogEntries: &accesslogv3.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &accesslogv3.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: []*dataaccesslog.HTTPAccessLogEntry{{}}},
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	took, err := r.end(t)
	if took > stopWithin || !errors.Is(err, event.ErrLost) {
		t.Errorf("it ended after %s with %v; the loss is to be told", took, err)
	}
}

func TestAPortInUseIsOneClearLineBeforeAnythingElse(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, change := range map[string]func(*Options){
		"--listen":         func(o *Options) { o.Listen = taken.Addr().String() },
		"--metrics-listen": func(o *Options) { o.MetricsListen = taken.Addr().String() },
	} {
		o := options(t, redistest.Deaf(t))
		change(&o)
		err := Run(t.Context(), o)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no address": {func(o *Options) { o.Listen = "" }, "--listen"},
		"no Redis":   {func(o *Options) { o.RedisClient = nil }, "--redis"},
		"a Redis URL that is none": {func(o *Options) {
			o.RedisClient, o.Redis.URL = nil, secret.New([]byte("redis://user:hunter2@host:x"))
		}, "redis://host:port/db"},
		"a policy file that is not there": {func(o *Options) { o.PolicyFile = "/nonexistent" }, "/nonexistent"},
		"no rate limits":                  {func(o *Options) { o.RateLimitConfig = t.TempDir() }, "--ratelimit-config"},
		"a short key":                     {func(o *Options) { o.PseudonymKey = secret.New([]byte("x")) }, "pseudonym"},
	} {
		o := options(t, redistest.Start(t).Client())
		c.change(&o)
		err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMetricsAndReflectionAreServed(t *testing.T) {
	client := redistest.Start(t).Client()
	publish(t, client, testPolicy)
	o := options(t, client)
	var err error
	if o.MetricsListener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	r := start(t, o)
	check(t, r, "members", nil)
	_, body := get(t, "http://"+o.MetricsListener.Addr().String()+"/metrics")
	for _, want := range []string{
		`gatehouse_authz_checks_total{decision="deny",feature="session",rule="session_required"} 1`,
		"gatehouse_authz_redis_up 1", "gatehouse_authz_ready 1", "gatehouse_events_queued", "go_goroutines",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	stream, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	list, err := stream.Recv()
	if err != nil || len(list.GetListServicesResponse().GetService()) < 4 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestAUnixSocketIsServedAndAStaleOneReplaced(t *testing.T) {
	dir, err := os.MkdirTemp("", "gh-authz-") //nolint:usetesting // a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	client := redistest.Start(t).Client()
	publish(t, client, testPolicy)
	o := options(t, client)
	o.Listen = "unix://" + path
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan struct{}), make(chan error, 1)
	o.Started = func(net.Addr) { close(started) }
	go func() { ended <- Run(ctx, o) }()
	<-started
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), request("members", nil)); err != nil {
		t.Error(err)
	}
	_ = conn.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
