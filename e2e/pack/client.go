package pack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const requestTimeout = 60 * time.Second

// HTTP1 is a client that keeps connections and follows no redirect.
func HTTP1() *http.Client { return client(func(p *http.Protocols) { p.SetHTTP1(true) }) }

// HTTP2 speaks HTTP/2 only: with prior knowledge in clear, by ALPN over TLS.
func HTTP2() *http.Client {
	return client(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true); p.SetHTTP2(true) })
}

// HTTP1From is HTTP1 over connections from the given address of this machine.
func HTTP1From(ip string) *http.Client {
	c := HTTP1()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c.Transport.(*http.Transport).DialContext = dialer.DialContext
	return c
}

func client(choose func(*http.Protocols)) *http.Client {
	protocols := new(http.Protocols)
	choose(protocols)
	return &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Protocols:           protocols,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the pack's own certificate
			MaxIdleConnsPerHost: 64,
			DisableCompression:  true,
		},
	}
}

// Response is an HTTP response that has been read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem is the RFC 9457 document of a refusal.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	RequestID string `json:"request_id"`
}

// Problem reads the body as a problem document and checks that it is one.
func (r Response) Problem(t TB) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(r.Body, &p); err != nil {
		t.Fatalf("status %d: body %q is no problem document: %v", r.Status, r.Body, err)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" || p.Status != r.Status || p.Type == "" {
		t.Errorf("status %d, content type %q: not a sound problem document: %s", r.Status, got, r.Body)
	}
	return p
}

// RequestID is the one that the upstream echoed or a refusal names, if any.
func (r Response) RequestID() string {
	var answer struct {
		RequestID string `json:"request_id"`
	}
	if json.Unmarshal(r.Body, &answer) != nil {
		return ""
	}
	return answer.RequestID
}

// Seen is what the upstream echoed; it fails the test for any other answer.
func (r Response) Seen(t TB) Seen {
	t.Helper()
	var s Seen
	if err := json.Unmarshal(r.Body, &s); err != nil || r.Status != http.StatusOK {
		t.Fatalf("status %d: not an answer of the upstream: %q (%v)", r.Status, r.Body, err)
	}
	return s
}

// Edit changes a request before it is sent.
type Edit func(*http.Request)

// With sets a header.
func With(name, value string) Edit { return func(r *http.Request) { r.Header.Set(name, value) } }

// From makes the request come from a client address, for a config with one
// trusted hop.
func From(ip string) Edit { return With("X-Forwarded-For", ip) }

// Marked sets MarkHeader.
func Marked(mark string) Edit { return With(MarkHeader, mark) }

// Bearer sends a session token.
func Bearer(token string) Edit { return With("Authorization", "Bearer "+token) }

// Request makes a request to url whose Host is shop.example, so that no address
// of the machine's is in it.
func Request(t TB, method, url string, body io.Reader, edits ...Edit) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "shop.example"
	for _, edit := range edits {
		edit(r)
	}
	return r
}

// Do sends r and reads the answer whole.
func Do(t TB, c *http.Client, r *http.Request) Response {
	t.Helper()
	response, err := do(c, r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return response
}

func do(c *http.Client, r *http.Request) (Response, error) {
	resp, err := c.Do(r)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, err
}

// Get sends a GET to the pack over HTTP/1.1.
func (p *Pack) Get(t TB, path string, edits ...Edit) Response {
	t.Helper()
	c := HTTP1()
	defer c.CloseIdleConnections()
	return Do(t, c, Request(t, http.MethodGet, p.URL(path), nil, edits...))
}

// SignIn signs the pack's user in and returns a token for Bearer.
func (p *Pack) SignIn(t TB, edits ...Edit) string {
	t.Helper()
	return p.Token(t, p.TrySignIn(t, UserName, Password, edits...))
}

// Token reads the answer of a sign-in that must have succeeded.
func (p *Pack) Token(t TB, response Response) string {
	t.Helper()
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(response.Body, &answer); err != nil || response.Status != http.StatusOK || answer.Token == "" {
		t.Fatalf("sign-in: %d %s (%v)", response.Status, response.Body, err)
	}
	return answer.Token
}

// TrySignIn posts credentials through Envoy.
func (p *Pack) TrySignIn(t TB, user, password string, edits ...Edit) Response {
	t.Helper()
	return signIn(t, p.URL("/auth/login"), user, password, edits...)
}

// SignInAtAuthz posts the pack's user's credentials to authz itself.
func (p *Pack) SignInAtAuthz(t TB) Response {
	t.Helper()
	return signIn(t, "http://"+p.AuthzAddr()+"/auth/login", UserName, Password)
}

func signIn(t TB, url, user, password string, edits ...Edit) Response {
	t.Helper()
	body, err := json.Marshal(map[string]any{"username": user, "password": password, "token": true})
	if err != nil {
		t.Fatal(err)
	}
	c := HTTP1()
	defer c.CloseIdleConnections()
	edits = append([]Edit{With("Content-Type", "application/json"), With("Accept", "application/json")}, edits...)
	return Do(t, c, Request(t, http.MethodPost, url, bytes.NewReader(body), edits...))
}

// Raw writes bytes to Envoy's listener as they stand and reads one response.
// What Envoy answers by closing the connection has status 0.
func (p *Pack) Raw(t TB, request string) Response {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", p.Addr(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return Response{}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a body cut off by the close is what there is
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// Stream sends head and body over HTTP/1 as they stand, and reads the answer
// while it sends: a refusal in mid-body may close the connection, which
// net/http's client may report instead of the answer.
func (p *Pack) Stream(t TB, head string, body io.Reader) Response {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", p.Addr(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(requestTimeout))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.WriteString(conn, head); err == nil {
			_, _ = io.Copy(conn, body) // Envoy may hang up: the answer tells
		}
	}()
	defer func() { _ = conn.Close(); <-sent }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("answer cut short: %v", err)
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: answer}
}

// NewMark is a value for MarkHeader that no other request has.
func NewMark() string { return rand.Text() }

// Ready polls url until it answers 200.
func Ready(t TB, within time.Duration, url string) {
	t.Helper()
	Eventually(t, within, url, func(ctx context.Context) error { return expect200(ctx, url) })
}
