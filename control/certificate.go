package control

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"gatehouse/control/policy"
	"gatehouse/control/xds"
)

// readCertificate reads the pair of the TLS listener; nil without one. A pair
// that does not belong together is an error here, not in Envoy.
func readCertificate(t *policy.TLSSettings) (*xds.Certificate, error) {
	if t == nil {
		return nil, nil
	}
	chain, err := os.ReadFile(t.CertFile) // #nosec G703 -- the operator's own file says which
	if err != nil {
		return nil, fmt.Errorf("read the TLS certificate: %w: correct envoy.tls.cert_file", err)
	}
	key, err := os.ReadFile(t.KeyFile) // #nosec G703 -- the operator's own file says which
	if err != nil {
		return nil, fmt.Errorf("read the TLS key: %w: correct envoy.tls.key_file", err)
	}
	if _, err := tls.X509KeyPair(chain, key); err != nil {
		return nil, fmt.Errorf("the TLS certificate %s and the key %s cannot be used: %w", t.CertFile, t.KeyFile, err)
	}
	clients, err := readAuthorities(t.ClientCAFile)
	if err != nil {
		return nil, err
	}
	return &xds.Certificate{Chain: chain, Key: key, Clients: clients}, nil
}

// readAuthorities reads those of clients' certificates; nil without any.
func readAuthorities(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path) // #nosec G304 G703 -- the operator's own file says which
	if err != nil {
		return nil, fmt.Errorf("read the authorities of clients' certificates: %w: correct envoy.tls.client_ca_file", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("envoy.tls.client_ca_file %s holds no certificate in PEM", path)
	}
	return text, nil
}
