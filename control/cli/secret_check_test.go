package cli

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

// keptFolder is a gatehouse.yaml that names every kind of secret file, and the
// files, all of them good.
type keptFolder struct{ dir, config string }

const policyWithSecrets = `
version: 1
envoy: {listen: 127.0.0.1:8080, tls: {listen: 127.0.0.1:8443, cert_file: cert.pem, key_file: key.pem}}
redis: {url_file: redis_url, password_file: redis_password}
control:
  api:
    tokens:
      - {name: ci, role: auditor, token_file: ci_token}
      - {name: desk, role: operator, token_file: desk_token}
alerts:
  sinks:
    - {name: on-call, kind: webhook, url: "https://hooks.example.com/g", secret_file: hook_key}
    - {name: prometheus, kind: alertmanager, url: "http://127.0.0.1:9093"}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies: {base: {headers: {preset: strict}}}
routes: [{path_prefix: /, upstream: app, policy: base}]
`

func newKeptFolder(t *testing.T) keptFolder {
	t.Helper()
	k := keptFolder{dir: t.TempDir()}
	k.config = filepath.Join(k.dir, "gatehouse.yaml")
	k.write(t, "gatehouse.yaml", policyWithSecrets)
	for _, name := range []string{"redis_password", "ci_token", "desk_token", "hook_key", "pseudonym_key", "store_password", "admin_token"} {
		k.write(t, name, rand.Text())
	}
	k.write(t, "redis_url", "redis://127.0.0.1:6379/0")
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	k.write(t, "master_key", hex.EncodeToString(key))
	text, err := os.ReadFile(auditKeyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	k.write(t, "audit_key", string(text))
	k.writePair(t, "cert.pem", "key.pem")
	return k
}

// writePair writes a certificate and its key; an empty name keeps one back.
func (k keptFolder) writePair(t *testing.T, certificate, key string) {
	t.Helper()
	cert, private := pack.Certificate(t)
	for from, to := range map[string]string{cert: certificate, private: key} {
		if to == "" {
			continue
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		k.write(t, to, string(text))
	}
}

func (k keptFolder) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (k keptFolder) env() map[string]string {
	env := map[string]string{}
	for _, name := range []string{"pseudonym_key", "master_key", "audit_key", "store_password", "admin_token"} {
		env["GATEHOUSE_"+strings.ToUpper(name)+"_FILE"] = filepath.Join(k.dir, name)
	}
	return env
}

func TestSecretCheckGoesThroughAllThatThePolicyFileNames(t *testing.T) {
	t.Parallel()
	const all = "GATEHOUSE_PSEUDONYM_KEY GATEHOUSE_MASTER_KEY GATEHOUSE_AUDIT_KEY GATEHOUSE_STORE_PASSWORD GATEHOUSE_ADMIN_TOKEN " +
		"redis.url_file redis.password_file envoy.tls.key_file control.api.tokens.ci control.api.tokens.desk alerts.sinks.on-call"
	for name, test := range map[string]struct {
		change func(*testing.T, keptFolder)
		bad    string // the secret that is
		says   string
	}{
		"all is well":                   {nil, "", ""},
		"a token is short":              {writes("ci_token", "short"), "control.api.tokens.ci", "has 5 bytes"},
		"a token is open to all":        {opens("desk_token"), "control.api.tokens.desk", "chmod 0600"},
		"a token is not there":          {removes("desk_token"), "control.api.tokens.desk", "no such file"},
		"a token is empty":              {writes("desk_token", "\n"), "control.api.tokens.desk", "is empty"},
		"two tokens are the same":       {copies("ci_token", "desk_token"), "control.api.tokens.desk", "the same as control.api.tokens.ci"},
		"a token is the administrator":  {copies("admin_token", "ci_token"), "control.api.tokens.ci", "the same as GATEHOUSE_ADMIN_TOKEN"},
		"a sink's key is short":         {writes("hook_key", "key"), "alerts.sinks.on-call", "has 3 bytes"},
		"a sink's key is not there":     {removes("hook_key"), "alerts.sinks.on-call", "no such file"},
		"a key is of another pair":      {func(t *testing.T, k keptFolder) { k.writePair(t, "", "key.pem") }, "envoy.tls.key_file", "does not go with the certificate"},
		"a key is the certificate":      {copies("cert.pem", "key.pem"), "envoy.tls.key_file", "is no private key in PEM"},
		"a certificate is not there":    {removes("cert.pem"), "envoy.tls.key_file", "has no certificate"},
		"the master key is no key":      {writes("master_key", strings.Repeat("not a key ", 5)), "GATEHOUSE_MASTER_KEY", "32 bytes in hexadecimal or base64"},
		"the audit key is no key":       {writes("audit_key", strings.Repeat("not a key ", 5)), "GATEHOUSE_AUDIT_KEY", "audit keygen"},
		"the store's password is short": {writes("store_password", "pw"), "GATEHOUSE_STORE_PASSWORD", "has 2 bytes"},
		"the administrator's is short":  {writes("admin_token", "root"), "GATEHOUSE_ADMIN_TOKEN", "has 4 bytes"},
		"a URL is none":                 {writes("redis_url", "redis/0"), "redis.url_file", "is no URL of Redis"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeptFolder(t)
			if test.change != nil {
				test.change(t, k)
			}
			want := ExitDone
			if test.bad != "" {
				want = ExitWrong
			}
			table := command{env: k.env()}
			if code := table.run(t.Context(), "secret", "check", "--config", k.config); code != want || !strings.Contains(table.stderr.String(), test.says) {
				t.Errorf("exit code %d: %s", code, table.stderr.String())
			}
			if test.bad != "" && (!strings.Contains(table.stderr.String(), test.bad+": ") || strings.Count(table.stderr.String(), "\n") != 1) {
				t.Errorf("said %s", table.stderr.String())
			}
			j := command{env: k.env()}
			if code := j.run(t.Context(), "secret", "check", "--config", k.config, "-o", "json"); code != want {
				t.Errorf("as JSON, exit code %d", code)
			}
			var r secretReport
			if err := json.Unmarshal([]byte(j.stdout.String()), &r); err != nil {
				t.Fatal(err)
			}
			expectRows(t, r, all, test.bad)
			k.expectUntold(t, table.stdout.String()+table.stderr.String()+j.stdout.String())
		})
	}
}

func expectRows(t *testing.T, r secretReport, all, bad string) {
	t.Helper()
	rows := map[string]secretRow{}
	for _, row := range r.Secrets {
		rows[row.Name] = row
	}
	for _, name := range strings.Fields(all) {
		row := rows[name]
		if want := map[bool]string{false: "ok", true: "bad"}[name == bad]; row.State != want || (row.Problem != "") != (name == bad) {
			t.Errorf("%s: %+v", name, row)
		}
		if name != bad && (row.Mode != "0600" || row.AgeDays == nil || *row.AgeDays != 0 || row.File == "") {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

// expectUntold looks for the secrets themselves.
func (k keptFolder) expectUntold(t *testing.T, out string) {
	t.Helper()
	for _, name := range []string{"redis_password", "ci_token", "desk_token", "hook_key", "pseudonym_key", "store_password", "admin_token", "master_key", "audit_key"} {
		text, err := os.ReadFile(filepath.Join(k.dir, name))
		if err == nil && len(text) > 8 && strings.Contains(out, string(text)) {
			t.Errorf("it tells %s: %s", name, out)
		}
	}
}

func writes(name, text string) func(*testing.T, keptFolder) {
	return func(t *testing.T, k keptFolder) { t.Helper(); k.write(t, name, text) }
}

func opens(name string) func(*testing.T, keptFolder) {
	return func(t *testing.T, k keptFolder) {
		t.Helper()
		if err := os.Chmod(filepath.Join(k.dir, name), 0o644); err != nil { //nolint:gosec // that is what is found
			t.Fatal(err)
		}
	}
}

func removes(name string) func(*testing.T, keptFolder) {
	return func(t *testing.T, k keptFolder) {
		t.Helper()
		if err := os.Remove(filepath.Join(k.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func copies(from, to string) func(*testing.T, keptFolder) {
	return func(t *testing.T, k keptFolder) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(k.dir, from))
		if err != nil {
			t.Fatal(err)
		}
		k.write(t, to, string(text))
	}
}

func TestSecretCheckNeedsThePolicyFileItIsTold(t *testing.T) {
	t.Parallel()
	k := newKeptFolder(t)
	c := command{env: k.env()}
	if code := c.run(t.Context(), "secret", "check", "--config", k.config+"x"); code != ExitWrong {
		t.Errorf("a missing policy file: exit code %d", code)
	}
}
