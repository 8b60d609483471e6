package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/e2e/pack"
	"gatehouse/e2e/planted"
)

const secretsConfig = `
version: 1
envoy:
  listen: ${LISTEN}
  trusted_hops: 1
  tls: {listen: "${LISTEN_TLS}", cert_file: "${CERT}", key_file: "${KEY}"}
upstreams:
  app: {url: "${APP}"}
policies:
  base:
    headers: {preset: strict%s}
    cors: {allow_origins: ["https://app.example.com"]}
  upload:
    extends: base
    uploads: {allow: [pdf], max_file_size: 1MiB}
routes:
  - {name: upload, path_prefix: /upload, methods: [POST], upstream: app, policy: upload}
  - {name: all, path_prefix: /, upstream: app, policy: base}
`

// plantedSecrets is the issue's own number.
const plantedSecrets = 100

// TestNoPlantedSecretComesOutAnywhere gives secrets of 25 kinds to a running pack
// in every way in which they get into one by mistake, and then looks through all
// that it has written, sent and would tell.
func TestNoPlantedSecretComesOutAnywhere(t *testing.T) {
	t.Parallel()
	if planted.Kinds() < 15 {
		t.Fatalf("only %d kinds", planted.Kinds())
	}
	p := pack.Start(t, pack.Options{
		Config: fmt.Sprintf(secretsConfig, ""),
		Answer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
	})
	secrets := planted.New(plantedSecrets)
	answers := &collected{}
	plantInRequests(t, p, secrets, answers)
	plantInPolicy(t, p, secrets, answers)
	awaitDetections(t, p)
	searchAppendOnlyFile(t, p, secrets)
	plantInStream(t, p, secrets)
	awaitDetections(t, p)
	for _, page := range []string{
		p.ControlURL("/readyz"), p.ControlURL("/metrics"), p.AuthzURL("/readyz"), p.AuthzMetricsURL(),
		p.AdminURL("/config_dump?include_eds"), p.AdminURL("/clusters"), p.AdminURL("/certs"), p.AdminURL("/server_info"),
	} {
		answers.add(fetch(t, page))
	}
	if came := planted.In(answers.text, secrets); len(came) > 0 {
		t.Errorf("over HTTP: %q", came)
	}
	searchFiles(t, p, secrets)
	searchRedis(t, p, secrets)
	key, err := findKey(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if body := bytes.Split(key, []byte("\n"))[1]; bytes.Contains(answers.text, body[:40]) {
		t.Error("the TLS key that Envoy was sent is in its config dump")
	}
}

func findKey(dir string) (key []byte, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".pem") {
			text, readErr := os.ReadFile(path) //nolint:gosec // the test's own folder
			if bytes.Contains(text, []byte("PRIVATE "+"KEY")) {
				key = text
			}
			return readErr
		}
		return err
	})
	return key, err
}

// collected is all that was answered.
type collected struct{ text []byte }

func (c *collected) add(body []byte) { c.text = append(append(c.text, body...), '\n') }

func (c *collected) addResponse(r pack.Response) {
	c.add([]byte(fmt.Sprint(r.Header)))
	c.add(r.Body)
}

