package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// tally is a store of groups that only remembers.
type tally struct {
	mu   sync.Mutex
	all  []CSPGroup
	fail error
}

func (c *tally) Count(_ context.Context, found []CSPGroup) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, found...)
	return c.fail
}

func (c *tally) Groups(context.Context, string, int) ([]CSPGroup, error) { return c.all, c.fail }

const (
	legacyText = `{"csp-report": {"document-uri": "https://App.example/shop/cart?id=7#x", "blocked-uri": "https://CDN.example:8443/lib.js?u=anna",
		"effective-directive": "script-src-elem", "violated-directive": "script-src 'self'", "disposition": "report", "original-policy": "..."}}`
	modernText = `[{"type": "csp-violation", "age": 1, "url": "https://app.example/", "user_agent": "x",
		"body": {"documentURL": "https://app.example/", "blockedURL": "inline", "effectiveDirective": "style-src-attr", "disposition": "enforce"}},
		{"type": "csp-violation", "body": {"documentURL": "https://app.example/a", "blockedURL": "inline", "effectiveDirective": "style-src-attr", "disposition": "enforce"}},
		{"type": "deprecation", "body": {"id": "x"}},
		{"type": "coep", "url": "https://app.example/x", "body": {"blockedURL": "https://img.example/a.png", "disposition": "reporting", "type": "corp"}}]`
)

func intake(t *testing.T) (*tally, *clock, func(method, path, mediaType, body string, header ...string) *httptest.ResponseRecorder) {
	t.Helper()
	c, at := &tally{}, &clock{at: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	handler := CSPIntake(c, at.now, slog.New(slog.DiscardHandler))
	return c, at, func(method, path, mediaType, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", mediaType)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
}

func TestReportsOfBothFormsAreCountedByGroup(t *testing.T) {
	t.Parallel()
	c, at, send := intake(t)
	if w := send("POST", "/csp-reports/shop", mediaCSPReport, legacyText); w.Code != http.StatusNoContent {
		t.Fatalf("status %d", w.Code)
	}
	if w := send("POST", "/csp-reports", mediaReports+"; charset=utf-8", modernText); w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	group := func(policy, disposition, directive, blocked, page string, n int64) CSPGroup {
		return CSPGroup{Policy: policy, Disposition: disposition, Directive: directive, Blocked: blocked, Page: page, Reports: n, First: at.now(), Last: at.now()}
	}
	want := []CSPGroup{
		group("shop", "report", "script-src-elem", "https://cdn.example:8443", "app.example/shop", 1),
		group("", "enforce", "style-src-attr", "inline", "app.example/a", 2),
		group("", "report", "coep", "https://img.example", "app.example/x", 1),
	}
	if !slices.Equal(c.all, want) {
		t.Errorf("got  %+v\nwant %+v", c.all, want)
	}
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method, path, mediaType, body string
		status                              int
	}{
		{"another media type", "POST", "/csp-reports", "application/json", legacyText, 415},
		{"no media type", "POST", "/csp-reports", "", legacyText, 415},
		{"no JSON", "POST", "/csp-reports", mediaCSPReport, "{", 422},
		{"JSON of another form", "POST", "/csp-reports", mediaCSPReport, "{}", 422},
		{"an object for a list", "POST", "/csp-reports", mediaReports, legacyText, 422},
		{"a body without end", "POST", "/csp-reports", mediaReports, "[" + strings.Repeat(" ", maxReportBody) + "]", 413},
		{"a list of nothing", "POST", "/csp-reports", mediaReports, "[]", 204},
		{"another method", "GET", "/csp-reports", "", "", 405},
		{"a further segment", "POST", "/csp-reports/a/b", mediaReports, "[]", 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _, send := intake(t)
			if w := send(tt.method, tt.path, tt.mediaType, tt.body); w.Code != tt.status || len(c.all) > 0 {
				t.Errorf("status %d, want %d; counted %v", w.Code, tt.status, c.all)
			}
		})
	}
}

