package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// overTLS is a server of net/http that speaks HTTP/2, and the way to it.
func overTLS(t *testing.T, handle http.HandlerFunc) (front, *atomic.Int64) {
	t.Helper()
	connections := new(atomic.Int64)
	server := httptest.NewUnstartedServer(handle)
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return front{addr: server.Listener.Addr().String(), tls: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS13}}, connections
}

func TestABrowserSendsTheSameLinesInEachRequest(t *testing.T) {
	t.Parallel()
	var asked, wrong atomic.Int64
	to, connections := overTLS(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Host != "api.example.com" || r.URL.RequestURI() != "/api/orders?page=2" || r.Header.Get("Origin") != origin ||
			!strings.HasSuffix(r.Header.Get("Cookie"), "; theme=dark") || r.Header.Get("Sec-Fetch-Mode") != "cors" {
			wrong.Add(1)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 70_000)) // several frames, and more than the protocol's first window
	})
	latencies, err := driveHTTP2(to, browserRequest(), 3, time.Now().Add(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(latencies)); n < 3 || n != asked.Load() || wrong.Load() != 0 || connections.Load() != 1 {
		t.Errorf("%d answers to %d requests, %d of them wrong, over %d connections", n, asked.Load(), wrong.Load(), connections.Load())
	}
}

func TestTheConnectionsWindowIsGivenBack(t *testing.T) {
	t.Parallel()
	const answers, size = 8, 5 << 20 // together more than the window
	to, _ := overTLS(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) })
	c, err := connect(to, browserRequest(), time.Now().Add(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	for range answers {
		if err := c.send(time.Now(), true); err != nil {
			t.Fatal(err)
		}
		if _, err := c.await(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBodiesArriveWholeWhateverTheServersWindows(t *testing.T) {
	t.Parallel()
	b := body{path: "/a", contentType: "text/plain", pieces: [][]byte{[]byte("head"), bytes.Repeat([]byte("0123456789"), 200_000), nil, []byte("tail")}}
	want := sha256.Sum256(bytes.Join(b.pieces, nil))
	var whole, others atomic.Int64
	to, _ := overTLS(t, func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err == nil && sha256.Sum256(text) == want && r.URL.Path == "/upload/a" && r.ContentLength == b.size() {
			whole.Add(1)
		} else {
			others.Add(1)
		}
	})
	sent, err := sendUploadsHTTP2(to, b, time.Now().Add(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if whole.Load() < 1 || others.Load() != 0 || sent != whole.Load()*b.size() {
		t.Errorf("%d bodies arrived whole and %d did not, of %d bytes sent", whole.Load(), others.Load(), sent)
	}
}

func TestAnAnswerIsReadWhole(t *testing.T) {
	t.Parallel()
	to, _ := overTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-One", "1")
		_, _ = io.WriteString(w, "text")
	})
	fields, body, err := ask(to, browserRequest(), time.Now().Add(5*time.Second))
	if err != nil || body != "text" {
		t.Fatalf("%q, error %v", body, err)
	}
	names := []string{}
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if !slices.Contains(names, ":status") || !slices.Contains(names, "x-one") {
		t.Errorf("%q", names)
	}
}

func TestOnlyCompleteAnswersWith200Count(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]http.HandlerFunc{
		"a refusal": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"a stream that is reset": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, _ := overTLS(t, handle)
			if latencies, err := driveHTTP2(to, browserRequest(), 1, time.Now().Add(time.Second)); err == nil {
				t.Errorf("%d answers count", len(latencies))
			}
		})
	}
}

func TestAFrontWithoutTheProtocolIsNoFront(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler()) // HTTP/1.1 alone
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	to := front{addr: server.Listener.Addr().String(), tls: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS13}}
	if _, err := driveHTTP2(to, browserRequest(), 1, time.Now().Add(time.Second)); err == nil {
		t.Error("HTTP/2 was not agreed on, and was spoken")
	}
}

func TestTheApplicationKeepsTheProbeAlone(t *testing.T) {
	t.Parallel()
	upstream, port := startApplication(t)
	conn, err := net.DialTimeout("tcp4", "127.0.0.1:"+port, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for _, path := range []string{probePath, "/api/orders?page=2"} {
		if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nhost: a\r\nx-request-id: "+path+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || (answer.Header.Get("Via") != "") != (path == probePath) || (len(body) == 0) != (path == probePath) {
			t.Errorf("%s: %v, %d bytes, %v", path, answer.Header, len(body), err)
		}
	}
	if got, want := upstream.probed(), []string{"GET " + probePath + " HTTP/1.1", "host: a", "x-request-id: "}; !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}
