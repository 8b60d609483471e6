// Package authorities reads the certificate authorities that a setting names in
// place of the system's.
//
// It promises a pool that has at least one, or an error that names the file. It
// does not notice when the file changes later.
package authorities

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
)

// maxFile bounds the file, in bytes: a bundle of all public ones has a quarter
// of a megabyte.
const maxFile = 4 << 20

// File reads certificates in PEM. An empty path is the system's: a nil pool, as
// crypto/tls and crypto/x509 take it.
func File(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // nil is what crypto takes for the system's
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	defer func() { _ = file.Close() }() // was only read
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file: %s has no certificate in PEM", path)
	}
	return pool, nil
}
