package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/authz/event"
)

func TestEveryErrorIsAProblemThatTellsNothing(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := newRig(t, nil, counted(&n, nil))
	for _, c := range []struct {
		method, path, body string
		status             int
		detail             string
	}{
		{"GET", "/v1/nothing", "", 404, "openapi.json"},
		{"DELETE", "/v1/me", "", 405, "method"},
		{"GET", "/v1/me?surprise=1", "", 422, "validation"},
		{"POST", "/v1/t/make", "", 400, "body"},
		{"POST", "/v1/t/make", "{", 400, "validation"},
		{"POST", "/v1/t/make", `{"text":1}`, 422, "validation"},
		{"POST", "/v1/t/make", `{"text":"a","txt":"b"}`, 422, "validation"},
		{"POST", "/v1/t/make", `{}`, 422, "validation"},
		{"POST", "/v1/t/make", strings.Repeat(" ", 200_001), 413, "large"},
		{"POST", "/v1/sign-in", `{"token":"` + strings.Repeat("x", 20_000) + `"}`, 413, "large"},
		{"POST", "/v1/sign-in", `{"token":"hunter2hunter2","username":"anna"}`, 422, "either"},
	} {
		p := g.as(Operator, c.method, c.path, c.body).problem(c.status)
		if !strings.Contains(p.Detail, c.detail) || strings.Contains(fmt.Sprint(p), "hunter2") {
			t.Errorf("%s %s: %+v", c.method, c.path, p)
		}
		if c.status == 422 && c.path == "/v1/t/make" && len(p.Errors) == 0 {
			t.Errorf("%s: what is wrong is not said", c.body)
		}
	}
	if allow := g.as(Operator, "DELETE", "/v1/me", "").Header().Get("Allow"); !strings.Contains(allow, "GET") {
		t.Errorf("Allow: %q", allow)
	}
	if n.Load() != 0 {
		t.Errorf("made %d times", n.Load())
	}
}

func TestAWrongValueIsNotRepeated(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	a := g.call(http.MethodPost, "/v1/sign-in", `{"token":["hunter2hunter2"]}`)
	a.problem(http.StatusUnprocessableEntity)
	if strings.Contains(a.Body.String(), "hunter2") {
		t.Errorf("%s", a.Body)
	}
}

func TestEveryAnswerHasTheStrictHeaders(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	for _, path := range []string{"/v1/me", "/v1/nothing", "/openapi.json", "/openapi.yaml"} {
		h := g.call(http.MethodGet, path, "", "Origin", "http://control.test").Header()
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestARequestIDIsTakenOverOnlyIfItCanStandInALog(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	for id, kept := range map[string]bool{"abc-123": true, "": false, "a b": false, "a\x7f": false, "ä": false, strings.Repeat("x", 129): false} {
		if got := g.call(http.MethodGet, "/v1/me", "", "X-Request-Id", id).Header().Get("X-Request-Id"); (got == id) != kept || got == "" {
			t.Errorf("%q: %q", id, got)
		}
	}
}

func TestACookieCountsOnlyForPagesOfThisOrigin(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, registerMatrix)
	cookie := "__Host-gatehouse=" + g.session("admin")
	for _, c := range []struct {
		name    string
		method  string
		headers []string
		status  int
	}{
		{"the console's own script", "POST", []string{"Sec-Fetch-Site", "same-origin"}, 204},
		{"an older browser's form of this origin", "POST", []string{"Origin", "http://control.test"}, 204},
		{"a page of another site", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"a page of a neighbouring host", "POST", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://app.control.test"}, 403},
		{"an older browser's form of another site", "POST", []string{"Origin", "https://evil.example"}, 403},
		{"a sandboxed frame", "POST", []string{"Origin", "null"}, 403},
		{"no browser at all, with a stolen cookie's habits", "POST", nil, 401},
		{"two answers to where it comes from", "POST", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "none"}, 401},
		{"an address that was typed", "GET", []string{"Sec-Fetch-Site", "none"}, 204},
		{"an image of another site", "GET", []string{"Sec-Fetch-Site", "cross-site"}, 401},
	} {
		path := map[string]string{"POST": "/v1/t/admin", "GET": "/v1/t/dpo"}[c.method]
		if a := g.call(c.method, path, "", append([]string{"Cookie", cookie}, c.headers...)...); a.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, a.Code, c.status, a.Body)
		}
	}
	// A token in a header is no cookie: no page can make a browser send it.
	g.as(Admin, "POST", "/v1/t/admin", "").want(http.StatusNoContent)
	if e := g.events.last(event.APIRefused); e.Type == "" {
		t.Error("none of it is an event")
	}
}

