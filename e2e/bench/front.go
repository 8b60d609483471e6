package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"gatehouse/e2e/pack"
)

// dialWithin bounds a connection and its handshake.
const dialWithin = 5 * time.Second

// front is how a contender is reached. The zero value of its tls is plain TCP.
type front struct {
	addr string
	tls  *tls.Config
}

// dial opens a connection on which everything is over a while after the deadline.
// protocol is what is agreed on in the handshake (ALPN), where there is one.
func (f front) dial(deadline time.Time, after time.Duration, protocol string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialWithin)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", f.addr)
	if err != nil {
		return nil, fmt.Errorf("reach Envoy: %w", err)
	}
	if f.tls != nil {
		if conn, err = f.handshake(ctx, conn, protocol); err != nil {
			return nil, err
		}
	}
	if err := conn.SetDeadline(deadline.Add(after)); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("bound the connection: %w", err)
	}
	return conn, nil
}

func (f front) handshake(ctx context.Context, conn net.Conn, protocol string) (net.Conn, error) {
	config := f.tls.Clone()
	config.NextProtos = []string{protocol}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS with Envoy: %w", err)
	}
	if agreed := secured.ConnectionState().NegotiatedProtocol; agreed != protocol {
		_ = secured.Close()
		return nil, fmt.Errorf("TLS with Envoy: agreed on %q instead of %s", agreed, protocol)
	}
	return secured, nil
}

const (
	overHTTP1 = "http/1.1"
	overHTTP2 = "h2"
)

// trusting is the client's side of TLS 1.3 with the owner of the certificate alone.
// Sessions are not resumed: a connection lives for a whole turn.
func trusting(t pack.TB, certFile string) *tls.Config {
	text, err := os.ReadFile(certFile) // #nosec G304 -- made for this run
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate in %s", certFile)
	}
	return &tls.Config{
		RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13,
		DynamicRecordSizingDisabled: true, // browsers fill their records from the start
	}
}
