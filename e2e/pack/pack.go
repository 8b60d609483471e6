package pack

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// The order of the ports is that of gatehouse up --port-base.
const (
	portHTTP = iota
	portTLS
	portAdmin
	portAuthz
	portXDS
	portControl
	portAuthzMetrics
	portDemo
	portControlMetrics
	portRedis
)

// The user that every pack knows. Both are long and odd, so that a search for
// them in a log or an event finds them and nothing else.
const (
	UserName = "wilhelmina.testfrau"
	Password = "correct-horse-Gatehouse-battery-7291"
)

const redisPassword = "redis-password-of-the-tests-5583"

// Options say what the pack is to serve.
type Options struct {
	// Config is the text of gatehouse.yaml, in which ${LISTEN} stands for
	// Envoy's address and ${PORT} for its port, ${APP} for the upstream's URL,
	// and ${CERT} and ${KEY} for the files of a certificate made for this pack.
	Config string
	// Answer writes the upstream's responses; nil echoes what it has seen.
	Answer http.Handler
	// AuthzFlags are further flags of authz.
	AuthzFlags []string
}

// Pack is a running Gatehouse.
type Pack struct {
	// Redis, Authz, Control and Envoy are the parts; a test may end and start
	// each of them.
	Redis, Authz, Control, Envoy *Process
	App                          *Upstream
	Ports                        Ports
	// Dir holds all state, and ConfigFile is the live gatehouse.yaml.
	Dir, ConfigFile string

	values *strings.Replacer
}

// Start runs the whole pack and returns once a request passes through Envoy's
// listener.
func Start(t TB, o Options) *Pack {
	t.Helper()
	p := newPack(t)
	p.App = StartUpstream(t, o.Answer)
	p.ConfigFile = filepath.Join(p.Dir, "gatehouse.yaml")
	cert, key := writeCertificate(t, p.Dir)
	_, port, _ := net.SplitHostPort(p.Addr())
	p.values = strings.NewReplacer("${LISTEN}", p.Addr(), "${PORT}", port, "${LISTEN_TLS}", p.Ports.Addr(portTLS),
		"${APP}", p.App.URL, "${CERT}", cert, "${KEY}", key)
	p.WriteConfig(t, o.Config)
	p.Control, p.Authz, p.Envoy = p.control(t), p.authz(t, o.AuthzFlags...), p.envoy(t)
	p.Control.Launch(t)
	p.Authz.Launch(t)
	p.Envoy.Launch(t)
	for _, part := range []*Process{p.Control, p.Authz, p.Envoy} {
		part.AwaitReady(t, startWithin)
	}
	return p
}

// StartStandalone runs authz without control, on a compiled policy in a file,
// and Redis. Envoy is the caller's affair.
func StartStandalone(t TB, policyJSON string, flags ...string) *Pack {
	t.Helper()
	p := newPack(t)
	file := filepath.Join(p.Dir, "policy.json")
	writeFile(t, file, policyJSON)
	p.Authz = p.authz(t, append([]string{"--policy-file", file}, flags...)...)
	p.Authz.Start(t)
	return p
}

// StartStatic runs the repository's own files without control: authz on
// envoy/authz.json and envoy/ratelimit, Envoy on envoy/static.yaml, with nothing
// changed but the ports.
func StartStatic(t TB) *Pack {
	t.Helper()
	files := filepath.Join(Root(t), "envoy")
	policyJSON, err := os.ReadFile(filepath.Join(files, "authz.json")) //nolint:gosec // a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	p := StartStandalone(t, string(policyJSON), "--ratelimit-config", filepath.Join(files, "ratelimit"), "--ratelimit-headers")
	p.App = StartUpstream(t, nil)
	_, app, _ := net.SplitHostPort(strings.TrimPrefix(p.App.URL, "http://"))
	_, demo, _ := net.SplitHostPort(p.Ports.Addr(portDemo))
	p.Envoy = StartableEnvoy(t, p.Dir, p.Ports, filepath.Join(files, "static.yaml"), "port_value: "+demo, "port_value: "+app)
	p.Envoy.Start(t)
	return p
}

// newPack has Redis and a user, and nothing else yet.
func newPack(t TB) *Pack {
	t.Helper()
	p := &Pack{Ports: ReservePorts(t), Dir: t.TempDir()}
	p.writeSecrets(t)
	p.AddUser(t, UserName, Password)
	p.Redis = p.redis(t)
	p.Redis.Start(t)
	return p
}

// AuthzAddr is where authz serves gRPC and its HTTP side.
func (p *Pack) AuthzAddr() string { return p.Ports.Addr(portAuthz) }

// AuthzURL, AuthzMetricsURL and AdminURL are authz's HTTP side, its metrics, and
// Envoy's admin interface.
func (p *Pack) AuthzURL(path string) string { return "http://" + p.Ports.Addr(portAuthz) + path }
func (p *Pack) AuthzMetricsURL() string {
	return "http://" + p.Ports.Addr(portAuthzMetrics) + "/metrics"
}
func (p *Pack) AdminURL(path string) string { return "http://" + p.Ports.Addr(portAdmin) + path }

// Addr is Envoy's plain listener, URL the same with a scheme and a path.
func (p *Pack) Addr() string           { return p.Ports.Addr(portHTTP) }
func (p *Pack) URL(path string) string { return "http://" + p.Addr() + path }

// TLSURL is Envoy's TLS listener; only for a config with tls.
func (p *Pack) TLSURL(path string) string { return "https://" + p.Ports.Addr(portTLS) + path }

