package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/control/audit"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

// buffer may be written and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// command runs one command line with an environment and standard input.
type command struct {
	stdin          io.Reader
	env            map[string]string
	stdout, stderr buffer
}

func (c *command) run(ctx context.Context, args ...string) int {
	if c.stdin == nil {
		c.stdin = strings.NewReader("")
	}
	app := &App{Stdin: c.stdin, Stdout: &c.stdout, Stderr: &c.stderr, Env: func(name string) string { return c.env[name] }}
	return app.Run(ctx, args)
}

func TestUsersAreManagedWithoutAPasswordInAnArgument(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "users.db")
	user := func(stdin string, want int, args ...string) string {
		t.Helper()
		c := command{stdin: strings.NewReader(stdin), env: map[string]string{"GATEHOUSE_STORE": url}}
		if code := c.run(t.Context(), append([]string{"user"}, args...)...); code != want {
			t.Fatalf("%v: exit code %d, want %d: %s", args, code, want, c.stderr.String())
		}
		return c.stdout.String() + c.stderr.String()
	}
	user("correct horse battery\nrest", ExitDone, "add", "anna", "--password-stdin", "--role", "operator")
	generated := strings.TrimSpace(user("", ExitDone, "add", "bob", "--generate"))
	for name, password := range map[string]string{"ANNA": "correct horse battery", "bob": generated} {
		expectPassword(t, url, name, password)
	}
	if out := user("", ExitWrong, "add", "Anna", "--generate"); !strings.Contains(out, "gatehouse user password") {
		t.Errorf("a second anna: %s", out)
	}
	user("a better one, this is\r\n", ExitDone, "password", "anna", "--password-stdin", "--keep-sessions")
	expectPassword(t, url, "anna", "a better one, this is")
	user("", ExitDone, "disable", "anna", "--keep-sessions")

	out := user("", ExitDone, "list", "--output", "json")
	var rows []userRow
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	if rows[0].Name != "anna" || !rows[0].Disabled || rows[0].Roles[0] != "operator" || rows[1].Disabled {
		t.Errorf("%+v", rows)
	}
	if table := user("", ExitDone, "list"); !strings.Contains(table, "anna  disabled") || strings.Contains(out+table, "argon2") {
		t.Errorf("%s\n%s", out, table)
	}
	user("", ExitDone, "enable", "anna")
	user("", ExitWrong, "enable", "nobody")
	user("short\n", ExitWrong, "password", "anna", "--password-stdin", "--keep-sessions")
	user("", ExitUsage, "password", "anna")
	user("", ExitUsage, "add", "carl", "--generate", "--password-stdin")
	user("", ExitUsage, "add", "carl", "a-password")
	user("", ExitWrong, "list", "--store", "mysql:x")
}

