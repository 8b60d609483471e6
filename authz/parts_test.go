package authz

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAConnectionGoesWhereItsFirstBytesSay(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes []string
		grpc   bool
	}{
		{"HTTP/2 at once", []string{string(preface) + "rest"}, true},
		{"HTTP/2 byte by byte", []string{"P", "RI * HTTP/2.0\r\n\r\nSM", "\r\n\r\n"}, true},
		{"HTTP/1.1", []string{"GET / HTTP/1.1\r\n\r\n"}, false},
		{"HTTP/1.1 that begins alike", []string{"P", "OST / HTTP/1.1\r\n\r\n"}, false},
		{"one byte of something else", []string{"X"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, client := splitting(t)
			sent := strings.Join(c.writes, "")
			for _, w := range c.writes {
				if _, err := io.WriteString(client, w); err != nil {
					t.Fatal(err)
				}
			}
			to := s.http
			if c.grpc {
				to = s.grpc
			}
			conn, err := to.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != sent {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func splitting(t *testing.T) (*splitter, net.Conn) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := split(listener, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- s.serve() }()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := s.grpc.Accept(); err == nil {
			t.Error("a closed branch accepts")
		}
	})
	return s, client
}

func TestAConnectionThatEndsUndecidedIsClosed(t *testing.T) {
	_, client := splitting(t)
	if _, err := io.WriteString(client, "PRI"); err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := client.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestAPanicRefusesItsRequestAndIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	panics := prometheus.NewCounter(prometheus.CounterOpts{Name: "p"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(panics)
	r := recovery{log: slog.New(slog.NewTextHandler(&log, nil)), panics: panics}
	out, err := r.unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/x/Check"}, func(context.Context, any) (any, error) {
		panic("secret detail")
	})
	if out != nil || status.Code(err) != codes.Internal || bytes.Contains([]byte(err.Error()), []byte("secret")) {
		t.Errorf("got %v, %v", out, err)
	}
	err = r.stream(nil, nil, &grpc.StreamServerInfo{FullMethod: "/x/Stream"}, func(any, grpc.ServerStream) error { panic("again") })
	if status.Code(err) != codes.Internal {
		t.Errorf("got %v", err)
	}
	families, err := registry.Gather()
	if err != nil || families[0].GetMetric()[0].GetCounter().GetValue() != 2 || !bytes.Contains(log.Bytes(), []byte("secret detail")) || !bytes.Contains(log.Bytes(), []byte("/x/Check")) {
		t.Errorf("log: %s", log.String())
	}
}

func TestTheClientIsWhoEnvoySays(t *testing.T) {
	const attested = "X-Gatehouse-Client"
	for _, c := range []struct {
		name    string
		headers http.Header
		want    string
	}{
		{"attested by Check", http.Header{attested: {"203.0.113.1"}, "X-Envoy-External-Address": {"203.0.113.2"}}, "203.0.113.1"},
		{"trusted by Envoy", http.Header{"X-Envoy-External-Address": {"203.0.113.2"}, "X-Forwarded-For": {"1.1.1.1"}}, "203.0.113.2"},
		{"the last hop", http.Header{"X-Forwarded-For": {"1.1.1.1, 203.0.113.3"}}, "203.0.113.3"},
		{"the last hop of the last field", http.Header{"X-Forwarded-For": {"1.1.1.1", "2.2.2.2,2001:db8::1"}}, "2001:db8::1"},
		{"nonsense", http.Header{attested: {"root"}, "X-Forwarded-For": {"1.1.1.1, x"}}, "192.0.2.1"},
		{"nothing", http.Header{}, "192.0.2.1"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/sessions", nil)
		r.Header = c.headers
		if got := clientIP(r, attested); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
