package cors

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A browser's side of the protocol, written from the Fetch standard alone: it reads
// the answers of a policy and says whether the page gets what it asked for. What must
// come of it is told by expressions that know nothing of how this package decides.

// browserWants is a request that a page makes.
type browserWants struct {
	origin, method string
	headers        []string // CORS-unsafe ones, in lower case
	credentials    bool
	private        bool
}

func values(list []Header, name string) []string {
	var out []string
	for _, h := range list {
		if h.Name == name {
			out = append(out, h.Value)
		}
	}
	return out
}

func elements(list []Header, name string) []string {
	var out []string
	for _, v := range values(list, name) {
		for e := range strings.SplitSeq(v, ",") {
			out = append(out, strings.TrimSpace(e))
		}
	}
	return out
}

// corsCheck is section 4.10.
func corsCheck(answer []Header, w browserWants) bool {
	origin := values(answer, "access-control-allow-origin")
	if len(origin) != 1 {
		return false
	}
	if !w.credentials && origin[0] == "*" {
		return true
	}
	if origin[0] != w.origin {
		return false
	}
	return !w.credentials || slices.Equal(values(answer, "access-control-allow-credentials"), []string{"true"})
}

// preflightPasses is section 4.8, step 7, and Private Network Access, section 3.1.
func preflightPasses(answer []Header, w browserWants) bool {
	if !corsCheck(answer, w) {
		return false
	}
	methods, headers := elements(answer, "access-control-allow-methods"), elements(answer, "access-control-allow-headers")
	star := func(list []string) bool { return !w.credentials && slices.Contains(list, "*") }
	safelisted := w.method == "GET" || w.method == "HEAD" || w.method == "POST"
	if !slices.Contains(methods, w.method) && !safelisted && !star(methods) {
		return false
	}
	for _, name := range w.headers {
		listed := slices.ContainsFunc(headers, func(h string) bool { return strings.EqualFold(h, name) })
		if !listed && (name == "authorization" || !star(headers)) {
			return false
		}
	}
	return !w.private || slices.Equal(values(answer, "access-control-allow-private-network"), []string{"true"})
}

func TestABrowserGetsWhatThePolicySaysAndNothingElse(t *testing.T) {
	t.Parallel()
	age := 600
	policies := []struct {
		config           Config
		origins          string // an expression for those that are allowed
		methods, headers string
		credentials      bool
		private          bool
	}{
		{Config{AllowOrigins: []string{"https://a.example", "https://*.b.example", "http://localhost:*"}, AllowCredentials: true, AllowMethods: []string{"PUT", "PATCH"},
			AllowHeaders: []string{"X-A", "Authorization"}, ExposeHeaders: []string{"X-E"}, MaxAge: &age},
			`^(https://a\.example|https://([a-z0-9_-]+\.)+b\.example|http://localhost(:[1-9][0-9]*)?)$`, `^(PUT|PATCH)$`, `^(x-a|authorization)$`, true, false},
		{Config{AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}}, `.`, `^[A-Za-z]+$`, `^(x-a|x-b|content-type)$`, false, false},
		{Config{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*", "Authorization"}}, `.`, `^$`, `.`, false, false},
		{Config{AllowOrigins: []string{"https://a.example"}, AllowCredentials: true, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}, AllowPrivateNetwork: true},
			`^https://a\.example$`, `.`, `.`, true, true},
		{Config{AllowOrigins: []string{"null", "https://a.example:8443", "http://[::1]:3000", "chrome-extension://abc"}, AllowMethods: []string{"purge"}},
			`^(null|https://a\.example:8443|http://\[::1\]:3000|chrome-extension://abc)$`, `^purge$`, `^$`, false, false},
		{Config{AllowOrigins: []string{"https://*.b.example"}, AllowPrivateNetwork: true}, `^https://([a-z0-9_-]+\.)+b\.example$`, `^$`, `^$`, false, true},
	}
	origins := []string{"https://a.example", "http://a.example", "https://a.example:8443", "https://a.example.evil.example", "https://evila.example", "https://b.example", "https://x.b.example",
		"https://x.y.b.example", "https://x.b.example:8443", "http://x.b.example", "https://xb.example", "http://localhost", "http://localhost:3000", "https://localhost:3000",
		"http://localhost.evil.example:8080", "null", "http://[::1]:3000", "http://[::1]", "chrome-extension://abc", "chrome-extension://abcd", "https://xn--mnchen-3ya.example", "https://a.example.", "vscode-webview://0aBc", "capacitor://localhost"}
	tried := 0
	for n, p := range policies {
		policy, err := Compile(p.config)
		if err != nil {
			t.Fatal(n, err)
		}
		allowed, methods, headers := regexp.MustCompile(p.origins), regexp.MustCompile(p.methods), regexp.MustCompile(p.headers)
		for _, w := range browserRequests(origins) {
			tried++
			want := allowed.MatchString(w.origin) && (p.credentials || !w.credentials)
			if got := corsCheck(policy.Actual(nil, []string{w.origin}), w); got != want {
				t.Errorf("policy %d, %+v: the answer is shared: %v", n, w, got)
			}
			want = want && (methods.MatchString(w.method) || w.method == "GET") && (!w.private || p.private)
			for _, h := range w.headers {
				want = want && headers.MatchString(h)
			}
			asked := Request{Method: "OPTIONS", Origins: []string{w.origin}, RequestMethod: []string{w.method}}
			if len(w.headers) > 0 {
				asked.RequestHeaders = []string{strings.Join(w.headers, ",")}
			}
			if w.private {
				asked.PrivateNetwork = []string{"true"}
			}
			answer := policy.Preflight(&asked)
			if got := preflightPasses(answer.Headers, w); got != want {
				t.Errorf("policy %d, %+v: the preflight passes: %v (%s)", n, w, got, answer.Refusal)
			}
			if fmt.Sprint(elements(answer.Headers, "vary")) == "[]" {
				t.Errorf("policy %d, %+v: no Vary", n, w)
			}
		}
	}
	if tried < 5000 {
		t.Errorf("only %d requests", tried)
	}
}

func browserRequests(origins []string) []browserWants {
	var out []browserWants
	for _, origin := range origins {
		for _, method := range [...]string{"GET", "PUT", "PATCH", "DELETE", "purge", "put"} {
			for _, headers := range [...][]string{nil, {"x-a"}, {"authorization"}, {"content-type", "x-b"}, {"authorization", "x-a"}} {
				for _, flags := range [...]int{0, 1, 2, 3} {
					out = append(out, browserWants{origin, method, headers, flags&1 != 0, flags&2 != 0})
				}
			}
		}
	}
	return out
}
