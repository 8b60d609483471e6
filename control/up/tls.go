package up

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	certificateLife = 90 * 24 * time.Hour
	renewBefore     = 7 * 24 * time.Hour
)

// ensureCertificate leaves tls/ca.pem, tls/cert.pem and tls/key.pem for
// localhost in the state folder and keeps those that are still good for a week.
//
// The key of the authority is never written: whoever trusts ca.pem trusts one
// certificate and no other that could be made later.
func ensureCertificate(s state, now time.Time) error {
	if certificateGood(s.path("tls", "cert.pem"), now) && fileExists(s.path("tls", "key.pem")) && fileExists(s.path("tls", "ca.pem")) {
		return nil
	}
	ca, leaf, key, err := makeCertificate(now)
	if err != nil {
		return fmt.Errorf("make the demo's certificate: %w", err)
	}
	return errors.Join(
		writeFile(s.path("tls", "ca.pem"), ca),
		writeFile(s.path("tls", "key.pem"), key),
		writeFile(s.path("tls", "cert.pem"), leaf),
	)
}

func certificateGood(path string, now time.Time) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return false
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	return err == nil && now.Add(renewBefore).Before(certificate.NotAfter) && now.After(certificate.NotBefore)
}

func makeCertificate(now time.Time) (ca, leaf, key []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	authority := certificateFor("Gatehouse demo authority", now)
	authority.IsCA = true
	authority.BasicConstraintsValid = true
	authority.MaxPathLenZero = true
	authority.KeyUsage = x509.KeyUsageCertSign
	authority.PermittedDNSDomainsCritical = true
	authority.PermittedDNSDomains = []string{"localhost"}
	authority.PermittedIPRanges = loopbackRanges()
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	server := certificateFor("localhost", now)
	server.KeyUsage = x509.KeyUsageDigitalSignature
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	leafDER, err := x509.CreateCertificate(rand.Reader, server, authority, &leafKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, nil, nil, err
	}
	return encodePEM("CERTIFICATE", caDER), encodePEM("CERTIFICATE", leafDER), encodePEM("PRIVATE KEY", keyDER), nil
}

func certificateFor(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte(randomText(12))),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Gatehouse demo"}},
		NotBefore:    now.Add(-time.Hour), // clocks of guests and hosts differ
		NotAfter:     now.Add(certificateLife),
	}
}

func loopbackRanges() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