// WriteConfig replaces gatehouse.yaml the way an editor does: a new file takes
// the name of the old one.
func (p *Pack) WriteConfig(t TB, config string) {
	t.Helper()
	writeFile(t, p.ConfigFile+".new", p.values.Replace(config))
	if err := os.Rename(p.ConfigFile+".new", p.ConfigFile); err != nil {
		t.Fatal(err)
	}
}

func (p *Pack) secret(name string) string { return filepath.Join(p.Dir, "secrets", name) }

// AuditKeyFile holds the public key of the audit log.
func (p *Pack) AuditKeyFile() string { return p.secret("audit_key.pub") }

func (p *Pack) writeSecrets(t TB) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(p.Dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.secret("redis_url"), "redis://"+p.Ports.Addr(portRedis)+"/0\n")
	writeFile(t, p.secret("redis_password"), redisPassword+"\n")
	writeFile(t, p.secret("assertion_key"), rand.Text()+rand.Text()+"\n")
	writeFile(t, p.secret("pseudonym_key"), "bWFkZS1mb3ItdGhlLXRlc3RzLW9ubHktMzItYnl0ZXM\n")
	writeFile(t, p.secret("master_key"), "bWFkZS1mb3ItdGhlLXRlc3RzLW9ubHktMzItYnl0ZXM=\n")
	key, public, err := note.GenerateKey(rand.Reader, "audit.gatehouse.test")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.secret("audit_key"), key+"\n")
	writeFile(t, p.AuditKeyFile(), public+"\n")
}

// ProviderSecret gives authz the client's secret at an OpenID provider.
func (p *Pack) ProviderSecret(t TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(p.Dir, "providers"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(p.Dir, "providers", name), text+"\n")
}

func (p *Pack) secretsEnv() []string {
	return []string{
		"REDIS_URL_FILE=" + p.secret("redis_url"),
		"REDIS_PASSWORD_FILE=" + p.secret("redis_password"),
		"GATEHOUSE_PSEUDONYM_KEY_FILE=" + p.secret("pseudonym_key"),
		"GATEHOUSE_ASSERTION_KEY_FILE=" + p.secret("assertion_key"),
		"GATEHOUSE_AUDIT_KEY_FILE=" + p.secret("audit_key"),
		"GATEHOUSE_MASTER_KEY_FILE=" + p.secret("master_key"),
	}
}

func (p *Pack) redis(t TB) *Process {
	dir := filepath.Join(p.Dir, "redis")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(p.Ports.Addr(portRedis))
	conf := filepath.Join(dir, "redis.conf")
	writeFile(t, conf, strings.Join([]string{
		"bind 127.0.0.1", "port " + port, "dir " + dir, "appendonly yes", "appendfsync everysec", `save ""`,
		"requirepass " + redisPassword, "",
	}, "\n"))
	return newProcess(t, p.Dir, "redis", []string{RedisBinary(t), conf}, nil, func(ctx context.Context) error {
		return pingRedis(ctx, p.Ports.Addr(portRedis))
	})
}

func (p *Pack) authz(t TB, flags ...string) *Process {
	return newProcess(t, p.Dir, "authz", append([]string{
		Gatehouse(t), "serve", "authz",
		"--listen", p.Ports.Addr(portAuthz),
		"--metrics-listen", p.Ports.Addr(portAuthzMetrics),
		"--state-dir", filepath.Join(p.Dir, "authz"),
		"--store", p.store(), "--provider-secrets", filepath.Join(p.Dir, "providers"),
	}, flags...), p.secretsEnv(), readyz(p.Ports.Addr(portAuthz)))
}

func (p *Pack) control(t TB) *Process {
	return newProcess(t, p.Dir, "control", []string{
		Gatehouse(t), "serve", "control",
		"--config", p.ConfigFile,
		"--xds-listen", p.Ports.Addr(portXDS),
		"--http-listen", p.Ports.Addr(portControl),
		"--metrics-listen", p.Ports.Addr(portControlMetrics),
		"--state-dir", p.controlState(),
		"--wasm", Wasm(t),
		"--authz-address", p.Ports.Addr(portAuthz),
		"--store", p.store(),
	}, p.secretsEnv(), readyz(p.Ports.Addr(portControl)))
}

// ControlURL is control's HTTP side, for /readyz and /metrics.
func (p *Pack) ControlURL(path string) string { return "http://" + p.Ports.Addr(portControl) + path }

func (p *Pack) controlState() string { return filepath.Join(p.Dir, "control") }
func (p *Pack) store() string        { return "sqlite:" + filepath.Join(p.Dir, "users.db") }

// envoy runs on the bootstrap that the repository shows to its readers, with
// nothing changed but the ports.
func (p *Pack) envoy(t TB) *Process {
	return StartableEnvoy(t, p.Dir, p.Ports, filepath.Join(Root(t), "envoy", "bootstrap.yaml"))
}

// readyz asks for readiness the way a load balancer does.
func readyz(addr string) func(context.Context) error {
	return func(ctx context.Context) error { return expect200(ctx, "http://"+addr+"/readyz") }
}

func expect200(ctx context.Context, url string) error {
	status, body, err := get(ctx, url)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", url, status, body)
	}
	return err
}

func get(ctx context.Context, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return resp.StatusCode, string(body), err
}

// pingRedis is satisfied once Redis answers a command from its data set, that
// is, once it has loaded its append-only file.
func pingRedis(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\nQUIT\r\n", redisPassword); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if !strings.Contains(string(answer), "+PONG") {
		return fmt.Errorf("redis answered %q: %w", answer, err)
	}
	return nil
}

func writeFile(t TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
