package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// visit asks for a page without a browser.
func visit(t *testing.T, server *httptest.Server, method, path, form string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

var signedIn = []string{"Cookie", cookieName + "=good"}

func TestEveryAnswerObeysThePolicyThatGatehouseSells(t *testing.T) {
	t.Parallel()
	_, server := site(t)
	for _, path := range []string{"/console", "/console/sign-in", "/console/nothing", "/console/assets/console.css", "/console/events"} {
		answer, text := visit(t, server, http.MethodGet, path, "", signedIn...)
		csp := answer.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: %q lacks %s", path, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") || answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Referrer-Policy") != "no-referrer" ||
			answer.Header.Get("X-Frame-Options") != "DENY" || answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, answer.Header)
		}
		if !strings.Contains(path, "assets") && (answer.Header.Get("Cache-Control") != "no-store" || strings.Contains(text, "style=\"") || strings.Contains(text, "onclick=") || strings.Contains(text, "<style")) {
			t.Errorf("%s: kept, or with something inline", path)
		}
	}
}

func TestNothingOfAnEventBecomesMarkup(t *testing.T) {
	t.Parallel()
	_, server := site(t)
	for _, path := range []string{"/console", "/console/events", "/console/event/x", "/console/alerts", "/console/policy", "/console/csp", "/console/requests/x", "/console/events/0190-0009"} {
		_, text := visit(t, server, http.MethodGet, path, "", signedIn...)
		for _, markup := range []string{"<script>document", "<img src=x", `<h1 id="owned"`, `' onmouseover='`, `href="javascript:`} {
			if strings.Contains(text, markup) {
				t.Errorf("%s contains %s", path, markup)
			}
		}
	}
	// Nor of what is typed, or stands in the address.
	for _, path := range []string{
		"/console/events?q=" + url.QueryEscape(hostile[1]) + "&type=" + url.QueryEscape(hostile[0]),
		"/console/sign-in?next=" + url.QueryEscape("/console/"+hostile[1]), "/console/" + url.PathEscape(hostile[0]),
	} {
		if _, text := visit(t, server, http.MethodGet, path, "", signedIn...); strings.Contains(text, "<script>document") || strings.Contains(text, "<img src=x") {
			t.Errorf("%s becomes markup", path)
		}
	}
}

func TestWhatWouldBreakStandsApartFromWhatIsBlocked(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	_, page := visit(t, server, http.MethodGet, "/console/csp", "", signedIn...)
	would, blocked, ok := strings.Cut(page, "What is blocked")
	if !ok || !strings.Contains(would, "https://cdn.example") || !strings.Contains(would, ">41<") || !strings.Contains(blocked, ">img-src<") || strings.Contains(would, ">img-src<") {
		t.Errorf("got %s", page)
	}
	f.absent["/v1/csp-reports"] = http.StatusNotFound
	if answer, page := visit(t, server, http.MethodGet, "/console/csp", "", signedIn...); answer.StatusCode != http.StatusOK || !strings.Contains(page, "No browser has reported") {
		t.Errorf("%d %s", answer.StatusCode, page)
	}
}

func TestWhoIsNotKnownIsSentToSignInAndBack(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	answer, _ := visit(t, server, http.MethodGet, "/console/events?q=a%20b", "")
	if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/console/sign-in?next=%2Fconsole%2Fevents%3Fq%3Da%2520b" {
		t.Errorf("%d %s", answer.StatusCode, to)
	}
	form := url.Values{"token": {" the-token "}, "next": {"/console/events?q=a%20b"}}.Encode()
	answer, _ = visit(t, server, http.MethodPost, "/console/sign-in", form, "Sec-Fetch-Site", "same-origin", "Origin", server.URL)
	if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/console/events?q=a%20b" || !strings.Contains(answer.Header.Get("Set-Cookie"), "HttpOnly") {
		t.Errorf("%d %s %v", answer.StatusCode, to, answer.Header)
	}
	if want := "/v1/sign-in site=same-origin origin=" + server.URL; !slices.Contains(f.posted, want) {
		t.Errorf("the API does not hear where the form came from: %v", f.posted)
	}
	answer, _ = visit(t, server, http.MethodPost, "/console/sign-in", strings.Repeat("x", maxForm+1))
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a form without end: %d", answer.StatusCode)
	}
}

