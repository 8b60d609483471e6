package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TLS is a server that speaks TLS only, and asks clients for a certificate.
type TLS struct {
	*Node
	// CA, Cert and Key are files: the authority of both sides, and a client's.
	CA, Cert, Key string
}

// StartTLS starts it with certificates of its own.
func StartTLS(t testing.TB) *TLS {
	t.Helper()
	dir := t.TempDir()
	s := &TLS{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	certificates(t, s)
	s.Node = startNode(t, func(_ string, port int) []string {
		return []string{
			"--port", "0", "--tls-port", strconv.Itoa(port), "--tls-cert-file", s.Cert, "--tls-key-file", s.Key,
			"--tls-ca-cert-file", s.CA, "--tls-auth-clients", "yes", "--save", "", "--appendonly", "no",
		}
	})
	return s
}

// certificates makes an authority and one certificate, good for both sides.
func certificates(t testing.TB, s *TLS) {
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
