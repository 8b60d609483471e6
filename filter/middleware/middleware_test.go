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

func TestAFlushBeforeAnyByteSendsTheHeadersOfThePolicy(t *testing.T) {
	for name, flush := range map[string]func(http.ResponseWriter) error{
		"by a controller": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"by http.Flusher": func(w http.ResponseWriter) error {
			flusher, ok := w.(http.Flusher)
			if !ok {
				return errors.New("not a Flusher")
			}
			flusher.Flush()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serveWith(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Powered-By", "Go")
				if err := flush(w); err != nil {
					t.Error(err)
				}
				_, _ = io.WriteString(w, "data: 1\n\n")
			})
			response, body := post(t, server.URL, "text/plain", nil)
			if response.Header.Get("X-Frame-Options") != "DENY" || response.Header.Get("X-Powered-By") != "" || body != "data: 1\n\n" {
				t.Errorf("%v %q", response.Header, body)
			}
		})
	}
}

func TestAFlushOfARefusedRequestSendsTheProblem(t *testing.T) {
	server, _ := serveWith(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	response, _ := post(t, server.URL, "application/pdf", strings.NewReader("\x7fELF"))
	if response.StatusCode != http.StatusUnsupportedMediaType || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

// Letter case makes no difference in names of headers (RFC 9110 section 5.1), but
// the map of net/http has any that a handler writes into it.
func TestHeadersInAnyCaseAreReplacedAndRemoved(t *testing.T) {
	server, _ := serveWith(t, func(w http.ResponseWriter, _ *http.Request) {
		h := map[string][]string(w.Header())
		h["x-frame-options"], h["SERVER"], h["x-powered-by"] = []string{"ALLOWALL"}, []string{"old/1"}, []string{"PHP"}
		h["set-cookie"] = []string{"a=1", "b=2"}
	})
	response, _ := post(t, server.URL, "text/plain", nil)
	if got := response.Header.Values("X-Frame-Options"); len(got) != 1 || got[0] != "DENY" {
		t.Errorf("%q", got)
	}
	if response.Header.Get("Server")+response.Header.Get("X-Powered-By") != "" {
		t.Errorf("%v", response.Header)
	}
	if got := response.Header.Values("Set-Cookie"); len(got) != 2 || got[0] != "a=1; HttpOnly; SameSite=Lax" {
		t.Errorf("%q", got)
	}
}