func TestAfterSignInOneStaysInTheConsole(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/console":               "/console",
		"/console/events?q=1":    "/console/events?q=1",
		"":                       Root,
		"/":                      Root,
		"/consolation":           Root,
		"//evil.example/console": Root,
		"https://evil.example":   Root,
		"/console/../v1/me":      Root,
		"/console//evil.example": Root,
		"\\\\evil.example":       Root,
		"/console\r\nX: y":       Root,
		"javascript:alert(1)":    Root,
	} {
		if got := local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestWhatIsMissingIsSaidAndHidesNothingElse(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	f.set(func() {
		f.absent["/v1/subject-requests"] = http.StatusNotFound
		f.absent["/v1/alerts"] = http.StatusServiceUnavailable
	})
	answer, text := visit(t, server, http.MethodGet, "/console", "", signedIn...)
	if answer.StatusCode != http.StatusOK || !strings.Contains(text, "Verdicts as they fall") || strings.Contains(text, "Clocks running") || !strings.Contains(text, "cannot be shown now") {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
	for status, want := range map[int]string{
		http.StatusServiceUnavailable: "cannot be reached now", http.StatusForbidden: "Your role", http.StatusTooManyRequests: "Too many",
		http.StatusNotFound: "does not serve it", http.StatusInternalServerError: "cannot be shown now",
	} {
		f.set(func() { f.absent["/v1/policy"] = status })
		answer, text := visit(t, server, http.MethodGet, "/console/policy", "", signedIn...)
		if answer.StatusCode != status || !strings.Contains(text, want) || !strings.Contains(text, "req-77") {
			t.Errorf("%d: %d %s", status, answer.StatusCode, text)
		}
	}
}

func TestAPersonSeesTheirOwnRequestsAndNoMore(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	f.set(func() { f.role = "subject" })
	answer, text := visit(t, server, http.MethodGet, "/console", "", signedIn...)
	if answer.StatusCode != http.StatusOK || !strings.Contains(text, "Your requests") || strings.Contains(text, "/console/events") {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
	if answer, _ := visit(t, server, http.MethodGet, "/console/events", "", signedIn...); answer.StatusCode != http.StatusForbidden {
		t.Errorf("the audit log: %d", answer.StatusCode)
	}
}

func TestASearchIsTheAPIs(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	_, text := visit(t, server, http.MethodGet, "/console/events?q=+Windows+&from=2026-03-01&to=2026-03-14T12:00&cursor=abc", "", signedIn...)
	if want := "cursor=abc&from=2026-03-01T00%3A00%3A00Z&limit=50&q=Windows&to=2026-03-14T12%3A00%3A00Z&verify=true"; !slices.Contains(f.queries, want) {
		t.Errorf("%v", f.queries)
	}
	if !strings.Contains(text, `value="Windows"`) || strings.Contains(text, "Older events") {
		t.Errorf("%s", text)
	}
	_, text = visit(t, server, http.MethodGet, "/console/events?client=c:1", "", signedIn...)
	if !strings.Contains(text, "/console/events?client=c%3A1&amp;cursor=bmV4dA") {
		t.Errorf("the next page is not of this search: %s", text)
	}
	f.set(func() { f.absent["/v1/events"] = http.StatusUnprocessableEntity })
	if answer, text := visit(t, server, http.MethodGet, "/console/events?from=soon", "", signedIn...); answer.StatusCode != http.StatusOK || !strings.Contains(text, "is not understood") {
		t.Errorf("%d", answer.StatusCode)
	}
}

func TestABadgeSaysWhatWasVerifiedAndNoMore(t *testing.T) {
	t.Parallel()
	_, server := site(t)
	_, text := visit(t, server, http.MethodGet, "/console/events", "", signedIn...)
	for badge, want := range map[string]int{"Signed &amp; included</span>": 12, "Not in the log</span>": 1, "Not checked</span>": 1} {
		if n := strings.Count(text, badge); n != want {
			t.Errorf("%d × %s, want %d", n, badge, want)
		}
	}
	if !strings.Contains(text, "Checkpoint of 1234 entries, signed; this is entry 41 of it. Checked 2026-03-14 15:09:26.") || !strings.Contains(text, "the proof leads to another root") {
		t.Error("a badge does not say what was checked")
	}
}

func TestAClockTellsWhatIsLeft(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, c := range []struct {
		name          string
		state         string
		received, due time.Duration
		want          clock
	}{
		{"new", "received", 0, 31 * day, clock{Running: true, Text: "31 days left", Whole: 744}},
		{"a week and an hour", "verified", -23 * day, 7*day + time.Hour, clock{Running: true, Text: "7 days left", Spent: 552, Whole: 721}},
		{"within a week", "in_progress", -24 * day, 6 * day, clock{Running: true, Tone: "soon", Text: "6 days left", Spent: 576, Whole: 720}},
		{"the last hour", "in_progress", -29 * day, time.Hour, clock{Running: true, Tone: "soon", Text: "1 hour left", Spent: 696, Whole: 697}},
		{"late", "received", -31 * day, -day, clock{Running: true, Tone: "overdue", Text: "1 day overdue", Spent: 720, Whole: 720}},
		{"done", "completed", -31 * day, -day, clock{Text: "closed"}},
		{"refused", "refused", -31 * day, -day, clock{Text: "closed"}},
	} {
		if got := clockOf(requestRow{State: c.state, Received: now.Add(c.received), Due: now.Add(c.due)}, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := clockOf(requestRow{State: "received", Received: now}, now); got.Running || got.Text != "no deadline" {
		t.Errorf("%+v", got)
	}
}

func TestWordsTonesAndShortTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"file_upload_rejected": "file upload rejected", "cors_refused": "CORS refused", "": ""} {
		if got := words(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]string{"CRITICAL": "bad", "deny": "bad", "report": "warn", "allow": "good", "INFO": "calm", `"><script>`: "calm"} {
		if got := tone(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := short("äääääääääää"); got != "ääääää…" {
		t.Errorf("%q", got)
	}
	for text, want := range map[string]string{"2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T12:00:05": "2026-01-31T12:00:05Z", "soon": "soon"} {
		if got := fullTime(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for d, want := range map[time.Duration]string{-1: "just now", 0: "just now", time.Second: "1 second ago", 90 * time.Minute: "1 hour ago", 49 * time.Hour: "2 days ago"} {
		if got := ago(d); got != want {
			t.Errorf("%s: %q", d, got)
		}
	}
}
