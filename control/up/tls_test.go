package up

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func TestTheCertificateServesLocalhostAndNothingElse(t *testing.T) {
	s := newState(t)
	if err := ensureCertificate(s, time.Now()); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(s.path("tls", "cert.pem"), s.path("tls", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.path("tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("ca.pem holds no certificate")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) // one handshake is meant to fail
	server.StartTLS()
	defer server.Close()
	for name, good := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "example.com": false} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}}}
		response, err := client.Get(server.URL)
		if err == nil {
			_ = response.Body.Close()
		}
		if (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
		client.CloseIdleConnections()
	}
}

func TestTheCertificateIsKeptUntilItIsAboutToExpire(t *testing.T) {
	s := newState(t)
	begin := time.Now()
	at := func(now time.Time) string {
		if err := ensureCertificate(s, now); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(s.path("tls", "cert.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := at(begin)
	if at(begin.Add(82*24*time.Hour)) != first {
		t.Error("it was renewed eight days before its end")
	}
	if at(begin.Add(84*24*time.Hour)) == first {
		t.Error("it was not renewed six days before its end")
	}
}