func TestTwoCookiesOfOneNameAreNobody(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	token := g.session("admin")
	g.call("GET", "/v1/me", "", "Cookie", "__Host-gatehouse="+token+"; __Host-gatehouse="+token).problem(http.StatusUnauthorized)
	g.call("GET", "/v1/me", "", "Authorization", "Bearer "+token, "Authorization", "Bearer "+token).problem(http.StatusUnauthorized)
}

func TestNobodyGetsMoreThanTheirShare(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(o *Options) {
		o.Limits = Limits{Address: Rate{1, 1e6}, Caller: Rate{1, 3}, SignIn: Rate{1, 2}}
	})
	for range 3 {
		g.as(DPO, "GET", "/v1/me", "").want(http.StatusOK)
	}
	for range 3 {
		a := g.as(DPO, "GET", "/v1/me", "")
		a.problem(http.StatusTooManyRequests)
		if a.Header().Get("Retry-After") != "1" {
			t.Errorf("Retry-After: %q", a.Header().Get("Retry-After"))
		}
	}
	refusals := 0
	for _, e := range g.events.all() {
		if e.Reason == "rate_limited" {
			refusals++
		}
	}
	if refusals != 1 {
		t.Errorf("%d events tell of one caller's flood", refusals)
	}
	g.as(Auditor, "GET", "/v1/me", "").want(http.StatusOK) // another caller
	g.clock.advance(time.Second)
	g.as(DPO, "GET", "/v1/me", "").want(http.StatusOK)
	for range 2 {
		g.call("POST", "/v1/sign-in", `{"token":"wrong-wrong-wrong-wrong"}`).problem(http.StatusUnauthorized)
	}
	g.call("POST", "/v1/sign-in", `{"token":"wrong-wrong-wrong-wrong"}`).problem(http.StatusTooManyRequests)
}

func TestGuessingTokensIsSlow(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(o *Options) { o.Limits = Limits{Address: Rate{1, 30}, Caller: Rate{1e6, 1e6}} })
	guesses := 0
	for range 30 {
		if g.call("GET", "/v1/me", "", "Authorization", "Bearer wrong").Code == http.StatusUnauthorized {
			guesses++
		}
	}
	if guesses > 3 {
		t.Errorf("%d guesses from one address", guesses)
	}
	if e := g.events.last(event.APIRefused); e.Reason != "rate_limited" || e.Severity != event.Warning {
		t.Errorf("%+v", e)
	}
}

func TestBucketsAreBoundedAndAnIPv6NetworkIsOneClient(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	b := newBuckets(Rate{1, 1}, func() time.Time { return now })
	for i := range maxBuckets + 100 {
		b.take(fmt.Sprint(i), 1)
	}
	if len(b.byKey) != maxBuckets || b.order.Len() != maxBuckets {
		t.Errorf("%d buckets, %d in order", len(b.byKey), b.order.Len())
	}
	for a, z := range map[string]string{"2001:db8::1": "2001:db8::ffff:1", "192.0.2.1": "192.0.2.1", "": ""} {
		if network(a) != network(z) {
			t.Errorf("%s and %s are two clients", a, z)
		}
	}
	if network("192.0.2.1") == network("192.0.2.2") || network("2001:db8::1") == network("2001:db8:0:1::1") {
		t.Error("two clients are one")
	}
	now = now.Add(-time.Hour) // a clock that was set back gives nobody calls
	if ok, _, _ := b.take(fmt.Sprint(maxBuckets+99), 1); ok {
		t.Error("a clock that was set back gives calls")
	}
}

// slow serves on a real connection.
func (g *rig) slow() *httptest.Server {
	g.t.Helper()
	server := httptest.NewServer(g.server.Handler())
	g.t.Cleanup(server.Close)
	return server
}

func TestABodyThatDoesNotArriveIsGivenUp(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, func(a huma.API) {
		op := Roles(operation("brief", http.MethodPost, "/v1/t/brief"), Operator)
		op.BodyReadTimeout = 200 * time.Millisecond
		huma.Register(a, op, func(context.Context, *echoInput) (*empty, error) { return &empty{}, nil })
	})
	server := g.slow()
	c, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(c, "POST /v1/t/brief HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", g.tokens[Operator])
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var p Problem
	if err := json.NewDecoder(answer.Body).Decode(&p); err != nil || answer.StatusCode != http.StatusRequestTimeout || p.Status != http.StatusRequestTimeout {
		t.Errorf("%d %+v %v", answer.StatusCode, p, err)
	}
}