func fetch(t *testing.T, page string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// plantInRequests puts each secret into another part of a request.
func plantInRequests(t *testing.T, p *pack.Pack, secrets []planted.Secret, answers *collected) {
	t.Helper()
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	for i, s := range secrets {
		oneLine := strings.ReplaceAll(s.Text, "\n", " ")
		var r pack.Response
		switch i % 8 {
		case 0:
			r = p.Get(t, "/files/"+url.PathEscape(oneLine)+"/x")
		case 1:
			r = p.Get(t, "/files?token="+url.QueryEscape(oneLine))
		case 2:
			r = p.Get(t, "/files", pack.With("User-Agent", oneLine), pack.With("Referer", oneLine), pack.With("Cookie", "sid="+oneLine))
		case 3:
			r = p.Get(t, "/files", pack.Bearer(s.Needle), pack.With("X-Request-Id", s.Needle))
		case 4:
			r = upload(t, p, strings.NewReplacer("\n", "", `"`, "").Replace(s.Text)+".pdf", "application/pdf", "MZ no document")
		case 5:
			origin := "https://www.example"
			if s.Needle == s.Text { // by itself the rest is only disorder
				origin = "https://" + s.Needle + ".example"
			}
			r = preflight(t, p, origin, pack.With("User-Agent", oneLine))
		case 6:
			r = signInAs(t, c, p.URL("/auth/login"), oneLine, s.Text)
		case 7:
			r = signInAs(t, c, p.AuthzURL("/auth/login"), s.Needle, oneLine)
		}
		answers.addResponse(r)
	}
}

func signInAs(t *testing.T, c *http.Client, url, name, password string) pack.Response {
	t.Helper()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
	return pack.Do(t, c, pack.Request(t, http.MethodPost, url, strings.NewReader(body), pack.With("Content-Type", "application/json")))
}

// plantInPolicy edits the policy file as somebody in a hurry would.
func plantInPolicy(t *testing.T, p *pack.Pack, secrets []planted.Secret, answers *collected) {
	t.Helper()
	for i, s := range secrets {
		if i >= planted.Kinds() {
			return
		}
		text := strings.ReplaceAll(strings.ReplaceAll(s.Text, "\n", `\n`), "'", "")
		for _, edit := range []string{fmt.Sprintf(", set: {X-Up: '%s'}", text), fmt.Sprintf(", sett: '%s'", text), " '" + text} {
			if s.Kind == "cookie header" && strings.HasPrefix(edit, ", set:") {
				continue // no rule knows it: it is an ordinary header's value
			}
			p.WriteConfig(t, fmt.Sprintf(secretsConfig, edit))
		}
	}
	p.WriteConfig(t, fmt.Sprintf(secretsConfig, ", sett: '"+secrets[0].Text+"'"))
	pack.Eventually(t, 20*time.Second, "control says what is wrong", func(context.Context) error {
		body := fetch(t, p.ControlURL("/readyz"))
		answers.add(body)
		if !bytes.Contains(body, []byte("last_error")) {
			return fmt.Errorf("%s", body)
		}
		return nil
	})
	if err := os.Remove(p.ConfigFile); err != nil { // it holds what was written into it
		t.Fatal(err)
	}
}

// plantInStream writes what is no event, and events that nobody has looked at,
// into the stream, and then takes them out, as the intake does not.
func plantInStream(t *testing.T, p *pack.Pack, secrets []planted.Secret) {
	t.Helper()
	client := p.RedisClient(t)
	for _, s := range secrets[:planted.Kinds()] {
		for _, text := range []string{"no event " + s.Text, fmt.Sprintf(`{"id":%q,"type":"request_denied","reason":%q}`, event.NewID(), s.Text)} {
			if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: event.StreamKey, Values: []any{event.StreamField, text}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func awaitDetections(t *testing.T, p *pack.Pack) {
	t.Helper()
	p.AwaitEvent(t, "an AWS key was found", func(e event.Event) bool {
		return e.Type == event.SecretDetected && e.Rule == "aws-access-token" && e.Detail["place"] != ""
	})
	pack.Eventually(t, 20*time.Second, "the stream is taken in", func(ctx context.Context) error {
		pending, err := p.RedisClient(t).XInfoGroups(ctx, event.StreamKey).Result()
		if err != nil || len(pending) != 1 || pending[0].Lag != 0 || pending[0].Pending != 0 {
			return fmt.Errorf("%+v %w", pending, err)
		}
		return nil
	})
}

// searchFiles looks through all that was written to the disk. Redis' files hold
// what this test itself wrote into the stream: see searchRedis.
func searchFiles(t *testing.T, p *pack.Pack, secrets []planted.Secret) {
	t.Helper()
	files, size := 0, 0
	err := filepath.WalkDir(p.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if strings.Contains(path, "/redis/") || strings.HasPrefix(filepath.Base(path), "gatehouse.yaml") {
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // the test's own folder
		if err != nil {
			return err
		}
		files, size = files+1, size+len(text)
		if came := planted.In(text, secrets); len(came) > 0 {
			t.Errorf("in %s: %q", strings.TrimPrefix(path, p.Dir), came)
		}
		return nil
	})
	if err != nil || files < 8 {
		t.Errorf("%d files were searched: %v", files, err)
	}
	t.Logf("%d files of %d bytes were searched", files, size)
}

// searchAppendOnlyFile looks through Redis' own files before this test writes
// secrets into them itself.
func searchAppendOnlyFile(t *testing.T, p *pack.Pack, secrets []planted.Secret) {
	t.Helper()
	client := p.RedisClient(t)
	size := 0
	pack.Eventually(t, 20*time.Second, "the append-only file has the events", func(ctx context.Context) error {
		text, err := exec.CommandContext(ctx, "find", filepath.Join(p.Dir, "redis"), "-type", "f", "-exec", "cat", "{}", "+").Output()
		if err != nil {
			return err
		}
		if size = len(text); !bytes.Contains(text, []byte(event.SecretDetected)) {
			return fmt.Errorf("%d bytes without a detection", size)
		}
		if came := planted.In(text, secrets); len(came) > 0 {
			t.Errorf("in Redis' files: %q", came)
		}
		return client.Ping(ctx).Err()
	})
	t.Logf("%d bytes of Redis' files were searched", size)
}

// searchRedis looks through what the processes have written to Redis: all keys
// and all entries but those that this test made.
func searchRedis(t *testing.T, p *pack.Pack, secrets []planted.Secret) {
	t.Helper()
	client := p.RedisClient(t)
	entries, err := client.XRange(t.Context(), event.StreamKey, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, entry := range entries {
		text := fmt.Sprint(entry.Values[event.StreamField])
		if !strings.Contains(text, `"source"`) {
			continue
		}
		own++
		if came := planted.In([]byte(text), secrets); len(came) > 0 {
			t.Errorf("in the stream: %q in %s", came, text)
		}
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || own == 0 {
		t.Fatalf("%d entries, %v", own, err)
	}
	for _, key := range keys {
		text := []byte(key)
		if kind := client.Type(t.Context(), key).Val(); kind == "string" {
			text = append(text, client.Get(t.Context(), key).Val()...)
		} else if kind == "hash" {
			text = append(text, fmt.Sprint(client.HGetAll(t.Context(), key).Val())...)
		}
		if came := planted.In(text, secrets); len(came) > 0 {
			t.Errorf("under the key %q: %q", key, came)
		}
	}
}
