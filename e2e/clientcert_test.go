package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/e2e/pack"
)

const boundConfig = `
version: 1
envoy:
  listen: ${LISTEN}
  tls: {listen: "${LISTEN_TLS}", cert_file: "${CERT}", key_file: "${KEY}", client_ca_file: "CLIENT_CA", client_certificate: DEMAND}
upstreams:
  app: {url: "${APP}"}
sign_in: {bind: certificate}
policies:
  members: {session: required}
  open: {session: none}
routes:
  - {path_prefix: /members, upstream: app, policy: members}
  - {path_prefix: /, upstream: app, policy: open}
`

// devices are certificates of one authority.
type devices struct {
	t    *testing.T
	file string // of the authority
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newDevices(t *testing.T) *devices {
	t.Helper()
	d := &devices{t: t, file: filepath.Join(t.TempDir(), "clients.pem"), key: ecKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "devices"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &d.key.PublicKey, d.key)
	if err == nil {
		d.root, err = x509.ParseCertificate(der)
	}
	if err == nil {
		err = os.WriteFile(d.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// device is a client with a certificate of its own.
func (d *devices) device(name string) *tls.Certificate {
	d.t.Helper()
	key := ecKey(d.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, d.root, &key.PublicKey, d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func hashOf(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// showing sends a request over a connection of its own; nil shows no certificate.
func showing(c *tls.Certificate, r *http.Request) (pack.Response, error) {
	client := pack.HTTP1()
	defer client.CloseIdleConnections()
	if transport, ok := client.Transport.(*http.Transport); ok && c != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{*c}
	}
	response, err := client.Do(r)
	if err != nil {
		return pack.Response{}, err
	}
	body, err := io.ReadAll(response.Body)
	return pack.Response{Status: response.StatusCode, Header: response.Header, Body: body}, errors.Join(err, response.Body.Close())
}

func signingIn(t *testing.T, url string) *http.Request {
	t.Helper()
	body, err := json.Marshal(map[string]any{"username": pack.UserName, "password": pack.Password, "token": true})
	if err != nil {
		t.Fatal(err)
	}
	return pack.Request(t, http.MethodPost, url, bytes.NewReader(body), pack.With("Content-Type", "application/json"))
}

func configFor(d *devices, demand string) string {
	return strings.NewReplacer("CLIENT_CA", d.file, "DEMAND", demand).Replace(boundConfig)
}

// A session that was begun with a client's certificate is of no use without it:
// what was stolen is a token alone (RFC 8705 section 3).
func TestASessionBoundToACertificateIsRefusedWithAnotherAndWithNone(t *testing.T) {
	t.Parallel()
	known, strangers := newDevices(t), newDevices(t)
	mine, other, foreign := known.device("laptop"), known.device("phone"), strangers.device("laptop")
	p := pack.Start(t, pack.Options{Config: configFor(known, "optional")})
	must := func(c *tls.Certificate, r *http.Request) pack.Response {
		t.Helper()
		got, err := showing(c, r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	expectStatus(t, must(nil, signingIn(t, p.TLSURL("/auth/login"))), http.StatusForbidden)
	p.AwaitEvent(t, "the refused sign-in", func(e event.Event) bool { return e.Reason == "client_certificate_missing" })
	token := p.Token(t, must(mine, signingIn(t, p.TLSURL("/auth/login"))))
	forged := pack.With("X-Forwarded-Client-Cert", "Hash="+hashOf(mine))
	for name, test := range map[string]struct {
		shows *tls.Certificate
		url   string
		edits []pack.Edit
		want  int
	}{
		"the certificate it was begun with":   {mine, p.TLSURL("/members/x"), nil, http.StatusOK},
		"its own pages":                       {mine, p.TLSURL("/auth/sessions"), nil, http.StatusOK},
		"another one of the same authority":   {other, p.TLSURL("/members/x"), nil, http.StatusUnauthorized},
		"none":                                {nil, p.TLSURL("/members/x"), nil, http.StatusUnauthorized},
		"without TLS":                         {nil, p.URL("/members/x"), nil, http.StatusUnauthorized},
		"another, with the first one's hash":  {other, p.TLSURL("/members/x"), []pack.Edit{forged}, http.StatusUnauthorized},
		"none, with the first one's hash":     {nil, p.TLSURL("/members/x"), []pack.Edit{forged}, http.StatusUnauthorized},
		"without TLS, with its hash":          {nil, p.URL("/members/x"), []pack.Edit{forged}, http.StatusUnauthorized},
		"the pages of sign-in, with its hash": {nil, p.TLSURL("/auth/sessions"), []pack.Edit{forged}, http.StatusUnauthorized},
		"nothing where none is needed":        {nil, p.TLSURL("/x"), nil, http.StatusOK},
	} {
		got := must(test.shows, pack.Request(t, http.MethodGet, test.url, nil, append(test.edits, pack.Bearer(token))...))
		if got.Status != test.want {
			t.Errorf("%s: status %d, want %d: %s", name, got.Status, test.want, got.Body)
		}
	}
	seen := must(mine, pack.Request(t, http.MethodGet, p.TLSURL("/x"), nil, pack.With("X-Forwarded-Client-Cert", "Hash="+hashOf(other)))).Seen(t)
	if got := seen.Header.Get("X-Forwarded-Client-Cert"); got != "Hash="+hashOf(mine) {
		t.Errorf("the upstream is told %q", got)
	}
	if got, err := showing(foreign, pack.Request(t, http.MethodGet, p.TLSURL("/x"), nil)); err == nil {
		t.Errorf("a certificate of another authority: %d", got.Status)
	}
	p.WriteConfig(t, configFor(known, "required"))
	pack.Eventually(t, 30*time.Second, "connections without a certificate end", func(ctx context.Context) error {
		if got, err := showing(nil, pack.Request(t, http.MethodGet, p.TLSURL("/x"), nil).WithContext(ctx)); err == nil {
			return fmt.Errorf("status %d", got.Status)
		}
		return nil
	})
	expectStatus(t, must(mine, pack.Request(t, http.MethodGet, p.TLSURL("/members/x"), nil, pack.Bearer(token))), http.StatusOK)
}
