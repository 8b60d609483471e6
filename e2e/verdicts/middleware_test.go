package verdicts

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/filter/middleware"
	"gatehouse/filter/pipeline"
	"gatehouse/filter/policy"
)

// startMiddleware runs the cases through a net/http server's handler.
func startMiddleware(t *testing.T, config []byte) runner {
	set, err := policy.Parse(config)
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, c Case) Answer {
		var got Answer
		handler := middleware.New(set, middleware.Options{
			Policy: func(*http.Request) string { return c.Policy },
			Verdict: func(_ *http.Request, x *pipeline.Exchange) {
				if err := json.Unmarshal(x.Verdict().AppendJSON(nil), &got.Verdict); err != nil {
					t.Error(err)
				}
			},
		})(application(c, func(seen http.Header) { got.Seen = seen }))
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(final{recorder}, c.request("http://"+c.Host+c.Path))
		got.Status, got.Header, got.Body = recorder.Code, recorder.Header(), recorder.Body.Bytes()
		return got
	}
}

// final keeps interim responses from the recorder, which takes the first for
// the last.
type final struct{ *httptest.ResponseRecorder }

func (f final) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		f.ResponseRecorder.WriteHeader(status)
	}
}

// application is the upstream: it says that it saw the request once it has read
// all of it.
func application(c Case, saw func(http.Header)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		saw(r.Header.Clone())
		if c.Gateway != "" {
			w.WriteHeader(c.Status)
			return
		}
		if c.Interim {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
		}
		for _, h := range c.Upstream {
			w.Header().Add(h[0], h[1])
		}
		if c.Answers == http.StatusSwitchingProtocols && c.upgrades(w) {
			return
		}
		w.WriteHeader(c.Answers)
	})
}

// upgrades answers 101 on a real connection, and closes it: what comes after is
// no longer HTTP.
func (c Case) upgrades(w http.ResponseWriter) bool {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return false
	}
	connection, out, err := hijacker.Hijack()
	if err != nil {
		return false
	}
	defer func() { _ = connection.Close() }()
	_, _ = out.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	for _, h := range c.Upstream {
		_, _ = out.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	_, _ = out.WriteString("\r\n")
	return out.Flush() == nil
}

// request is the case as a client sends it.
func (c Case) request(url string) *http.Request {
	var body io.Reader
	if c.Body != "" {
		body = strings.NewReader(c.Body)
	}
	r := httptest.NewRequest(c.Method, url, body)
	r.Host = c.Host
	for _, h := range c.Header {
		r.Header[h[0]] = append(r.Header[h[0]], h[1])
	}
	if c.TLS {
		r.Header.Set("X-Forwarded-Proto", "https")
	}
	return r
}
