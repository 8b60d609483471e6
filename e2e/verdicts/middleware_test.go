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
		})(application(c, &got.Seen))
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, c.request("http://"+c.Host+c.Path))
		got.Status, got.Header, got.Body = recorder.Code, recorder.Header(), recorder.Body.Bytes()
		return got
	}
}

// application is the upstream: it says that it saw the request once it has read
// all of it.
func application(c Case, seen *http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		*seen = r.Header.Clone()
		if c.Gateway != "" {
			w.WriteHeader(c.Status)
			return
		}
		for _, h := range c.Upstream {
			w.Header().Add(h[0], h[1])
		}
		w.WriteHeader(http.StatusOK)
	})
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
