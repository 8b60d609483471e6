package posture

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/login"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/store"
)

const (
	user     = "anna"
	password = "a password that nobody else has"
	apiToken = "the-token-of-the-api"
)

// flaws are what a test breaks of a sound pack.
type flaws struct {
	headers      map[string]string // replace; empty removes
	https        map[string]string // the same, over TLS alone
	page         func(w http.ResponseWriter, r *http.Request)
	upload       func(name, declared string, body []byte) int
	open         bool   // no session needed anywhere
	believes     string // a header that makes somebody known
	keepsSession bool   // sign-out does nothing
	knows        bool   // another answer for a known user
	leak         string // in a refusal
	noLimits     bool
	signInLimit  bool
	noPaths      []string // of the API
	kinds        []string
	authzVersion string
}

// fake is a pack in this process: what Envoy would answer, and control.
type fake struct {
	flaws
	redis redis.UniversalClient

	mu       sync.Mutex
	sessions map[string]bool
	requests []*http.Request
	left     int
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	for name, value := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer",
	} {
		w.Header().Set(name, value)
	}
	if r.TLS != nil {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	f.replace(w, f.headers)
	if r.TLS != nil {
		f.replace(w, f.https)
	}
	switch {
	case strings.Contains(r.URL.EscapedPath(), "%2f"):
		w.WriteHeader(http.StatusBadRequest)
	case r.URL.Path == "/auth/login":
		f.login(w, r)
	case r.URL.Path == "/auth/logout":
		if !f.keepsSession {
			delete(f.sessions, tokenOf(r))
		}
	case r.URL.Path == "/me":
		f.me(w, r)
	case r.URL.Path == "/upload":
		f.receive(w, r)
	case f.page != nil:
		f.page(w, r)
	default:
		f.count(r.Context(), w)
	}
}

func (f *fake) replace(w http.ResponseWriter, headers map[string]string) {
	for name, value := range headers {
		w.Header().Del(name)
		if value != "" {
			w.Header().Set(name, value)
		}
	}
}

func (f *fake) refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":"urn:x","status":%d,"detail":%q,"request_id":"req-%d"}`, status, f.leak, len(f.requests))
}

func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	var c struct{ Username, Password string }
	if json.NewDecoder(r.Body).Decode(&c) != nil {
		f.refuse(w, http.StatusBadRequest)
		return
	}
	switch {
	case f.signInLimit:
		f.refuse(w, http.StatusTooManyRequests)
	case c.Username == user && c.Password == password:
		token, _, err := session.New(f.redis, time.Now, rand.Reader).Create(r.Context(), session.User{ID: "u"},
			session.Grant{Idle: time.Hour, Absolute: time.Hour})
		if err != nil {
			f.refuse(w, http.StatusServiceUnavailable)
			return
		}
		f.sessions[token] = true
		_, _ = fmt.Fprintf(w, `{"token":%q}`, token)
	case f.knows && c.Username == user:
		f.refuse(w, http.StatusForbidden)
	default:
		f.refuse(w, http.StatusUnauthorized)
	}
}

func tokenOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func (f *fake) me(w http.ResponseWriter, r *http.Request) {
	if f.open || f.sessions[tokenOf(r)] || f.believes != "" && r.Header.Get(f.believes) != "" {
		f.count(r.Context(), w)
		return
	}
	f.refuse(w, http.StatusUnauthorized)
}

func (f *fake) count(ctx context.Context, w http.ResponseWriter) {
	if f.noLimits {
		return
	}
	f.left--
	f.redis.Set(ctx, "gh:l:{calls}", f.left, time.Minute)
	w.Header().Set("RateLimit-Policy", `"calls";q=100;w=60`)
	w.Header().Set("RateLimit", fmt.Sprintf(`"calls";r=%d;t=30`, f.left))
}

func (f *fake) receive(w http.ResponseWriter, r *http.Request) {
	file, header, err := r.FormFile("file")
	if err != nil {
		f.refuse(w, http.StatusBadRequest)
		return
	}
	content, err := io.ReadAll(file)
	if err != nil {
		f.refuse(w, http.StatusBadRequest)
		return
	}
	judge := f.upload
	if judge == nil {
		judge = func(name, declared string, body []byte) int {
			if strings.HasPrefix(string(body), "%PDF") && strings.HasSuffix(name, ".pdf") && declared == "application/pdf" {
				return http.StatusOK
			}
			return http.StatusUnsupportedMediaType
		}
	}
	if status := judge(header.Filename, header.Header.Get("Content-Type"), content); status >= http.StatusBadRequest {
		f.refuse(w, status)
	}
}

