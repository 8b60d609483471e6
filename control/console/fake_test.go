package console

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// now is when the pages of these tests are made.
var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

const cookieName = "__Host-gatehouse-console"

// hostile are texts that would be markup, script or a way out of an attribute
// if they were not escaped.
var hostile = []string{
	`<script>document.title="owned"</script>`,
	`"><img src=x onerror="document.title='owned'">`,
	`' onmouseover='document.title="owned"`,
	`javascript:document.title="owned"`,
	`</td></tr></table><h1 id="owned">owned</h1>`,
	"{{.Me}}`${document.title='owned'}`",
}

// fakeAPI answers like control's API, for a person of a role.
type fakeAPI struct {
	mux *http.ServeMux

	mu      sync.Mutex
	role    string
	absent  map[string]int // status by path, instead of an answer
	queries []string       // of searches
	posted  []string       // headers of changes
	live    chan string    // events for the stream

	states map[string]string // of requests that a test decides about
	bodies []string          // of decisions
	plans  []any
}

func newFakeAPI() *fakeAPI {
	f := &fakeAPI{mux: http.NewServeMux(), role: "admin", absent: map[string]int{}, live: make(chan string, 8), states: map[string]string{}, plans: somePlans()}
	f.serve("GET /v1/me", func(*http.Request) any { return map[string]any{"name": "anna", "role": f.role, "person": true} })
	f.serve("GET /v1/status", func(*http.Request) any {
		return map[string]any{
			"ready": true, "version": "test", "policy_version": "00a1b2c3d4e5f607", "redis_up": true, "store_up": true,
			"envoys": []any{map[string]any{"id": "edge-1", "version": "00a1b2c3d4e5f607"}, map[string]any{"id": "edge-2", "version": "ffff", "rejected": "no such cluster: app"}},
		}
	})
	f.serve("GET /v1/events", f.events)
	f.serve("GET /v1/events/{id}", func(r *http.Request) any { return someEvent(r.PathValue("id"), 0) })
	f.serve("GET /v1/events/{id}/verification", func(*http.Request) any { return verified(true) })
	f.serve("GET /v1/alerts", func(*http.Request) any { return map[string]any{"items": someAlerts()} })
	f.serve("GET /v1/subject-requests", func(*http.Request) any { return map[string]any{"items": someRequests()} })
	f.serve("GET /v1/subject-requests/{id}", f.request)
	f.serve("GET /v1/subject-requests/{id}/plan", func(*http.Request) any { return map[string]any{"plans": f.plans} })
	f.decides("verify", "received", "verified", "operator", "dpo", "admin")
	f.decides("run", "verified", "in_progress", "dpo", "admin")
	f.serve("GET /v1/policy", func(*http.Request) any {
		return map[string]any{
			"live":    map[string]any{"version": "00a1b2c3d4e5f607", "since": now.Add(-time.Hour)},
			"history": []any{map[string]any{"version": "00a1b2c3d4e5f607", "since": now.Add(-time.Hour)}, map[string]any{"version": "1111222233334444", "since": now.Add(-48 * time.Hour)}},
			"errors":  []string{`gatehouse.yaml:6:9: alerts: unknown key: "` + hostile[0] + `"`}, "error_at": now,
		}
	})
	f.serve("GET /v1/csp-reports", func(*http.Request) any {
		group := func(disposition, directive, blocked string, n int) any {
			return map[string]any{"policy": "page", "disposition": disposition, "directive": directive, "blocked": blocked, "page": hostile[0],
				"reports": n, "first": now.Add(-time.Hour), "last": now}
		}
		return map[string]any{"items": []any{group("report", "script-src-elem", "https://cdn.example", 41), group("enforce", "img-src", hostile[1], 7)}}
	})
	f.serve("GET /v1/limits", func(r *http.Request) any {
		row := map[string]any{"key": "203.0.113.7+api:ip:s:100:60000:0", "name": "api", "algorithm": "sliding_window", "limit": 100, "window_seconds": 60.0, "refused": 41.6}
		if r.URL.Query().Get("shadow") == "true" {
			row = map[string]any{"key": hostile[0], "name": hostile[1], "algorithm": "concurrency", "limit": 5, "refused": 3.0}
		}
		return map[string]any{"items": []any{row}}
	})
	f.serve("GET /v1/limits/counters", func(r *http.Request) any {
		f.queries = append(f.queries, r.URL.RawQuery)
		return map[string]any{"items": []any{map[string]any{"algorithm": "sliding_window", "value": "99", "ttl_seconds": 42.3}}}
	})
	f.serve("GET /v1/limits/trial", func(r *http.Request) any {
		f.queries = append(f.queries, r.URL.RawQuery)
		return map[string]any{"requests": 200, "refused": 50, "keys": 7, "keys_refused": 2, "first": now.Add(-time.Hour), "last": now, "cut": true,
			"top": []any{map[string]any{"key": "c:" + hostile[2], "requests": 60, "refused": 40}}}
	})
	f.mux.HandleFunc("POST /v1/limits/reset", func(w http.ResponseWriter, r *http.Request) {
		f.note(r)
		body, _ := io.ReadAll(r.Body)
		f.set(func() { f.bodies = append(f.bodies, string(body)) })
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"reset":1}`))
	})
	f.mux.HandleFunc("GET /v1/events/stream", f.stream)
	f.mux.HandleFunc("POST /v1/sign-in", f.signIn)
	f.mux.HandleFunc("POST /v1/sign-out", func(w http.ResponseWriter, r *http.Request) {
		f.note(r)
		w.Header().Add("Set-Cookie", cookieName+"=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict")
		w.WriteHeader(http.StatusNoContent)
	})
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

func (f *fakeAPI) note(r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = append(f.posted, fmt.Sprintf("%s site=%s origin=%s", r.URL.Path, r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")))
}

func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// serve answers those who are signed in.
func (f *fakeAPI) serve(pattern string, answer func(*http.Request) any) {
	f.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		status, role := f.absent[r.URL.Path], f.role
		f.mu.Unlock()
		if c, err := r.Cookie(cookieName); err != nil || c.Value != "good" {
			status = http.StatusUnauthorized
		}
		if role == "subject" && !strings.HasPrefix(r.URL.Path, "/v1/subject-requests") && r.URL.Path != "/v1/me" {
			status = http.StatusForbidden
		}
		if status != 0 {
			problemOf(w, status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		f.mu.Lock()
		defer f.mu.Unlock()
		_ = json.NewEncoder(w).Encode(answer(r))
	})
}

func problemOf(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "request_id": "req-77"})
}

func (f *fakeAPI) signIn(w http.ResponseWriter, r *http.Request) {
	f.note(r)
	var in map[string]string
	if json.NewDecoder(r.Body).Decode(&in) != nil || in["token"] != "the-token" && in["password"] != "the-password" {
		problemOf(w, http.StatusUnauthorized)
		return
	}
	w.Header().Add("Set-Cookie", cookieName+"=good; Path=/; HttpOnly; Secure; SameSite=Strict")
	_, _ = w.Write([]byte(`{"name":"anna","role":"admin"}`))
}

func (f *fakeAPI) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	_, _ = w.Write([]byte(": watching\n\n"))
	_ = control.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case text := <-f.live:
			_, _ = w.Write([]byte("event: event\ndata: " + text + "\n\n"))
			_ = control.Flush()
		}
	}
}

func (f *fakeAPI) events(r *http.Request) any {
	f.queries = append(f.queries, r.URL.RawQuery)
	q := r.URL.Query()
	var items []any
	verifications := map[string]any{}
	for i := range 14 {
		e := someEvent(fmt.Sprintf("0190-%04d", i), i)
		if text := q.Get("q"); text != "" && !strings.Contains(fmt.Sprint(e), text) {
			continue
		}
		items = append(items, e)
		if q.Get("verify") == "true" && i != 3 {
			verifications[fmt.Sprint(e["id"])] = verified(i != 4)
		}
	}
	out := map[string]any{"items": items, "verifications": verifications}
	if q.Get("cursor") == "" {
		out["next_cursor"] = "bmV4dA"
	}
	return out
}

func verified(holds bool) map[string]any {
	v := map[string]any{
		"checked_at": now, "checkpoint_signature": true, "inclusion": holds, "origin": "gatehouse.example/audit", "index": 41, "tree_size": 1234,
		"root_hash": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
	}
	if !holds {
		v["reason"] = "the proof leads to another root"
	}
	return v
}

func someEvent(id string, i int) map[string]any {
	kinds := []struct{ kind, severity, outcome, method, path, rule, reason string }{
		{"file_upload_rejected", "WARNING", "deny", "POST", "/upload", "type_mismatch", "declared application/pdf, is a Windows program"},
		{"request_allowed", "INFO", "allow", "GET", "/api/orders/17", "", ""},
		{"rate_limit_exceeded", "WARNING", "deny", "GET", "/api/test-endpoint", "api_calls", "101 of 100 in 60s"},
		{"authentication_attempt", "WARNING", "failure", "POST", "/auth/login", "password", "wrong_password"},
		{"cors_refused", "WARNING", "deny", "OPTIONS", "/api/orders", "origin", "https://evil.example is not allowed"},
		{"authentication_attempt", "INFO", "success", "POST", "/auth/login", "password", ""},
		{"policy_changed", "INFO", "success", "", "", "", ""},
	}
	k := kinds[i%len(kinds)]
	path, reason := k.path, k.reason
	if i >= len(kinds) {
		path, reason = "/"+hostile[i%len(hostile)], hostile[(i+1)%len(hostile)]
	}
	return map[string]any{
		"id": id, "time": now.Add(-time.Duration(i) * 7 * time.Second), "type": k.kind, "severity": k.severity, "outcome": k.outcome,
		"source": "envoy", "method": k.method, "path": path, "status": map[bool]int{true: 200, false: 403}[k.outcome == "allow"],
		"rule": k.rule, "reason": reason, "client": "c:Zm9vYmFyYmF6cXV4cXV1eA", "request_id": "8f14e45f-ceea-467f-a9d4-" + id,
		"detail": map[string]string{"filename": hostile[1], hostile[0]: "x"},
	}
}

func someAlerts() []any {
	return []any{
		map[string]any{"id": "a1", "rule": "failed_sign_ins", "severity": "critical", "state": "firing", "summary": "6 failed sign-ins in 5 minutes", "group": map[string]string{"client": "c:Zm9vYmFyYmF6cXV4cXV1eA"}, "count": 6, "started": now.Add(-4 * time.Minute)},
		map[string]any{"id": "a2", "rule": "malicious_upload", "severity": "warning", "state": "firing", "summary": hostile[0], "count": 1, "started": now.Add(-2 * time.Hour)},
	}
}

func someRequests() []map[string]any {
	request := func(id, kind, state string, received, due time.Duration) map[string]any {
		return map[string]any{"id": id, "kind": kind, "state": state, "received": now.Add(received), "due": now.Add(due), "subject": "u:abc"}
	}
	day := 24 * time.Hour
	first := request("0190-aaaa-bbbb-cccc", "erasure", "in_progress", -25*day, 5*day)
	first["steps"] = []any{
		map[string]any{"system": "orders", "state": "done", "attempts": 1},
		map[string]any{"system": "newsletter", "state": "failed", "attempts": 3, "error": "503 from the processor " + hostile[0]},
		map[string]any{"system": "gatehouse", "state": "pending"},
	}
	return []map[string]any{
		first,
		request("0190-dddd-bbbb-cccc", "access", "received", -2*day, 28*day),
		request("0190-eeee-bbbb-cccc", "rectification", "verified", -33*day, -2*day),
		request("0190-ffff-bbbb-cccc", "portability", "completed", -40*day, -10*day),
	}
}

// site is the console with a fake API behind it.
func site(t *testing.T) (*fakeAPI, *httptest.Server) {
	t.Helper()
	f := newFakeAPI()
	pages, err := New(Options{API: f, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", f)
	mux.Handle(Root, pages)
	mux.Handle(Root+"/", pages)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return f, server
}