func expectPassword(t *testing.T, url, name, password string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	u, err := s.UserByName(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	hasher := login.NewHasher(login.DefaultParams(), 64<<10)
	if check, err := hasher.Verify(t.Context(), password, u.PasswordHash); err != nil || !check.OK {
		t.Errorf("%s cannot sign in with %q: %+v %v", name, password, check, err)
	}
}

func auditLog(t *testing.T, dir string, events ...event.Event) *audit.Tlog {
	t.Helper()
	l := audittest.Open(t, dir)
	appendTo(t, l, events...)
	return l
}

// auditKeyFile holds a key that signs an audit log.
func auditKeyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit_key")
	if err := os.WriteFile(path, audittest.Key(t).Reveal(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func appendTo(t *testing.T, l *audit.Tlog, events ...event.Event) {
	t.Helper()
	if _, err := l.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if err := l.Published(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAuditTailShowsTheNewestThatAreAskedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	auditLog(t, filepath.Join(dir, "control", "audit"),
		event.Event{ID: "1", Time: at, Type: event.RequestAllowed, RequestID: "r1", Method: "GET", Path: "/a", Status: 200},
		event.Event{ID: "2", Time: at, Type: event.FileUploadRejected, RequestID: "r2", Method: "POST", Path: "/upload\x1b[31m", Status: 415, Rule: "upload_type_mismatch", Reason: "says pdf, is exe"},
		event.Event{ID: "3", Time: at, Type: event.RequestAllowed, RequestID: "r3"},
	)
	for name, c := range map[string]struct {
		args []string
		want []string
		not  []string
	}{
		"all":            {nil, []string{"/a", "415", "upload_type_mismatch: says pdf, is exe", "2026-01-02T03:04:05.000Z"}, []string{"\x1b"}},
		"by type":        {[]string{"--type", "file_upload_rejected"}, []string{"upload_type_mismatch"}, []string{"request_allowed"}},
		"by request":     {[]string{"--request-id", "r1", "-o", "json"}, []string{`"id":"1"`}, []string{`"id":"2"`}},
		"the last":       {[]string{"-n", "1", "-o", "json"}, []string{`"id":"3"`}, []string{`"id":"2"`}},
		"control's own":  {[]string{"--state-dir", filepath.Join(dir, "control"), "-o", "json"}, []string{`"id":"1"`}, nil},
		"none of a type": {[]string{"--type", "no_such"}, nil, []string{"TYPE"}},
	} {
		t.Run(name, func(t *testing.T) {
			c1 := command{env: map[string]string{"GATEHOUSE_STATE_DIR": dir}}
			if code := c1.run(t.Context(), append([]string{"audit", "tail"}, c.args...)...); code != ExitDone {
				t.Fatalf("exit code %d: %s", code, c1.stderr.String())
			}
			for _, want := range c.want {
				if !strings.Contains(c1.stdout.String(), want) {
					t.Errorf("%q is missing in %s", want, c1.stdout.String())
				}
			}
			for _, not := range c.not {
				if strings.Contains(c1.stdout.String(), not) {
					t.Errorf("%q is in %s", not, c1.stdout.String())
				}
			}
		})
	}
	none := command{}
	if code := none.run(t.Context(), "audit", "tail", "--state-dir", t.TempDir()); code != ExitWrong || !strings.Contains(none.stderr.String(), "no audit log") {
		t.Errorf("exit code %d: %s", code, none.stderr.String())
	}
}

func TestAuditTailFollows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := auditLog(t, filepath.Join(dir, "audit"), event.Event{ID: "before", Type: event.RequestAllowed})
	ctx, cancel := context.WithCancel(t.Context())
	c := command{}
	done := make(chan int)
	go func() { done <- c.run(ctx, "audit", "tail", "-f", "-o", "json", "--state-dir", dir) }()
	awaitText(t, &c.stdout, `"id":"before"`)
	appendTo(t, l, event.Event{ID: "after", Type: event.RequestAllowed})
	awaitText(t, &c.stdout, `"id":"after"`)
	cancel()
	if code := <-done; code != ExitDone {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
	if n := strings.Count(c.stdout.String(), "\n"); n != 2 {
		t.Errorf("%d lines: %s", n, c.stdout.String())
	}
}

func awaitText(t *testing.T, b *buffer, want string) {
	t.Helper()
	pack.Eventually(t, 20*time.Second, want+" is printed", func(context.Context) error {
		if !strings.Contains(b.String(), want) {
			return errNotPrinted
		}
		return nil
	})
}

var errNotPrinted = errors.New("not printed yet")

func TestServeAllServesBothAndEndsWhenAsked(t *testing.T) {
	t.Parallel()
	dir, ports := t.TempDir(), pack.ReservePorts(t)
	config := filepath.Join(dir, "gatehouse.yaml")
	if err := os.WriteFile(config, []byte(goodPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := command{env: map[string]string{
		"GATEHOUSE_REDIS": "unix://" + redistest.Start(t).Socket(), "GATEHOUSE_LISTEN": ports.Addr(3),
		"GATEHOUSE_AUDIT_KEY_FILE": auditKeyFile(t),
	}}
	done := make(chan int)
	go func() {
		done <- c.run(ctx, "serve", "--config", config, "--state-dir", filepath.Join(dir, "state"),
			"--store", "sqlite:"+filepath.Join(dir, "users.db"), "--wasm", "filter.wasm", "--log-format", "text",
			"--xds-listen", ports.Addr(4), "--http-listen", ports.Addr(5), "--metrics-listen", ports.Addr(6))
	}()
	for addr, path := range map[string]string{ports.Addr(3): "/readyz", ports.Addr(5): "/readyz"} {
		pack.Eventually(t, 20*time.Second, addr+" is ready", func(ctx context.Context) error {
			return expectOK(ctx, "http://"+addr+path, nil)
		})
	}
	var metrics bytes.Buffer
	if err := expectOK(t.Context(), "http://"+ports.Addr(6)+"/metrics", &metrics); err != nil {
		t.Errorf("%v: %s", err, metrics.String())
	}
	for _, want := range []string{`gatehouse_events_queued{room="authz"}`, `gatehouse_events_queued{room="control"}`, "go_goroutines "} {
		if !strings.Contains(metrics.String(), want) {
			t.Errorf("%q is missing in the metrics", want)
		}
	}
	cancel()
	if code := <-done; code != ExitDone {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
}

func expectOK(ctx context.Context, url string, body *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body != nil {
		if _, err := body.ReadFrom(resp.Body); err != nil {
			return err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func TestServeRefusesWhatItShould(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	open := filepath.Join(dir, "open_to_all")
	if err := os.WriteFile(open, []byte("redis://x:1/0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil { //nolint:gosec // that is what is refused
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		code int
		says string
	}{
		"a password in an argument":        {nil, []string{"authz", "--redis", "redis://:hunter2@redis:6379"}, ExitUsage, "--redis-url-file"},
		"a password in the query":          {nil, []string{"authz", "--redis", "unix:///r.sock?password=hunter2"}, ExitUsage, "--redis-url-file"},
		"a secret in the environment":      {map[string]string{"REDIS_PASSWORD": "hunter2"}, []string{"authz", "--redis", "redis://r"}, ExitWrong, "REDIS_PASSWORD_FILE"},
		"a URL in the environment":         {map[string]string{"REDIS_URL": "redis://:hunter2@r"}, []string{"control", "--redis", "redis://r"}, ExitWrong, "REDIS_URL_FILE"},
		"a key in the environment":         {map[string]string{"GATEHOUSE_PSEUDONYM_KEY": "hunter2"}, []string{"authz"}, ExitWrong, "GATEHOUSE_PSEUDONYM_KEY_FILE"},
		"a signing key in the environment": {map[string]string{"GATEHOUSE_AUDIT_KEY": "hunter2"}, []string{"control"}, ExitWrong, "GATEHOUSE_AUDIT_KEY_FILE"},
		"no key for the audit log":         {nil, []string{"control", "--redis", "redis://r"}, ExitWrong, "audit keygen"},
		"a secret that all may read":       {map[string]string{"REDIS_URL_FILE": open}, []string{"authz"}, ExitWrong, "0600"},
		"two places of Redis":              {nil, []string{"authz", "--redis", "redis://r", "--redis-url-file", open}, ExitUsage, "keep one"},
		"no Redis":                         {nil, []string{"authz", "--listen", "127.0.0.1:0"}, ExitWrong, "REDIS_URL_FILE"},
		"a port in use":                    {nil, []string{"authz", "--redis", "redis://127.0.0.1:1", "--listen", taken.Addr().String()}, ExitWrong, "in use"},
		"a policy file that is absent":     {map[string]string{"GATEHOUSE_AUDIT_KEY_FILE": auditKeyFile(t)}, []string{"control", "--redis", "redis://r", "--xds-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--config", dir + "/none.yaml"}, ExitWrong, "none.yaml"},
		"a log level":                      {nil, []string{"authz", "--log-level", "loud"}, ExitUsage, "loud"},
		"a log format":                     {nil, []string{"authz", "--log-format", "xml"}, ExitUsage, "xml"},
		"a pool of nothing":                {nil, []string{"authz", "--redis", "redis://r", "--redis-pool-size", "0"}, ExitUsage, "at least 1"},
		"a number in the environment":      {map[string]string{"GATEHOUSE_REDIS_POOL_SIZE": "many"}, []string{"authz"}, ExitUsage, "GATEHOUSE_REDIS_POOL_SIZE"},
		"a store of another kind":          {nil, []string{"authz", "--redis", "redis://r", "--store", "mysql://u:hunter2@h/d"}, ExitWrong, "sqlite:PATH"},
		"a service that is none":           {nil, []string{"everything"}, ExitUsage, "everything"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command{env: c.env}
			code := cmd.run(t.Context(), append([]string{"serve"}, c.args...)...)
			out := cmd.stderr.String() + cmd.stdout.String()
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit code %d, want %d with %q: %s", code, c.code, c.says, out)
			}
			if strings.Contains(out, "hunter2") {
				t.Errorf("it tells the secret: %s", out)
			}
		})
	}
}

func TestTheRateLimitServiceNeedsNothingElse(t *testing.T) {
	t.Parallel()
	dir, ports := t.TempDir(), pack.ReservePorts(t)
	limits := "domain: edge\ndescriptors:\n  - key: generic_key\n    rate_limit: {unit: minute, requests_per_unit: 5}\n"
	if err := os.WriteFile(filepath.Join(dir, "edge.yaml"), []byte(limits), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := command{}
	done := make(chan int)
	go func() {
		done <- c.run(ctx, "serve", "authz", "--ratelimit-config", dir, "--redis", "unix://"+redistest.Start(t).Socket(), "--listen", ports.Addr(3))
	}()
	pack.Eventually(t, 20*time.Second, "the service is ready", func(ctx context.Context) error {
		return expectOK(ctx, "http://"+ports.Addr(3)+"/readyz", nil)
	})
	cancel()
	if code := <-done; code != ExitDone {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
}