// control answers as control and as authz do.
func (f *fake) control(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/readyz":
		version := "v1"
		if strings.HasPrefix(r.Host, "localhost") && f.authzVersion != "" {
			version = f.authzVersion
		}
		_, _ = fmt.Fprintf(w, `{"policy":{"version":%q},"envoys":[{"id":"edge","version":"v1"}]}`, version)
	case r.URL.Path == "/openapi.json":
		paths := map[string]any{}
		for _, path := range []string{"/v1/consents", "/v1/subject-requests", "/v1/breaches"} {
			paths[path] = map[string]any{"get": map[string]any{}, "post": map[string]any{}}
		}
		for _, path := range f.noPaths {
			delete(paths, path)
		}
		kinds := f.kinds
		if kinds == nil {
			kinds = []string{"access", "rectification", "erasure", "restriction", "portability", "objection"}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"paths": paths, "components": []any{map[string]any{"enum": kinds}}})
	case tokenOf(r) != apiToken:
		f.refuse(w, http.StatusUnauthorized)
	}
}

// sound is a target that every check passes on, and what stands behind it.
type sound struct {
	target Target
	fake   *fake
	dir    string
}

func newSound(t *testing.T, broken flaws) *sound {
	t.Helper()
	server := redistest.Start(t)
	client := server.Client()
	if err := errors.Join(client.ConfigSet(t.Context(), "appendonly", "yes").Err(),
		client.ConfigSet(t.Context(), "requirepass", "redis-password").Err()); err != nil {
		t.Fatal(err)
	}
	mine := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket(), Password: "redis-password"})
	t.Cleanup(func() { _ = mine.Close() })
	f := &fake{flaws: broken, redis: mine, sessions: map[string]bool{}, left: 100}
	plain, tls, control := httptest.NewServer(f), httptest.NewUnstartedServer(f), httptest.NewServer(http.HandlerFunc(f.control))
	tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // handshakes that a test breaks
	tls.StartTLS()
	for _, s := range []*httptest.Server{plain, tls, control} {
		t.Cleanup(s.Close)
	}
	s := &sound{fake: f, dir: t.TempDir()}
	s.write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})))
	s.write(t, "secrets/redis_password", "redis-password")
	s.write(t, "secrets/api_token", apiToken)
	s.write(t, "logs/authz.log", "started\n")
	s.write(t, "up.json", "{}")
	s.target = Target{
		HTTP: plain.URL, HTTPS: tls.URL, CAFile: s.path("ca.pem"), Control: control.URL,
		Authz:     strings.Replace(control.URL, "127.0.0.1", "localhost", 1),
		TokenFile: s.path("secrets/api_token"), RedisURL: secret.New([]byte("unix://" + server.Socket())),
		RedisPassword: secret.New([]byte("redis-password")), Store: s.users(t), StateDir: s.dir,
		Processes: map[string]int{"part": part(t, nil)}, Username: user, Password: secret.New([]byte(password)),
		Routes: Routes{
			Page: Route{Path: "/"}, Protected: Route{Path: "/me"}, Upload: Route{Path: "/upload"},
			ByIP: Route{Path: "/"}, ByUser: Route{Path: "/me"}, CORS: Route{Path: "/"},
		},
		Events: events{"access_denied"}, EventWithin: 300 * time.Millisecond, Verifier: verifier{}, Alerts: rules{"a", "b", "c", "d", "e"},
	}
	return s
}

func (s *sound) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *sound) write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.path(name)), 0o700), os.WriteFile(s.path(name), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.dir, 0o700); err != nil { //nolint:gosec // a folder needs its x
		t.Fatal(err)
	}
}

func (s *sound) users(t *testing.T) string {
	t.Helper()
	url := "sqlite:" + s.path("users.db")
	users, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := login.HashPassword(password)
	if err == nil {
		_, err = users.AddUser(t.Context(), user, hash, nil)
	}
	if err := errors.Join(err, users.Close()); err != nil {
		t.Fatal(err)
	}
	return url
}

func (s *sound) run(t *testing.T) Report {
	t.Helper()
	report, err := Run(t.Context(), s.target, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// part is a process that does nothing until the test ends.
func part(t *testing.T, environment []string, arguments ...string) int {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/bin/sh", append([]string{"-c", "read line", "part"}, arguments...)...)
	cmd.Env = append([]string{"PATH=/bin", "LANG=C"}, environment...)
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // read has met the end of its input
	})
	return cmd.Process.Pid
}

type events []string

func (e events) OfRequest(context.Context, string) ([]string, error) { return e, nil }
func (events) Where() string                                         { return "the test" }

type verifier struct{ err error }

func (v verifier) Verify(context.Context) (string, error) { return "3 entries", v.err }

type rules []string

func (r rules) Names(context.Context) ([]string, error) { return r, nil }
