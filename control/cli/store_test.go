package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/control/internal/pgtest"
	"gatehouse/control/internal/redistest"
	"gatehouse/e2e/pack"
)

// closedStore is a PostgreSQL that wants a password, and the file with it.
type closedStore struct{ url, password, file string }

func newClosedStore(t *testing.T) closedStore {
	t.Helper()
	url, password := pgtest.StartWithPassword(t)
	return closedStore{url, password, place(t, "store_password", password+"\n", 0o600)}
}

func (s closedStore) env(more map[string]string) map[string]string {
	env := map[string]string{"GATEHOUSE_STORE": s.url, "GATEHOUSE_STORE_PASSWORD_FILE": s.file}
	for name, value := range more {
		env[name] = value
	}
	return env
}

func TestEveryCommandOpensAStoreThatWantsAPassword(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	state := newTrail(t, 1).state
	for _, args := range [][]string{
		{"user", "add", "anna", "--generate"},
		{"user", "list"},
		{"audit", "reindex"},
		{"audit", "search"},
		{"alert", "list"},
	} {
		line := strings.Join(args, " ")
		t.Run(line, func(t *testing.T) {
			for name, test := range map[string]struct {
				env  map[string]string
				code int
				says string
			}{
				"with the password":          {nil, ExitDone, ""},
				"without":                    {map[string]string{"GATEHOUSE_STORE_PASSWORD_FILE": ""}, ExitWrong, "does GATEHOUSE_STORE_PASSWORD_FILE name the file with the password of t"},
				"with another":               {map[string]string{"GATEHOUSE_STORE_PASSWORD_FILE": place(t, "other", "hunter2hunter2", 0o600)}, ExitWrong, "does GATEHOUSE_STORE_PASSWORD_FILE name"},
				"with one that all may read": {map[string]string{"GATEHOUSE_STORE_PASSWORD_FILE": place(t, "open", s.password, 0o644)}, ExitWrong, "chmod 0600"},
				"with one in plain":          {map[string]string{"GATEHOUSE_STORE_PASSWORD": s.password}, ExitWrong, "unset GATEHOUSE_STORE_PASSWORD"},
			} {
				c := command{env: s.env(test.env)}
				c.env["GATEHOUSE_STATE_DIR"] = state
				if args[0] == "user" {
					delete(c.env, "GATEHOUSE_STATE_DIR")
				}
				code := c.run(t.Context(), args...)
				out := c.stdout.String() + c.stderr.String()
				if code != test.code || !strings.Contains(out, test.says) {
					t.Errorf("%s: exit code %d: %s", name, code, out)
				}
				if strings.Contains(out, s.password) || strings.Contains(out, "hunter2") {
					t.Errorf("%s: it tells the password: %s", name, out)
				}
			}
		})
	}
}

func TestServeOpensAStoreThatWantsAPasswordAndFollowsTheFile(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	dir, ports := t.TempDir(), pack.ReservePorts(t)
	config, token := filepath.Join(dir, "gatehouse.yaml"), place(t, "admin_token", goodKey, 0o600)
	if err := os.WriteFile(config, []byte(goodPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	add := command{env: s.env(nil), stdin: strings.NewReader("correct horse battery\n")}
	if code := add.run(t.Context(), "user", "add", "anna", "--password-stdin"); code != ExitDone {
		t.Fatalf("exit code %d: %s", code, add.stderr.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := command{env: s.env(map[string]string{
		"GATEHOUSE_REDIS": "unix://" + redistest.Start(t).Socket(), "GATEHOUSE_AUDIT_KEY_FILE": auditKeyFile(t), "GATEHOUSE_ADMIN_TOKEN_FILE": token,
		"GATEHOUSE_PSEUDONYM_KEY_FILE": place(t, "key", goodKey, 0o600),
	})}
	done := make(chan int, 1)
	go func() {
		done <- c.run(ctx, "serve", "all", "--config", config, "--state-dir", filepath.Join(dir, "state"), "--wasm", "filter.wasm",
			"--listen", ports.Addr(3), "--xds-listen", ports.Addr(4), "--http-listen", ports.Addr(5), "--metrics-listen", ports.Addr(6))
	}()
	opens := func(when string) {
		t.Helper()
		pack.Eventually(t, 30*time.Second, "both read the store "+when, func(ctx context.Context) error {
			if err := getAs(ctx, "http://"+ports.Addr(5)+"/v1/alerts", goodKey); err != nil {
				return fmt.Errorf("control: %w", err)
			}
			if err := signIn(ctx, "http://"+ports.Addr(3)+"/auth/login", "anna", "correct horse battery"); err != nil {
				return fmt.Errorf("authz: %w", err)
			}
			return nil
		})
	}
	opens("with the password")
	next := s.password + "x"
	if err := os.WriteFile(s.file, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	pgtest.SetPassword(t, s.url, next)
	opens("with the new one")
	cancel()
	if code := <-done; code != ExitDone {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
	if out := c.stdout.String() + c.stderr.String(); strings.Contains(out, s.password) {
		t.Errorf("it tells the password: %s", out)
	}
}

func TestServeWithoutTheStoresPasswordSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newClosedStore(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "gatehouse.yaml")
	if err := os.WriteFile(config, []byte(goodPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	redis := "unix://" + redistest.Start(t).Socket()
	for room, args := range map[string][]string{
		"authz":   {"--listen", "127.0.0.1:0"},
		"control": {"--xds-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--config", config},
	} {
		c := command{env: map[string]string{"GATEHOUSE_STORE": s.url, "GATEHOUSE_AUDIT_KEY_FILE": auditKeyFile(t), "PGPASSWORD": s.password}}
		code := c.run(t.Context(), append([]string{"serve", room, "--redis", redis, "--state-dir", filepath.Join(dir, room)}, args...)...)
		if code != ExitWrong || !strings.Contains(c.stderr.String(), "does GATEHOUSE_STORE_PASSWORD_FILE name the file") {
			t.Errorf("%s: exit code %d: %s", room, code, c.stderr.String())
		}
	}
}

func getAs(ctx context.Context, url, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return expectStatus(r, http.StatusOK)
}

func signIn(ctx context.Context, url, name, password string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return expectStatus(r, http.StatusOK)
}

func expectStatus(r *http.Request, want int) error {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s: %s", resp.Status, body.String())
	}
	return nil
}
