package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/alert"
	"gatehouse/e2e/pack"
	"gatehouse/e2e/planted"
)

const alertsConfig = preamble + `
policies:
  base: {headers: {preset: strict}}
  limited: {limits: [{name: one, by: [ip], rate: 1/10m}]}
  upload: {uploads: {allow: [pdf], max_file_size: 1MiB}}
routes:
  - {name: limited, path: /limited, upstream: app, policy: limited}
  - {name: upload, path_prefix: /upload, methods: [POST], upstream: app, policy: upload}
  - {name: all, path_prefix: /, upstream: app, policy: base}
alerts:
  sinks:
    - {name: hook, kind: webhook, url: "%s", secret_file: "%s"}
    - {name: am, kind: alertmanager, url: "%s"}
`

// told are the alerts that a webhook's receiver was told of and believed.
type told struct {
	mu     sync.Mutex
	raised map[string]int // by rule
	counts map[string]int // events of the alert, by rule
}

func (r *told) events(rule string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[rule]
}

func (r *told) of(rule string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.raised[rule]
}

func listenForAlerts(t *testing.T, key secret.Value) (*told, string) {
	t.Helper()
	r := &told{raised: map[string]int{}, counts: map[string]int{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil || q.Header.Get("webhook-signature") != "v1,"+alert.Sign(key, q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp"), body) {
			http.Error(w, "not signed", http.StatusUnauthorized)
			return
		}
		var message struct {
			Type string
			Data struct {
				Rule   string
				Events int
			}
		}
		if err := json.Unmarshal(body, &message); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if message.Type == "gatehouse.alert.raised" {
			r.mu.Lock()
			r.raised[message.Data.Rule]++
			r.counts[message.Data.Rule] = message.Data.Events
			r.mu.Unlock()
		}
	}))
	t.Cleanup(s.Close)
	return r, s.URL
}

// TestTheFiveTriggersReachTheirSinksAtTheirThreshold goes the whole way: Envoy,
// authz, the stream, the audit log, the rules, and a webhook that is signed as
// well as a real Alertmanager.
func TestTheFiveTriggersReachTheirSinksAtTheirThreshold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhook")
	if err := os.WriteFile(file, []byte("the key of the webhook's receiver"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := secret.File{Name: "webhook", Path: file}.Read()
	if err != nil {
		t.Fatal(err)
	}
	alerts, url := listenForAlerts(t, key)
	am := pack.StartAlertmanager(t, "")
	p := pack.Start(t, pack.Options{Config: fmt.Sprintf(alertsConfig, url, file, am.URL)})
	token := p.SignIn(t, pack.From("203.0.113.1"))
	for _, trigger := range []struct {
		rule    string
		label   string // by which it is grouped
		kind    event.Type
		below   int // pulled as many times it raises nothing, once more it does
		counted int // events of that
		pull    func()
	}{
		{"failed-sign-ins", "client", event.AuthenticationAttempt, 5, 5, func() { p.TrySignIn(t, "nobody", "wrong", pack.From("203.0.113.2")) }},
		{"malicious-upload", "client", event.FileUploadRejected, 0, 0, func() { upload(t, p, "a.pdf", "application/pdf", "MZ\x90\x00 a program", pack.From("203.0.113.3")) }},
		{"limit-violations", "client", event.RateLimitExceeded, 101, 100, func() { p.Get(t, "/limited", pack.From("203.0.113.4")) }}, // the first is within the limit
		{"data-access-request", "subject", event.SubjectRequestReceived, 0, 0, func() {
			expectStatus(t, pack.Do(t, pack.HTTP1(), pack.Request(t, http.MethodPost, p.ControlURL("/v1/subject-requests"),
				strings.NewReader(`{"kind":"access"}`), pack.Bearer(token), pack.With("Content-Type", "application/json"))), http.StatusCreated)
		}},
		{"secret-detected", "rule", event.SecretDetected, 0, 0, func() {
			for _, s := range planted.New(planted.Kinds()) {
				if s.Kind == "GitHub fine-grained token" {
					p.Get(t, "/public/"+s.Needle)
				}
			}
		}},
	} {
		t.Run(trigger.rule, func(t *testing.T) {
			for range trigger.below {
				trigger.pull()
			}
			awaitEvents(t, p, trigger.kind, trigger.counted)
			if n := alerts.of(trigger.rule); n != 0 {
				t.Fatalf("raised %d times after %d", n, trigger.below)
			}
			if shown, err := am.Of(t.Context(), trigger.rule); err != nil || len(shown) != 0 {
				t.Fatalf("Alertmanager after %d: %v %v", trigger.below, shown, err)
			}
			trigger.pull()
			pack.Eventually(t, 30*time.Second, trigger.rule, func(context.Context) error {
				if n := alerts.of(trigger.rule); n != 1 {
					return fmt.Errorf("raised %d times", n)
				}
				return nil
			})
			if got := alerts.events(trigger.rule); got != trigger.counted+1 {
				t.Errorf("raised with %d events, want %d", got, trigger.counted+1)
			}
			pack.Eventually(t, 30*time.Second, trigger.rule+" in Alertmanager", func(ctx context.Context) error {
				shown, err := am.Of(ctx, trigger.rule)
				if err != nil || len(shown) != 1 || shown[0].Labels[trigger.label] == "" {
					return fmt.Errorf("%v %w", shown, err)
				}
				return nil
			})
		})
	}
}

// awaitEvents waits until the log has so many events of a type.
func awaitEvents(t *testing.T, p *pack.Pack, kind event.Type, want int) {
	t.Helper()
	pack.Eventually(t, 20*time.Second, fmt.Sprintf("%d events of type %s", want, kind), func(context.Context) error {
		n := 0
		for _, e := range p.Events(t) {
			if e.Type == kind && e.Outcome != event.Success {
				n++
			}
		}
		if n < want {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
}
