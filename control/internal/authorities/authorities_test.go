package authorities

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAFileHasAuthoritiesOrIsRefusedByName(t *testing.T) {
	t.Parallel()
	if pool, err := File(""); pool != nil || err != nil {
		t.Errorf("the system's: %v %v", pool, err)
	}
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issued := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, issued, issued, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := filepath.Join(dir, "good.pem"), filepath.Join(dir, "bad.pem")
	for path, text := range map[string][]byte{good: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), bad: []byte("no certificate")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pool, err := File(good); err != nil || pool.Equal(x509.NewCertPool()) {
		t.Errorf("%v %v", pool, err)
	}
	for _, path := range []string{bad, filepath.Join(dir, "none.pem"), dir} {
		if _, err := File(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
