package control

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	authzpolicy "gatehouse/authz/policy"
	"gatehouse/authz/secret"
	"gatehouse/control/audit"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/policy"
	"gatehouse/e2e/pack"
)

const within = 15 * time.Second

const goodPolicy = `
version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies:
  base: {headers: {preset: strict}, limits: [{name: calls, by: [ip], rate: %d/60s}]}
routes:
  - {path_prefix: /, upstream: app, policy: base}
`

func good(limit int) string { return fmt.Sprintf(goodPolicy, limit) }

// running is a control with a Redis and no Envoy.
type running struct {
	redis *redistest.Server
	dir   string
	http  string
	log   *lockedBuffer
	stop  func() error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (r *running) options(t *testing.T) Options {
	t.Helper()
	return Options{
		Config: filepath.Join(r.dir, "gatehouse.yaml"), StateDir: filepath.Join(r.dir, "state"),
		XDSListener: listener(t), HTTPListener: listener(t),
		Redis:    RedisOptions{URL: secret.New([]byte("unix://" + r.redis.Socket()))},
		WasmPath: "/filter.wasm", AuthzAddress: "127.0.0.1:9001", Instance: "test",
		Log:    slog.New(slog.NewTextHandler(r.log, nil)),
		timing: timing{poll: 20 * time.Millisecond, settle: 10 * time.Millisecond, prune: 20 * time.Millisecond, republic: 20 * time.Millisecond},
	}
}

func prepare(t *testing.T, config string) *running {
	t.Helper()
	r := &running{redis: redistest.Start(t), dir: t.TempDir(), log: &lockedBuffer{}}
	r.write(t, config)
	return r
}

func start(t *testing.T, config string) *running {
	t.Helper()
	r := prepare(t, config)
	r.start(t)
	return r
}

func (r *running) start(t *testing.T) {
	t.Helper()
	o := r.options(t)
	r.http = "http://" + o.HTTPListener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	stopped := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	r.stop = stopped
	t.Cleanup(func() {
		if err := stopped(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	pack.Eventually(t, within, "control is ready", func(ctx context.Context) error {
		_, err := r.ready(ctx)
		return err
	})
}

// write replaces the file as an editor does.
func (r *running) write(t *testing.T, config string) {
	t.Helper()
	path := filepath.Join(r.dir, "gatehouse.yaml")
	if err := os.WriteFile(path+"~", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

func (r *running) get(ctx context.Context, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.http+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func (r *running) ready(ctx context.Context) (readiness, error) {
	var state readiness
	status, body, err := r.get(ctx, "/readyz")
	if err != nil {
		return state, err
	}
	if status != http.StatusOK {
		return state, fmt.Errorf("%d %s", status, body)
	}
	return state, json.Unmarshal([]byte(body), &state)
}

func (r *running) await(t *testing.T, what string, ok func(readiness) bool) readiness {
	t.Helper()
	var state readiness
	pack.Eventually(t, within, what, func(ctx context.Context) (err error) {
		if state, err = r.ready(ctx); err == nil && !ok(state) {
			err = fmt.Errorf("%+v", state)
		}
		return err
	})
	return state
}

func (r *running) awaitEvent(t *testing.T, what string, match func(event.Event) bool) event.Event {
	t.Helper()
	var found []event.Event
	pack.Eventually(t, within, what, func(ctx context.Context) (err error) {
		found, err = audit.Last(ctx, filepath.Join(r.dir, "state", "audit"), 1, match)
		if err == nil && len(found) == 0 {
			err = errors.New("no such event")
		}
		return err
	})
	return found[0]
}

func versionOf(t *testing.T, config string) string {
	t.Helper()
	c, err := policy.Load("gatehouse.yaml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return c.Version
}

// awaitAuthz waits until Redis holds the policy with exactly these names.
func (r *running) awaitAuthz(t *testing.T, version string, names ...string) {
	t.Helper()
	client := r.redis.Client()
	pack.Eventually(t, within, "Redis holds "+version, func(ctx context.Context) error {
		text, err := client.Get(ctx, authzpolicy.Key).Result()
		if err != nil {
			return err
		}
		var held authzpolicy.Config
		if err := json.Unmarshal([]byte(text), &held); err != nil {
			return err
		}
		if held.Version != version {
			return fmt.Errorf("version %s", held.Version)
		}
		if len(held.Policies) != len(names)+2 {
			return fmt.Errorf("policies %v", held.Policies)
		}
		for _, name := range names {
			if _, ok := held.Policies[name]; !ok {
				return fmt.Errorf("policies %v", held.Policies)
			}
		}
		return nil
	})
}

func TestAnEditGoesLiveAndIsTold(t *testing.T) {
	r := start(t, good(1))
	first, second := versionOf(t, good(1)), strings.ReplaceAll(good(2), "base", "other")
	r.awaitAuthz(t, first, "base")
	r.awaitEvent(t, "the first policy_changed", func(e event.Event) bool {
		return e.Type == event.PolicyChanged && e.PolicyVersion == first && e.Detail["former_version"] == ""
	})
	r.write(t, second)
	r.await(t, "the second is live", func(s readiness) bool { return s.Policy.Version == versionOf(t, second) })
	r.awaitAuthz(t, versionOf(t, second), "other") // the former policy is dropped in the end
	r.awaitEvent(t, "the second policy_changed", func(e event.Event) bool {
		return e.PolicyVersion == versionOf(t, second) && e.Detail["former_version"] == first && e.Source == "control"
	})
	kept, err := filepath.Glob(filepath.Join(r.dir, "state", "policies", "*.yaml"))
	if err != nil || len(kept) != 2 {
		t.Fatalf("%v %v", kept, err)
	}
	if text, err := os.ReadFile(kept[1]); err != nil || string(text) != second {
		t.Errorf("%v: %s", err, text)
	}
}

func TestABrokenEditChangesNothingAndIsTold(t *testing.T) {
	for name, broken := range map[string]struct{ config, says string }{
		"two mistakes":     {strings.NewReplacer("preset: strict", "preset: strikt", "upstream: app", "upstream: ap").Replace(good(2)), "preset"},
		"not YAML":         {"\t{", "gatehouse.yaml:1"},
		"nothing at all":   {"", "gatehouse.yaml"},
		"half of the file": {good(2)[:40], "gatehouse.yaml"},
		"a certificate that is not there": {
			strings.Replace(good(2), "{listen: 127.0.0.1:8080}", "{listen: 127.0.0.1:8080, tls: {listen: 127.0.0.1:8443, cert_file: none.pem, key_file: none.key}}", 1), "cert_file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, good(1))
			version := versionOf(t, good(1))
			r.write(t, broken.config)
			state := r.await(t, "the edit is refused", func(s readiness) bool { return s.LastError != nil })
			if state.Policy.Version != version || !strings.Contains(strings.Join(state.LastError.Errors, "\n"), broken.says) {
				t.Errorf("%+v", state)
			}
			if name == "two mistakes" && len(state.LastError.Errors) != 2 {
				t.Errorf("%q, want both", state.LastError.Errors)
			}
			r.awaitAuthz(t, version, "base")
			r.awaitEvent(t, "policy_rejected", func(e event.Event) bool {
				return e.Type == event.PolicyRejected && strings.Contains(e.Reason, broken.says)
			})
			if !strings.Contains(r.log.String(), broken.says) {
				t.Error("the log does not say why")
			}
			r.write(t, good(3))
			r.await(t, "the next edit is live", func(s readiness) bool {
				return s.LastError == nil && s.Policy.Version == versionOf(t, good(3))
			})
		})
	}
}

func TestAnEditThatMeansTheSameIsNoChange(t *testing.T) {
	r := start(t, good(1))
	before := r.await(t, "ready", func(readiness) bool { return true })
	r.write(t, "# a comment\n"+good(1))
	pack.Eventually(t, within, "the edit is noticed", func(context.Context) error {
		if !strings.Contains(r.log.String(), "means the same") {
			return errors.New("not yet")
		}
		return nil
	})
	if after := r.await(t, "ready", func(readiness) bool { return true }); after.Policy != before.Policy {
		t.Errorf("%+v became %+v", before.Policy, after.Policy)
	}
}

func TestRedisMayComeLaterAndMayForget(t *testing.T) {
	r := prepare(t, good(1))
	r.redis.Stop()
	r.start(t)
	r.await(t, "Redis is missed", func(s readiness) bool { return s.Ready && !s.Redis.Reachable && s.Redis.Problem != "" })
	version := versionOf(t, good(1))
	for range 2 {
		r.redis.Restart() // empty
		r.awaitAuthz(t, version, "base")
		r.await(t, "Redis is there", func(s readiness) bool { return s.Redis.Reachable && s.Redis.Version == version })
		r.redis.Stop()
	}
	r.redis.Restart() // for the event of the policy, or control would report it lost
}

func TestARestartRemembersWhatWasLive(t *testing.T) {
	r := start(t, good(1))
	first := versionOf(t, good(1))
	r.awaitAuthz(t, first, "base")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	edited := strings.ReplaceAll(good(1), "base", "other")
	r.write(t, edited)
	r.start(t)
	r.awaitAuthz(t, versionOf(t, edited), "other")
	r.awaitEvent(t, "policy_changed", func(e event.Event) bool {
		return e.PolicyVersion == versionOf(t, edited) && e.Detail["former_version"] == first
	})
}

func TestMetricsAndHealth(t *testing.T) {
	r := start(t, good(1))
	r.awaitAuthz(t, versionOf(t, good(1)), "base")
	r.awaitEvent(t, "policy_changed", func(event.Event) bool { return true })
	for path, wants := range map[string][]string{
		"/healthz": {"ok"},
		"/metrics": {`gatehouse_control_policy_edits_total{result="accepted"} 1`, "gatehouse_control_envoys 0", "gatehouse_control_redis_up 1", "go_goroutines"},
	} {
		status, body, err := r.get(t.Context(), path)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %v", path, status, err)
		}
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, body)
			}
		}
	}
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	r := prepare(t, good(1))
	taken := listener(t)
	defer taken.Close()
	for name, c := range map[string]struct {
		change func(*Options)
		says   []string
	}{
		"nothing is said": {func(o *Options) {
			*o = Options{Log: o.Log}
		}, []string{"--config", "--xds-listen", "--http-listen", "--state-dir", "--wasm", "--authz-address"}},
		"a port is in use": {func(o *Options) {
			o.HTTPListener, o.HTTPListen = nil, taken.Addr().String()
		}, []string{taken.Addr().String() + " is in use by another program; choose another with --http-listen or stop it"}},
		"the file is not there": {func(o *Options) { o.Config = "/nowhere.yaml" }, []string{"read the policy file", "/nowhere.yaml"}},
		"no Redis is named":     {func(o *Options) { o.Redis.URL = secret.Value{} }, []string{"--redis", "REDIS_URL_FILE"}},
		"a Redis URL with a password is wrong": {func(o *Options) {
			o.Redis.URL = secret.New([]byte("http://:hunter2@redis"))
		}, []string{"Redis URL cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := r.options(t)
			c.change(&o)
			err := Run(t.Context(), o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
	r.write(t, strings.NewReplacer("preset: strict", "preset: strikt", "upstream: app", "upstream: ap").Replace(good(1)))
	var mistakes policy.Errors
	if err := Run(t.Context(), r.options(t)); !errors.As(err, &mistakes) || len(mistakes) != 2 {
		t.Errorf("a broken file: %v", err)
	}
}

func TestRedisSettingsOfTheFileFillWhatIsOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("redis://file:1/0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		flag     string
		settings policy.RedisSettings
		want     string
	}{
		"the flag goes first":  {"redis://flag:1/0", policy.RedisSettings{URL: "redis://yaml:1/0"}, "redis://flag:1/0"},
		"the URL of the file":  {"", policy.RedisSettings{URL: "redis://yaml:1/0"}, "redis://yaml:1/0"},
		"the URL in a secret":  {"", policy.RedisSettings{URLFile: file}, "redis://file:1/0"},
		"no URL is no default": {"", policy.RedisSettings{}, ""},
	} {
		location, _, err := RedisOptions{URL: secret.New([]byte(c.flag))}.complete(c.settings)
		if location != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q %v", name, location, err)
		}
	}
}

func TestOnlyTheLastPoliciesAreKept(t *testing.T) {
	h := history{dir: filepath.Join(t.TempDir(), "policies")}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range keptPolicies + 5 {
		for range 2 { // the second time it is the newest already
			at = at.Add(time.Second)
			if err := h.keep(fmt.Sprintf("v%02d", i), []byte(fmt.Sprint(i)), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	names, err := h.list()
	if err != nil || len(names) != keptPolicies || !strings.HasSuffix(names[0], "-v05.yaml") {
		t.Errorf("%v %v", names, err)
	}
	version, source, err := h.newest()
	if err != nil || version != "v24" || string(source) != "24" {
		t.Errorf("%s %s %v", version, source, err)
	}
}

func TestAKubernetesMountThatIsSwappedIsAnEdit(t *testing.T) {
	r := prepare(t, good(1))
	mount := func(name, config string) {
		t.Helper()
		dir := filepath.Join(r.dir, name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "gatehouse.yaml"), []byte(config), 0o600),
			os.Symlink(name, filepath.Join(r.dir, "..new")), os.Rename(filepath.Join(r.dir, "..new"), filepath.Join(r.dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	mount("..1", good(1))
	path := filepath.Join(r.dir, "gatehouse.yaml")
	if err := errors.Join(os.Remove(path), os.Symlink("..data/gatehouse.yaml", path)); err != nil {
		t.Fatal(err)
	}
	r.start(t)
	mount("..2", good(2))
	r.await(t, "the new one is live", func(s readiness) bool { return s.Policy.Version == versionOf(t, good(2)) })
}

func TestACertificateThatChangesIsServedAndABrokenOneIsNot(t *testing.T) {
	r := prepare(t, "")
	tls := fmt.Sprintf("{listen: 127.0.0.1:8080, tls: {listen: 127.0.0.1:8443, cert_file: %[1]s/c.pem, key_file: %[1]s/k.pem}}", r.dir)
	writePair(t, r.dir)
	r.write(t, strings.Replace(good(1), "{listen: 127.0.0.1:8080}", tls, 1))
	r.start(t)
	awaitLive := func(times int) {
		t.Helper()
		pack.Eventually(t, within, "the certificate is live", func(context.Context) error {
			if n := strings.Count(r.log.String(), "policy is live"); n != times {
				return fmt.Errorf("%d times", n)
			}
			return nil
		})
	}
	awaitLive(1)
	writePair(t, r.dir)
	awaitLive(2)
	if err := os.WriteFile(filepath.Join(r.dir, "k.pem"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	state := r.await(t, "the pair is refused", func(s readiness) bool { return s.LastError != nil })
	if !state.Ready || !strings.Contains(state.LastError.Errors[0], "k.pem") {
		t.Errorf("%+v", state.LastError)
	}
	writePair(t, r.dir)
	r.await(t, "the next pair is served", func(s readiness) bool { return s.LastError == nil })
}

func writePair(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: cert}, "k.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
