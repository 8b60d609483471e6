package middleware

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/filter/pipeline"
	"gatehouse/filter/policy"
)

const config = `{"default_policy": "a", "policies": {"a": {
  "headers": {"preset": "strict"}, "uploads": {"allow": ["txt", "pdf"], "max_file_size": 200000, "max_request_size": 300000}}}}`

func serveWith(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *string) {
	t.Helper()
	set, err := policy.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	rule := new(string)
	server := httptest.NewServer(New(set, Options{Verdict: func(_ *http.Request, x *pipeline.Exchange) {
		*rule = x.Verdict().Rule
	}})(handler))
	t.Cleanup(server.Close)
	return server, rule
}

func post(t *testing.T, url, contentType string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestAnHonestBodyArrivesWhole(t *testing.T) {
	want := strings.Repeat("hello, world\n", 10000)
	server, _ := serveWith(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != want {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	response, _ := post(t, server.URL, "text/plain", strings.NewReader(want))
	if response.StatusCode != http.StatusOK || response.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestALyingBodyNeverReachesTheHandlerAndGetsTheProblem(t *testing.T) {
	server, rule := serveWith(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if len(got) != 0 || !errors.Is(err, ErrRefused) {
			t.Errorf("the handler read %d bytes, %v", len(got), err)
		}
		http.Error(w, "the handler's own words", http.StatusBadRequest)
	})
	response, body := post(t, server.URL, "application/pdf", strings.NewReader("\x7fELF\x01\x01"+strings.Repeat("\x00", 9000)))
	if response.StatusCode != http.StatusUnsupportedMediaType || *rule != "type_mismatch" || strings.Contains(body, "own words") {
		t.Errorf("%d %s %s", response.StatusCode, *rule, body)
	}
	if response.Header.Get("X-Frame-Options") != "DENY" {
		t.Error("the refusal has no security headers")
	}
}

func TestAHandlerThatIgnoresTheBodyStillAnswers(t *testing.T) {
	server, _ := serveWith(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	if response, _ := post(t, server.URL, "text/plain", strings.NewReader("hello")); response.StatusCode != http.StatusAccepted {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestAHandlerThatWritesNothingAnswersWithTheHeaders(t *testing.T) {
	server, _ := serveWith(t, func(http.ResponseWriter, *http.Request) {})
	if response, _ := post(t, server.URL, "text/plain", nil); response.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", response.Header)
	}
}

func TestInformationalResponsesPass(t *testing.T) {
	server, _ := serveWith(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusTeapot) // too late
	})
	if response, _ := post(t, server.URL, "text/plain", nil); response.StatusCode != http.StatusCreated {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestStreamingThroughResponseControllerWorks(t *testing.T) {
	server, _ := serveWith(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, "a"); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	if _, body := post(t, server.URL, "text/plain", nil); body != "a" {
		t.Errorf("%q", body)
	}
}
