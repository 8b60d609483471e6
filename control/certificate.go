package control

import (
	"crypto/tls"
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
	return &xds.Certificate{Chain: chain, Key: key}, nil
}
