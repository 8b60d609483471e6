package up

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestProbes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ready", "/good/ready":
			_, _ = io.WriteString(w, "LIVE")
		case "/moved":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	client := probeClient()
	tests := []struct {
		name  string
		err   error
		ready bool
	}{
		{"a 200 is ready", httpReady(client, server.URL+"/ready")(t.Context()), true},
		{"a 503 is not", httpReady(client, server.URL+"/other")(t.Context()), false},
		{"a redirect is not followed", httpReady(client, server.URL+"/moved")(t.Context()), false},
		{"nobody there is not ready", httpReady(client, "http://127.0.0.1:1/")(t.Context()), false},
		{"envoy with any answer through its listener is", envoyReady(client, server.URL+"/good", server.URL+"/other")(t.Context()), true},
		{"envoy without a listener is not", envoyReady(client, server.URL+"/good", "http://127.0.0.1:1/")(t.Context()), false},
		{"a listener without envoy's word is not", envoyReady(client, server.URL+"/bad", server.URL+"/ready")(t.Context()), false},
	}
	for _, test := range tests {
		if (test.err == nil) != test.ready {
			t.Errorf("%s: %v", test.name, test.err)
		}
	}
}
