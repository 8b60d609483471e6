package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Files are the authority of both sides, and a certificate with its key that is
// good for both. Nil speaks in clear.
type Files struct{ CA, Cert, Key string }

func newFiles(t testing.TB) *Files {
	t.Helper()
	dir := t.TempDir()
	f := &Files{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	certificates(t, f)
	return f
}

// settings are those of a server, of which clients need a certificate.
func (f *Files) settings(port int) [][2]string {
	if f == nil {
		return [][2]string{{"port", strconv.Itoa(port)}}
	}
	return [][2]string{
		{"port", "0"}, {"tls-port", strconv.Itoa(port)}, {"tls-cert-file", f.Cert}, {"tls-key-file", f.Key},
		{"tls-ca-cert-file", f.CA}, {"tls-auth-clients", "yes"}, {"tls-replication", "yes"}, {"tls-cluster", "yes"},
	}
}

func (f *Files) args(port int) (args []string) {
	for _, s := range f.settings(port) {
		args = append(args, "--"+s[0], s[1])
	}
	return args
}

func (f *Files) lines(port int) (text string) {
	for _, s := range f.settings(port) {
		text += s[0] + " " + s[1] + "\n"
	}
	return text
}

func (f *Files) client(t testing.TB) *tls.Config {
	t.Helper()
	if f == nil {
		return nil
	}
	pem, err := os.ReadFile(f.CA)
	must(t, err)
	own, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
}

func (f *Files) scheme() string {
	if f == nil {
		return "redis"
	}
	return "rediss"
}

// Query is what a URL for redisauth says of them.
func (f *Files) Query() string {
	if f == nil {
		return ""
	}
	return "?" + url.Values{"ca_file": {f.CA}, "cert_file": {f.Cert}, "key_file": {f.Key}}.Encode()
}

// TLS is a server that speaks TLS only, and asks clients for a certificate.
type TLS struct {
	*Node
	*Files
}

// StartTLS starts it with certificates of its own.
func StartTLS(t testing.TB) *TLS {
	t.Helper()
	s := &TLS{Files: newFiles(t)}
	s.Node = startNode(t, func(_ string, port int) []string { return append(s.args(port), "--save", "", "--appendonly", "no") })
	s.tls = s.client(t)
	return s
}

// certificates makes an authority and one certificate, good for both sides.
func certificates(t testing.TB, s *Files) {
	t.Helper()
	authority, own := newKey(t), newKey(t)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	write := func(path, kind string, der []byte, err error) {
		must(t, err)
		must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &authority.PublicKey, authority)
	write(s.CA, "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, &own.PublicKey, authority)
	write(s.Cert, "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(own)
	write(s.Key, "PRIVATE KEY", der, err)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}