func TestAPreflightOfAReportIsAnswered(t *testing.T) {
	t.Parallel()
	_, _, send := intake(t)
	w := send("OPTIONS", "/csp-reports/shop", "", "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
	h := w.Header()
	if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "Content-Type" ||
		h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", w.Code, h)
	}
}

func TestAClientThatReportsTooOftenIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	c, at, send := intake(t)
	from := func(client string) int {
		return send("POST", "/csp-reports", mediaCSPReport, legacyText, "X-Forwarded-For", "10.0.0.1, "+client).Code
	}
	for range int(reportsOfClient.Burst) {
		if status := from("192.0.2.1"); status != http.StatusNoContent {
			t.Fatalf("refused within the burst: %d", status)
		}
	}
	w := send("POST", "/csp-reports", mediaCSPReport, legacyText, "X-Forwarded-For", "192.0.2.1")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if status := from("192.0.2.2"); status != http.StatusNoContent {
		t.Errorf("another client is refused: %d", status)
	}
	at.advance(time.Second)
	if status := from("192.0.2.1"); status != http.StatusNoContent {
		t.Errorf("still refused: %d", status)
	}
	// Whoever makes clients up meets the bound of the connection.
	n := len(c.all)
	for i := range 2 * int(reportsOfAddress.Burst) {
		send("POST", "/csp-reports", mediaCSPReport, legacyText, "X-Forwarded-For", "198.51.100."+string(rune('0'+i%10)))
	}
	if counted := len(c.all) - n; counted > int(reportsOfAddress.Burst) {
		t.Errorf("%d reports of one connection", counted)
	}
}

func TestNothingOfAReportIsKeptButWordsAndOrigins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ blocked, want string }{
		{"inline", "inline"}, {"eval", "eval"}, {"data", "data"}, {"data:text/html,<script>", "data:"}, {"blob:https://a.example/1", "blob:"},
		{"https://a.example/x?secret=1#f", "https://a.example"}, {"wss://a.example/", "wss://a.example"}, {"", "unknown"},
		{"<script>alert(1)</script>", "unreadable"}, {"https://" + strings.Repeat("a", 300) + "/", "unreadable"}, {"trusted-types-sink", "trusted-types-sink"},
		{"https://a\"b.example/", "unreadable"}, {"chrome-extension://abcdef/x.js", "chrome-extension://abcdef"}, {"\x00", "unreadable"},
	} {
		if got := blockedSource(tt.blocked); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.blocked, got, tt.want)
		}
	}
	for _, tt := range []struct{ page, want string }{
		{"https://a.example/", "a.example/"}, {"https://a.example/users/anna@example.org/x?y", "a.example/users"},
		{"https://a.example/anna@example.org", "a.example/…"}, {"about:blank", ""}, {"", ""},
	} {
		if got := pageOf(tt.page); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.page, got, tt.want)
		}
	}
	if got := word("SCRIPT-src", "unknown"); got != "script-src" {
		t.Errorf("got %q", got)
	}
	if got := policyName("../x"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestReportsThatCannotBeCountedAreNotTaken(t *testing.T) {
	t.Parallel()
	c, _, send := intake(t)
	c.fail = errors.New("no store")
	if w := send("POST", "/csp-reports", mediaCSPReport, legacyText); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}

func FuzzParseReports(f *testing.F) {
	f.Add(true, []byte(legacyText))
	f.Add(false, []byte(modernText))
	f.Fuzz(func(t *testing.T, legacy bool, body []byte) {
		mediaType := map[bool]string{true: mediaCSPReport, false: mediaReports}[legacy]
		found, _ := parseReports(mediaType, body)
		for _, v := range found {
			for _, s := range []string{v.directive, v.blocked, v.page} {
				if len(s) > maxOrigin+maxWord+8 || strings.ContainsAny(s, "<>\"?# \r\n\x00") {
					t.Fatalf("kept %q", s)
				}
			}
		}
	})
}
