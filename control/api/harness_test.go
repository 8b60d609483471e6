package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/store"
)

// recorder is where a test's events end up.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) Append(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) all() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// last is the newest event of that type; the zero event if there is none.
func (r *recorder) last(t event.Type) event.Event {
	for _, e := range slices.Backward(r.all()) {
		if e.Type == t {
			return e
		}
	}
	return event.Event{}
}

// clock stands still until it is told.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is a Server with real Redis and a real store, and who may call it.
type rig struct {
	t      *testing.T
	server *Server
	events *recorder
	clock  *clock
	store  *store.Store
	redis  *redistest.Server
	dir    string
	tokens map[Role]string
	log    *bytes.Buffer

	sessions *session.Manager
}

func pseudonyms(t *testing.T) *event.Pseudonymizer {
	t.Helper()
	p, err := event.NewPseudonymizer(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const demoPassword = "correct horse battery"

// newRig makes a token of each role, and a user for each role whose name is the
// role's.
func newRig(t *testing.T, change func(*Options), register ...func(huma.API)) *rig {
	t.Helper()
	g := &rig{t: t, events: &recorder{}, clock: &clock{at: time.Now().Truncate(time.Second)}, dir: t.TempDir(), tokens: map[Role]string{}, log: &bytes.Buffer{}}
	g.redis = redistest.Start(t)
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: g.redis.Socket(), ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = client.Close() })
	var err error
	g.store, err = store.Open(context.Background(), store.Options{URL: "sqlite:" + filepath.Join(g.dir, "g.db"), Now: g.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.store.Close() })
	hash, err := login.HashPassword(demoPassword)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range AllRoles() {
		if _, err := g.store.AddUser(context.Background(), string(role), hash, []string{string(role)}); err != nil {
			t.Fatal(err)
		}
	}
	g.sessions = session.New(client, g.clock.now, rand.Reader)
	o := Options{
		Version: "test", Events: g.events, Pseudonyms: pseudonyms(t),
		Sessions: g.sessions, Users: g.store,
		SignIn:        login.NewAuthenticator(g.store, login.NewHasher(login.DefaultParams(), login.DefaultHashMemoryKiB)),
		TokenSessions: RedisTokenSessions{client}, Idempotency: g.store,
		Limits: Limits{Address: Rate{1e6, 1e6}, Caller: Rate{1e6, 1e6}, SignIn: Rate{1e6, 1e6}},
		Log:    slog.New(slog.NewTextHandler(g.log, nil)), Now: g.clock.now,
	}
	if change != nil {
		change(&o)
	}
	g.server, err = New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range register {
		r(g.server.API())
	}
	g.configure()
	return g
}

// configure gives each role a token.
func (g *rig) configure() {
	g.t.Helper()
	var settings Settings
	for _, role := range AllRoles() {
		g.tokens[role] = "token-of-the-" + string(role) + "-0123456789"
		path := filepath.Join(g.dir, string(role)+".token")
		if err := os.WriteFile(path, []byte(g.tokens[role]+"\n"), 0o600); err != nil {
			g.t.Fatal(err)
		}
		settings.Tokens = append(settings.Tokens, TokenSetting{Name: "the-" + string(role), Role: role, File: path})
	}
	if err := g.server.Configure(settings); err != nil {
		g.t.Fatal(err)
	}
}

// session signs a user in as the site would.
func (g *rig) session(user string) string {
	g.t.Helper()
	u, err := g.store.UserByName(context.Background(), user)
	if err != nil {
		g.t.Fatal(err)
	}
	token, _, err := g.sessions.Create(context.Background(), session.User{ID: u.ID, Name: u.Name}, session.Grant{Idle: time.Hour, Absolute: time.Hour})
	if err != nil {
		g.t.Fatal(err)
	}
	return token
}

// answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	t *testing.T
}

func (g *rig) call(method, path, body string, headers ...string) answer {
	g.t.Helper()
	r := httptest.NewRequest(method, "http://control.test"+path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:1234"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.server.Handler().ServeHTTP(w, r)
	return answer{w, g.t}
}

func (g *rig) as(role Role, method, path, body string, headers ...string) answer {
	g.t.Helper()
	return g.call(method, path, body, append([]string{"Authorization", "Bearer " + g.tokens[role]}, headers...)...)
}

// problem demands a problem document of that status.
func (a answer) problem(status int) Problem {
	a.t.Helper()
	var p Problem
	if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil {
		a.t.Fatalf("no problem document: %v: %s", err, a.Body)
	}
	if a.Code != status || p.Status != status || p.Type == "" || p.Title == "" || p.RequestID == "" ||
		p.RequestID != a.Header().Get("X-Request-Id") || a.Header().Get("Content-Type") != "application/problem+json" {
		a.t.Fatalf("status %d, want a problem with %d: %s %v", a.Code, status, a.Body, a.Header())
	}
	return p
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	return a
}

type echoInput struct {
	Body struct {
		Text string `json:"text" maxLength:"100000"`
	}
}

type echoOutput struct {
	Body struct {
		Text  string `json:"text"`
		Count int64  `json:"count"`
	}
}

func operation(id, method, path string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: id}
}
