package policy

import (
	"strings"
	"testing"
)

const replayed = preamble + `
policies:
  app:
    cors: {allow_origins: ["https://app.example.com"], allow_credentials: true, allow_methods: [PUT], allow_headers: [X-Token], expose_headers: [X-Total], max_age: 600}
  open: {cors: {allow_origins: ["*"], allow_methods: ["*"], allow_headers: ["*"]}}
  off: {cors: {mode: off, allow_origins: ["*"]}}
  sandbox: {cors: {allow_origins: ["null"]}}
  none: {}
routes:
  - {path_prefix: /open, upstream: app, policy: open}
  - {path_prefix: /off, upstream: app, policy: off}
  - {path_prefix: /none, upstream: app, policy: none}
  - {path_prefix: /sandbox, upstream: app, policy: sandbox}
  - {path: /put-only, methods: [PUT], upstream: app, policy: app}
  - {path_prefix: /, upstream: app, policy: app}
`

func TestAFetchIsReplayedAsTheBrowserDoesIt(t *testing.T) {
	t.Parallel()
	const app, evil, api = "https://app.example.com", "https://evil.example.com", "https://api.example.com"
	tests := []struct {
		name     string
		fetch    Fetch
		readable bool
		// last is the section of the last step, says a part of what it says.
		last, says string
	}{
		{"a simple request", Fetch{Origin: app, URL: api + "/"}, true, "2.2.6", "X-Total"},
		{"a simple request with credentials", Fetch{Origin: app, URL: api + "/", Credentials: true}, true, "2.2.6", "X-Total"},
		{"another site", Fetch{Origin: evil, URL: api + "/"}, false, "4.10, step 2", "not allowed"},
		{"the page's own origin", Fetch{Origin: api, URL: api + "/x"}, true, "4.1", "same origin"},
		{"the page's own origin with the port spelt out", Fetch{Origin: api, URL: api + ":443/x"}, true, "4.1", "same origin"},
		{"a preflighted method", Fetch{Origin: app, URL: api + "/", Method: "PUT"}, true, "2.2.6", ""},
		{"a method in lower case that browsers normalise", Fetch{Origin: app, URL: api + "/", Method: "put"}, true, "2.2.6", ""},
		{"a method in lower case that they do not", Fetch{Origin: app, URL: api + "/", Method: "patch"}, false, "4.10, step 2", "patch"},
		{"a forbidden method", Fetch{Origin: app, URL: api + "/", Method: "trace"}, false, "2.2.1", "forbidden"},
		{"a listed header", Fetch{Origin: app, URL: api + "/", Header: []string{"X-Token: 1", "x-token"}}, true, "2.2.6", ""},
		{"a header that is not listed", Fetch{Origin: app, URL: api + "/", Header: []string{"X-Other"}}, false, "4.10, step 2", "x-other"},
		{"JSON", Fetch{Origin: app, URL: api + "/", Method: "POST", Header: []string{"Content-Type: application/json"}}, false, "4.10, step 2", "content-type"},
		{"a form", Fetch{Origin: app, URL: api + "/", Method: "POST", Header: []string{"Content-Type: text/plain; charset=utf-8"}}, true, "2.2.6", ""},
		{"safelisted headers", Fetch{Origin: app, URL: api + "/", Header: []string{"Accept: */*", "Accept-Language: de", "Range: bytes=0-9"}}, true, "2.2.6", ""},
		{"a safelisted header with an unsafe value", Fetch{Origin: app, URL: api + "/", Header: []string{"Accept: (x)"}}, false, "4.10, step 2", "accept"},
		{"a range of no bytes", Fetch{Origin: app, URL: api + "/", Header: []string{"Range: lines=1-2"}}, false, "4.10, step 2", "range"},
		{"a forbidden header is dropped", Fetch{Origin: app, URL: api + "/", Header: []string{"Cookie: x"}}, true, "2.2.6", ""},
		{"a forbidden method by another header's name is dropped", Fetch{Origin: app, URL: api + "/", Header: []string{"X-Method-Override: PUT, trace"}}, true, "2.2.6", ""},
		{"a method by another header's name is a header", Fetch{Origin: app, URL: api + "/", Header: []string{"X-Method-Override: PUT"}}, false, "4.10, step 2", "x-method-override"},
		{"everybody", Fetch{Origin: evil, URL: api + "/open", Method: "PATCH", Header: []string{"X-A"}}, true, "2.2.6", ""},
		{"everybody, with credentials", Fetch{Origin: evil, URL: api + "/open", Credentials: true}, false, "4.10, step 4", "* is not"},
		{"everybody, with Authorization", Fetch{Origin: evil, URL: api + "/open", Header: []string{"Authorization"}}, false, "4.10, step 2", "does not cover"},
		{"no policy for CORS", Fetch{Origin: evil, URL: api + "/none"}, false, "4.4", "application"},
		{"no policy for CORS, and a preflight", Fetch{Origin: evil, URL: api + "/none", Method: "PUT"}, false, "4.8", "application"},
		{"cors off", Fetch{Origin: evil, URL: api + "/off"}, false, "4.4", "application"},
		{"a sandbox", Fetch{Origin: "null", URL: api + "/sandbox"}, true, "2.2.6", ""},
		{"a sandbox that is not allowed", Fetch{Origin: "null", URL: api + "/"}, false, "4.10, step 2", "sandbox"},
		{"a preflight goes where its request will", Fetch{Origin: app, URL: api + "/put-only", Method: "PUT"}, true, "2.2.6", ""},
	}
	c := mustLoad(t, replayed)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := c.Replay(tt.fetch)
			if err != nil {
				t.Fatal(err)
			}
			last := r.Steps[len(r.Steps)-1]
			if r.Readable != tt.readable || last.Section != tt.last || !strings.Contains(last.What+last.Result, tt.says) && tt.says != "sandbox" {
				t.Errorf("readable %v, last step %+v\n%+v", r.Readable, last, r.Steps)
			}
			if r.Outcome == "" || r.Policy == "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestAFetchThatNoBrowserMakesIsNotReplayed(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, replayed)
	for name, f := range map[string]Fetch{
		"no origin":          {URL: "https://api.example.com/"},
		"an origin in upper": {Origin: "https://App.example.com", URL: "https://api.example.com/"},
		"a wildcard":         {Origin: "https://*.example.com", URL: "https://api.example.com/"},
		"a star":             {Origin: "*", URL: "https://api.example.com/"},
		"a path alone":       {Origin: "https://app.example.com", URL: "/x"},
		"another scheme":     {Origin: "https://app.example.com", URL: "ftp://api.example.com/"},
		"what is no URL":     {Origin: "https://app.example.com", URL: "https://%zz/"},
	} {
		if r, err := c.Replay(f); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
