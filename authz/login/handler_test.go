package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) Append(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// take returns what was recorded since the last time.
func (r *recorder) take() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// door is the handler with all that is behind it.
type door struct {
	t          *testing.T
	handler    http.Handler
	sessions   *session.Manager
	events     *recorder
	pseudonyms *event.Pseudonymizer
	redis      *redistest.Server
	log        *bytes.Buffer
}

func newDoor(t *testing.T) *door {
	t.Helper()
	pseudonyms, err := event.NewPseudonymizer([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, events: &recorder{}, pseudonyms: pseudonyms, redis: redistest.Start(t), log: &bytes.Buffer{}}
	d.sessions = session.New(d.redis.Client(), time.Now, rand.Reader)
	d.handler = Handler(Options{
		Authenticator: NewAuthenticator(newPeople(t), NewHasher(cheap, 1024)),
		Sessions:      d.sessions, Events: d.events, Pseudonyms: pseudonyms,
		Lifetimes: func() (time.Duration, time.Duration) { return time.Minute, time.Hour },
		ClientIP:  func(*http.Request) string { return "192.0.2.7" },
		Log:       slog.New(slog.NewTextHandler(d.log, nil)),
	})
	return d
}

type edit func(*http.Request)

func with(name, value string) edit { return func(r *http.Request) { r.Header.Add(name, value) } }

func cookied(token string) edit { return with("Cookie", CookieName+"="+token) }

func (d *door) call(method, path, contentType, body string, edits ...edit) *http.Response {
	d.t.Helper()
	r := httptest.NewRequest(method, "https://app.example.com"+path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("X-Request-Id", "req-1")
	r.Header.Set("User-Agent", "a browser")
	for _, e := range edits {
		e(r)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result()
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

func jsonBody(name, password string) string {
	b, _ := json.Marshal(map[string]any{"username": name, "password": password, "token": true}) // strings and a boolean
	return string(b)
}

func (d *door) json(name, password string, edits ...edit) *http.Response {
	d.t.Helper()
	return d.call(http.MethodPost, "/auth/login", asJSON, jsonBody(name, password), edits...)
}

func (d *door) form(values url.Values, edits ...edit) *http.Response {
	d.t.Helper()
	return d.call(http.MethodPost, "/auth/login", asForm, values.Encode(), edits...)
}

func (d *door) signIn(edits ...edit) string {
	d.t.Helper()
	var answer struct{ Token string }
	d.decode(d.json("alice", password, edits...), http.StatusOK, &answer)
	return answer.Token
}

func (d *door) decode(resp *http.Response, status int, into any) {
	d.t.Helper()
	text := body(d.t, resp)
	if resp.StatusCode != status {
		d.t.Fatalf("status %d, want %d: %s", resp.StatusCode, status, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		d.t.Fatalf("%v: %s", err, text)
	}
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (d *door) valid(token string) bool {
	d.t.Helper()
	_, err := d.sessions.Lookup(context.Background(), token, session.Demand{})
	return err == nil
}

func TestSigningInWithJSON(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	resp := d.json("alice", password)
	var answer struct {
		User, Token string
		SessionID   string    `json:"session_id"`
		ExpiresAt   time.Time `json:"expires_at"`
		Idle        int64     `json:"idle_seconds"`
	}
	d.decode(resp, http.StatusOK, &answer)
	if answer.User != "alice" || !d.valid(answer.Token) || answer.Idle != 60 || time.Until(answer.ExpiresAt) > time.Hour {
		t.Errorf("%+v", answer)
	}
	want := CookieName + "=" + answer.Token + "; Path=/; HttpOnly; Secure; SameSite=Lax"
	if got := resp.Header.Values("Set-Cookie"); len(got) != 1 || got[0] != want {
		t.Errorf("Set-Cookie %q, want %q", got, want)
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Content-Type") != asJSON {
		t.Errorf("%v", resp.Header)
	}
	events := d.events.take()
	if len(events) != 2 {
		t.Fatalf("%+v", events)
	}
	for i, want := range []event.Type{event.AuthenticationAttempt, event.SessionCreated} {
		e := events[i]
		if e.Type != want || e.Outcome != event.Success || e.Severity != event.Info || e.RequestID != "req-1" ||
			e.Subject != d.pseudonyms.Subject("u-1") || e.Client != d.pseudonyms.Client("192.0.2.7") || e.Path != "/auth/login" {
			t.Errorf("%+v", e)
		}
	}
	if events[1].Detail["session"] != answer.SessionID {
		t.Errorf("%+v", events[1])
	}
}

func TestTheTokenIsInTheAnswerOnlyIfAskedFor(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	resp := d.call(http.MethodPost, "/auth/login", asJSON+"; charset=utf-8", `{"username":"alice","password":"`+password+`"}`)
	if text := body(t, resp); resp.StatusCode != http.StatusOK || strings.Contains(text, session.TokenPrefix) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

// The one place where all reasons meet: nothing but the event tells them apart.
func TestEveryFailureLooksTheSame(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, test := range []struct {
		name, user, password, reason, subject string
	}{
		{"wrong password", "alice", "wrong password", "wrong_password", d.pseudonyms.Subject("u-1")},
		{"unknown user", "nobody", password, "unknown_user", d.pseudonyms.Name("nobody")},
		{"disabled user", "carol", password, "user_disabled", d.pseudonyms.Subject("u-3")},
		{"empty name", "", password, "malformed_name", ""},
		{"short password", "alice", "x", "malformed_password", d.pseudonyms.Name("alice")},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp := d.json(test.user, test.password)
			if got, want := body(t, resp), string(verdict.AuthenticationFailed.Document("req-1")); resp.StatusCode != 401 || got != want {
				t.Errorf("%d %s", resp.StatusCode, got)
			}
			if h := resp.Header; h.Get("Content-Type") != verdict.ContentType || h.Get("WWW-Authenticate") == "" || h.Get("Set-Cookie") != "" ||
				h.Get("Cache-Control") != "no-store" || len(h) != 4 {
				t.Errorf("%v", h)
			}
			events := d.events.take()
			if len(events) != 1 {
				t.Fatalf("%+v", events)
			}
			e := events[0]
			if e.Type != event.AuthenticationAttempt || e.Outcome != event.Failure || e.Severity != event.Warning ||
				e.Reason != test.reason || e.Subject != test.subject || e.Client == "" || e.RequestID != "req-1" {
				t.Errorf("%+v", e)
			}
			if text, _ := json.Marshal(e); test.user != "" && strings.Contains(string(text), `"`+test.user+`"`) {
				t.Errorf("the event tells the name: %s", text)
			}
		})
	}
	if strings.Contains(d.log.String(), password) || strings.Contains(d.log.String(), "alice") || strings.Contains(d.log.String(), "192.0.2.7") {
		t.Errorf("the log tells too much: %s", d.log)
	}
}

func TestReadableFieldsNameAUserAndNeverWhatAStrangerTyped(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, test := range []struct{ name, user, password, known string }{
		{"a sign-in", "alice", password, "alice"},
		{"a wrong password", "alice", "wrong password", "alice"},
		{"a password typed as the name", password, "another password", ""},
		{"a name that is none", "", password, ""},
	} {
		d.json(test.user, test.password)
		events := d.events.take()
		if len(events) == 0 {
			t.Errorf("%s: no event", test.name)
		}
		for _, e := range events {
			if e.Personal[event.PersonalName] != test.known || e.Personal[event.PersonalIP] != "192.0.2.7" || e.Personal[event.PersonalUserAgent] == "" {
				t.Errorf("%s: %s: %q", test.name, e.Type, e.Personal)
			}
		}
	}
}

func TestANewSignInEndsTheSessionItCameWith(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	first := d.signIn()
	d.events.take()
	second := d.signIn(cookied(first))
	if first == second || !d.valid(second) {
		t.Error("there is no new token")
	}
	// What the person's pages have under way passes for a few seconds yet.
	if s, err := d.sessions.Lookup(t.Context(), first, session.Demand{}); err != nil || !s.Rotated || time.Until(s.Expires) > session.DefaultGrace {
		t.Errorf("the old token: %+v, %v", s, err)
	}
	events := d.events.take()
	if len(events) != 3 || events[0].Type != event.SessionRevoked || events[2].Type != event.SessionCreated {
		t.Errorf("%+v", events)
	}
	t.Run("at once if it is another's", func(t *testing.T) {
		theirs, _, err := d.sessions.Create(t.Context(), session.User{ID: "u-9"}, session.Grant{Idle: time.Hour, Absolute: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		d.signIn(cookied(theirs))
		if d.valid(theirs) {
			t.Error("the old token is still good")
		}
	})
	t.Run("at once if another client brings it", func(t *testing.T) {
		bound, _, err := d.sessions.Create(t.Context(), session.User{ID: "u-1"}, session.Grant{
			Idle: time.Hour, Absolute: time.Hour, Bind: session.BindFingerprint, Client: session.Client{Fingerprint: "another"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if next := d.signIn(cookied(bound)); !d.valid(next) {
			t.Error("the new session is nobody's")
		}
		if _, err := d.sessions.Lookup(t.Context(), bound, session.Demand{Client: session.Client{Fingerprint: "another"}}); !errors.Is(err, session.ErrRevoked) {
			t.Errorf("the old token: %v", err)
		}
	})
	t.Run("and with the new one at sign-out", func(t *testing.T) {
		old := d.signIn()
		next := d.signIn(cookied(old))
		d.call(http.MethodPost, "/auth/logout", "", "", cookied(next))
		if d.valid(old) || d.valid(next) {
			t.Error("a token outlives the sign-out")
		}
	})
	t.Run("a failed one does not", func(t *testing.T) {
		d.json("alice", "wrong password", cookied(second))
		if !d.valid(second) {
			t.Error("the session ended")
		}
	})
	t.Run("a token chosen by somebody else is not taken over", func(t *testing.T) {
		if third := d.signIn(cookied("ghs_chosen")); third == "ghs_chosen" || !d.valid(third) {
			t.Errorf("token %q", third)
		}
	})
}

func TestBodiesThatAreRefusedUnread(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	good := jsonBody("alice", password)
	for _, test := range []struct {
		name, contentType, body string
		want                    int
	}{
		{"no content type", "", good, 415},
		{"text", "text/plain", good, 415},
		{"a content type that only begins like JSON", "application/jsonx", good, 415},
		{"a broken content type", "application/json; =", good, 415},
		{"multipart", "multipart/form-data; boundary=x", good, 415},
		{"no JSON", asJSON, "username=alice", 400},
		{"nothing", asJSON, "", 400},
		{"cut", asJSON, good[:len(good)-1], 400},
		{"a second value", asJSON, good + "{}", 400},
		{"text behind", asJSON, good + "x", 400},
		{"an unknown member", asJSON, `{"username":"alice","password":"` + password + `","admin":true}`, 400},
		{"a name of another type", asJSON, `{"username":["alice"],"password":"` + password + `"}`, 400},
		{"too large", asJSON, `{"username":"` + strings.Repeat("x", maxBody) + `"}`, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp := d.call(http.MethodPost, "/auth/login", test.contentType, test.body)
			text := body(t, resp)
			if resp.StatusCode != test.want || resp.Header.Get("Content-Type") != verdict.ContentType || !json.Valid([]byte(text)) {
				t.Errorf("%d %s", resp.StatusCode, text)
			}
			if len(d.events.take()) != 0 || strings.Contains(text, "alice") {
				t.Errorf("an event, or an echo: %s", text)
			}
		})
	}
}

func aliceForm(pairs ...string) url.Values {
	values := url.Values{"username": {"alice"}, "password": {password}}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

func TestAFormIsTakenFromThisSiteOnly(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, test := range []struct {
		name  string
		edits []edit
		want  int
	}{
		{"same origin by Fetch Metadata", []edit{with("Sec-Fetch-Site", "same-origin")}, 303},
		{"started by the person", []edit{with("Sec-Fetch-Site", "none")}, 303},
		{"another site", []edit{with("Sec-Fetch-Site", "cross-site")}, 403},
		{"a sibling host", []edit{with("Sec-Fetch-Site", "same-site")}, 403},
		{"another site that claims our origin", []edit{with("Sec-Fetch-Site", "cross-site"), with("Origin", "https://app.example.com")}, 403},
		{"two answers", []edit{with("Sec-Fetch-Site", "same-origin"), with("Sec-Fetch-Site", "cross-site")}, 403},
		{"our origin, from an older browser", []edit{with("Origin", "https://app.example.com")}, 303},
		{"our origin in capitals", []edit{with("Origin", "https://APP.example.com")}, 303},
		{"another origin", []edit{with("Origin", "https://evil.example")}, 403},
		{"our name as a part of another", []edit{with("Origin", "https://app.example.com.evil.example")}, 403},
		{"our host on another port", []edit{with("Origin", "https://app.example.com:8443")}, 403},
		{"an opaque origin", []edit{with("Origin", "null")}, 403},
		{"another scheme", []edit{with("Origin", "ftp://app.example.com")}, 403},
		{"two origins", []edit{with("Origin", "https://app.example.com"), with("Origin", "https://evil.example")}, 403},
		{"neither", nil, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp := d.form(aliceForm(), test.edits...)
			if resp.StatusCode != test.want || (resp.Header.Get("Set-Cookie") != "") != (test.want == 303) {
				t.Errorf("%d %v", resp.StatusCode, resp.Header)
			}
			if n := len(d.events.take()); (n > 0) != (test.want == 303) {
				t.Errorf("%d events", n)
			}
		})
	}
}

var ours = with("Sec-Fetch-Site", "same-origin")

func TestAFormLeadsToALocalPathOnly(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for next, want := range map[string]string{
		"/account?tab=1": "/account?tab=1", "": "/", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example/": "/",
		"/a\r\nSet-Cookie: x=y": "/", "javascript:alert(1)": "/",
	} {
		resp := d.form(aliceForm("next", next), ours)
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != want || len(resp.Header.Values("Set-Cookie")) != 1 {
			t.Errorf("%q: %d to %q", next, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	t.Run("and a field that comes twice is refused", func(t *testing.T) {
		for _, field := range []string{"username", "password", "next"} {
			values := aliceForm("next", "/")
			values.Add(field, "/b")
			if resp := d.form(values, ours); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d", field, resp.StatusCode)
			}
		}
	})
}

func TestAFormThatFailsIsAnsweredWithAPageThatSaysNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	var pages []string
	for _, name := range []string{"alice", "nobody", "carol", "<script>alert(1)</script>"} {
		resp := d.form(url.Values{"username": {name}, "password": {"wrong password"}, "next": {"/x"}}, ours)
		page := body(t, resp)
		if resp.StatusCode != 401 || resp.Header.Get("Set-Cookie") != "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") ||
			!strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
		if strings.Contains(page, name) || strings.Contains(page, "script") {
			t.Errorf("echo: %s", page)
		}
		pages = append(pages, page)
	}
	for _, page := range pages {
		if page != pages[0] {
			t.Errorf("%s differs from %s", page, pages[0])
		}
	}
}

func TestSigningOutEndsTheSessionAndTheCookie(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, carry := range map[string]func(string) edit{
		"cookie": cookied, "bearer": func(token string) edit { return with("Authorization", "Bearer "+token) },
	} {
		t.Run(name, func(t *testing.T) {
			token := d.signIn()
			d.events.take()
			resp := d.call(http.MethodPost, "/auth/logout", "", "", carry(token))
			if resp.StatusCode != http.StatusNoContent || d.valid(token) {
				t.Errorf("%d, valid %v", resp.StatusCode, d.valid(token))
			}
			if got := resp.Header.Get("Set-Cookie"); got != CookieName+"=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
				t.Errorf("Set-Cookie %q", got)
			}
			if got := resp.Header.Get("Clear-Site-Data"); got != `"cache", "cookies", "storage"` {
				t.Errorf("Clear-Site-Data %q", got)
			}
			events := d.events.take()
			if len(events) != 1 || events[0].Type != event.SessionRevoked || events[0].Subject != d.pseudonyms.Subject("u-1") {
				t.Errorf("%+v", events)
			}
			if again := d.call(http.MethodPost, "/auth/logout", "", "", carry(token)); again.StatusCode != http.StatusNoContent {
				t.Errorf("a second time: %d", again.StatusCode)
			}
		})
	}
	t.Run("without a session it clears all the same", func(t *testing.T) {
		if resp := d.call(http.MethodPost, "/auth/logout", "", ""); resp.StatusCode != http.StatusNoContent {
			t.Errorf("%d", resp.StatusCode)
		}
	})
	t.Run("a form is led back", func(t *testing.T) {
		if resp := d.call(http.MethodPost, "/auth/logout", asForm, "", ours); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
			t.Errorf("%d", resp.StatusCode)
		}
	})
	t.Run("another site cannot sign a person out", func(t *testing.T) {
		token := d.signIn()
		for _, e := range []edit{with("Sec-Fetch-Site", "cross-site"), with("Origin", "https://evil.example")} {
			if resp := d.call(http.MethodPost, "/auth/logout", "", "", cookied(token), e); resp.StatusCode != http.StatusForbidden || !d.valid(token) {
				t.Errorf("%d, valid %v", resp.StatusCode, d.valid(token))
			}
		}
	})
}

type sessionList struct {
	User     string
	Sessions []struct {
		ID      string
		Current bool
		Device  string
	}
}

func TestAPersonSeesAndEndsTheirOwnSessions(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	here, there := d.signIn(), d.signIn()
	var list sessionList
	resp := d.call(http.MethodGet, "/auth/sessions", "", "", cookied(here))
	d.decode(resp, http.StatusOK, &list)
	if list.User != "alice" || len(list.Sessions) != 2 || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%+v", list)
	}
	other := ""
	for _, s := range list.Sessions {
		if s.Device != "a browser" || len(s.ID) != 16 {
			t.Errorf("%+v", s)
		}
		if !s.Current {
			other = s.ID
		}
	}
	end := func(id string, edits ...edit) int {
		return d.call(http.MethodDelete, "/auth/sessions/"+id, "", "", append(edits, cookied(here))...).StatusCode
	}
	if code := end(other, with("Sec-Fetch-Site", "cross-site")); code != http.StatusForbidden || !d.valid(there) {
		t.Errorf("from another site: %d", code)
	}
	if code := end("0000000000000000"); code != http.StatusNotFound {
		t.Errorf("an unknown one: %d", code)
	}
	if code := end(other); code != http.StatusNoContent || d.valid(there) || !d.valid(here) {
		t.Errorf("the other one: %d", code)
	}
	if code := end(other); code != http.StatusNotFound {
		t.Errorf("the other one again: %d", code)
	}
}

func TestWithoutOneValidSessionThereIsNoList(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	a, b := d.signIn(), d.signIn()
	for name, edits := range map[string][]edit{
		"nothing":             nil,
		"text":                {cookied("x")},
		"another scheme":      {with("Authorization", "Basic "+a)},
		"two cookies":         {cookied(a), cookied(b)},
		"two in one field":    {with("Cookie", CookieName+"="+a+"; "+CookieName+"="+b)},
		"a cookie and bearer": {cookied(a), with("Authorization", "Bearer "+b)},
		"in the query":        {func(r *http.Request) { r.URL.RawQuery = "token=" + a }},
		"another cookie":      {with("Cookie", "gatehouse="+a)},
	} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			path := "/auth/sessions"
			if method == http.MethodDelete {
				path += "/0000000000000000"
			}
			resp := d.call(method, path, "", "", edits...)
			if got := body(t, resp); resp.StatusCode != 401 || got != string(verdict.AuthenticationFailed.Document("req-1")) {
				t.Errorf("%s %s: %d %s", method, name, resp.StatusCode, got)
			}
		}
	}
}

func TestWhatCannotBeDoneNowIs503(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	token := d.signIn()
	if resp := d.json("erin", password); resp.StatusCode != 503 || body(t, resp) != string(verdict.CheckUnavailable.Document("req-1")) {
		t.Errorf("the store is away: %d", resp.StatusCode)
	}
	d.redis.Stop()
	d.events.take()
	for name, resp := range map[string]*http.Response{
		"sign in":  d.json("alice", password),
		"by form":  d.form(aliceForm(), ours),
		"sign out": d.call(http.MethodPost, "/auth/logout", "", "", cookied(token)),
		"list":     d.call(http.MethodGet, "/auth/sessions", "", "", cookied(token)),
		"end one":  d.call(http.MethodDelete, "/auth/sessions/0000000000000000", "", "", cookied(token)),
	} {
		if resp.StatusCode != 503 || resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
	}
	if events := d.events.take(); len(events) != 0 {
		t.Errorf("%+v", events)
	}
	d.redis.Restart()
	d.signIn()
}

func TestOnlyTheListedMethodsAndPathsAnswer(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/auth/login", 405}, {http.MethodGet, "/auth/logout", 405}, {http.MethodPost, "/auth/sessions", 405},
		{http.MethodPut, "/auth/login", 405}, {http.MethodGet, "/auth/", 404}, {http.MethodPost, "/auth/login/x", 404},
	} {
		if resp := d.call(test.method, test.path, "", ""); resp.StatusCode != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, resp.StatusCode, test.want)
		}
	}
}

func TestARequestIDThatCannotBeLoggedIsLeftOut(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"req-1": "req-1", "": "", "a b": "", "a\nb": "", "é": "", strings.Repeat("x", maxRequestID+1): "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Request-Id"] = []string{given}
		if got := requestID(r); got != want {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestTheUserAgentIsKeptShortAndPlain(t *testing.T) {
	t.Parallel()
	if got := device("Firefox\x00 é" + strings.Repeat("x", 500)); len(got) != session.MaxDevice || !strings.HasPrefix(got, "Firefox xxx") {
		t.Errorf("%q", got)
	}
}

func FuzzReadCredentials(f *testing.F) {
	f.Add(asJSON, jsonBody("alice", password))
	f.Add(asForm, "username=a&password=b&next=/c")
	f.Add("x", "")
	f.Fuzz(func(t *testing.T, contentType, text string) {
		r := httptest.NewRequest(http.MethodPost, "https://app.example.com/auth/login", strings.NewReader(text))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		c, err := (&handler{Options: Options{Settings: func() Settings { return Settings{} }}}).readCredentials(httptest.NewRecorder(), r)
		if err == nil && c.form && !localPath(c.next) {
			t.Errorf("the form leads to %q", c.next)
		}
		if err == nil && len(text) > maxBody {
			t.Errorf("a body of %d bytes was read", len(text))
		}
	})
}

func TestAPersonEndsAllOtherSessionsAndStays(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	here, there, everywhere := d.signIn(), d.signIn(), d.signIn()
	d.events.take()
	if got := d.call(http.MethodDelete, "/auth/sessions", "", ""); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger: %d", got.StatusCode)
	}
	if got := d.call(http.MethodDelete, "/auth/sessions", "", "", cookied(here), with("Sec-Fetch-Site", "cross-site")); got.StatusCode != http.StatusForbidden {
		t.Errorf("another site: %d", got.StatusCode)
	}
	if got := d.call(http.MethodDelete, "/auth/sessions", "", "", cookied(here)); got.StatusCode != http.StatusOK {
		t.Errorf("status %d", got.StatusCode)
	}
	if !d.valid(here) || d.valid(there) || d.valid(everywhere) {
		t.Error("the wrong sessions have ended")
	}
	if events := d.events.take(); len(events) != 2 || events[0].Type != event.SessionRevoked {
		t.Errorf("%+v", events)
	}
}
