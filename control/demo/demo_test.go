package demo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"html"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"gatehouse/control/demo"
)

func serve(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler, err := demo.Handler(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	handler.ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	tests := []struct {
		name, method, path string
		status             int
		mediaType          string
	}{
		{"the start page is HTML", http.MethodGet, "/", 200, "text/html; charset=utf-8"},
		{"the style sheet is CSS", http.MethodGet, "/style.css", 200, "text/css; charset=utf-8"},
		{"the script is JavaScript", http.MethodGet, "/app.js", 200, "text/javascript; charset=utf-8"},
		{"the test endpoint is JSON", http.MethodGet, "/api/test-endpoint", 200, "application/json"},
		{"the account is JSON", http.MethodGet, "/api/me", 200, "application/json"},
		{"health has no body", http.MethodGet, "/healthz", 200, ""},
		{"an unknown page is not the start page", http.MethodGet, "/nothing", 404, "text/plain; charset=utf-8"},
		{"an upload cannot be fetched", http.MethodGet, "/upload", 405, "text/plain; charset=utf-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := serve(t, httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil))
			if w.Code != test.status || w.Header().Get("Content-Type") != test.mediaType {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Header().Get("Content-Type"), test.status, test.mediaType)
			}
		})
	}
}

// The strict preset forbids inline scripts and styles, and so does this page.
func TestThePageWorksUnderAStrictContentSecurityPolicy(t *testing.T) {
	page := serve(t, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)).Body.String()
	for _, forbidden := range []string{`(?i)<script(?:\s[^>]*)?>[^<]`, `(?i)<style`, `(?i)\sstyle=`, `(?i)\son[a-z]+=`, `(?i)(src|href|action)="(https?:)?//`} {
		if found := regexp.MustCompile(forbidden).FindString(page); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	for _, wanted := range []string{`<script src="/app.js" integrity="sha384-`, `href="/style.css" integrity="sha384-`, `action="/auth/login"`, `action="/upload"`, `enctype="multipart/form-data"`, `name="file"`} {
		if !strings.Contains(page, wanted) {
			t.Errorf("the page lacks %s", wanted)
		}
	}
}

func TestTheScriptHasTheNonceThatTheEdgeMade(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if page := serve(t, r).Body.String(); strings.Contains(page, "nonce") {
		t.Error("a nonce without an edge")
	}
	r.Header.Set(demo.NonceHeader, "AbC+/w==")
	if page := html.UnescapeString(serve(t, r).Body.String()); !strings.Contains(page, ` nonce="AbC+/w=="`) {
		t.Errorf("no nonce in %s", page)
	}
}

func TestTheAccountIsTheSubjectThatTheEdgeNames(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/me", nil)
	r.Header.Set(demo.SubjectHeader, "u:abc")
	if got := serve(t, r).Body.String(); got != "{\"subject\":\"u:abc\"}\n" {
		t.Errorf("got %s", got)
	}
}

func form(t *testing.T, fields ...string) (body *bytes.Buffer, mediaType string) {
	t.Helper()
	body = new(bytes.Buffer)
	w := multipart.NewWriter(body)
	for i := 0; i < len(fields); i += 2 {
		part, err := w.CreateFormFile(fields[i], fields[i]+".bin")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(fields[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func TestUpload(t *testing.T) {
	content := strings.Repeat("0123456789", 100_000)
	sum := sha256.Sum256([]byte(content))
	tests := []struct {
		name   string
		fields []string
		cut    int // bytes missing at the end
		status int
	}{
		{"a file arrives", []string{"file", content}, 0, 200},
		{"fields around it do not matter", []string{"note", "x", "file", content, "other", "y"}, 0, 200},
		{"a second file does not replace the first", []string{"file", content, "file", "second"}, 0, 200},
		{"a form without the field is refused", []string{"note", "x"}, 0, 400},
		{"a form that breaks off is refused", []string{"file", content}, 10, 400},
		{"a form that breaks off in the file is refused", []string{"file", content}, 500_000, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body, mediaType := form(t, test.fields...)
			body.Truncate(body.Len() - test.cut)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/upload", body)
			r.Header.Set("Content-Type", mediaType)
			w := serve(t, r)
			if w.Code != test.status {
				t.Fatalf("got %d %s, want %d", w.Code, w.Body, test.status)
			}
			if test.status != http.StatusOK {
				return
			}
			var got struct {
				Name, SHA256 string
				Size         int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Name != "file.bin" || got.Size != len(content) || got.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestABodyThatIsNoFormIsRefused(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/upload", strings.NewReader("x"))
	if w := serve(t, r); w.Code != http.StatusBadRequest {
		t.Errorf("got %d", w.Code)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- demo.Serve(ctx, "127.0.0.1:0", slog.New(slog.DiscardHandler)) }()
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

func TestServeReportsAnAddressThatItCannotHave(t *testing.T) {
	if err := demo.Serve(t.Context(), "256.0.0.1:1", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error")
	}
}
