package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/control/audit/verify"
	"gatehouse/control/posture"
)

// auditVerifier does for posture what `gatehouse audit verify` does.
type auditVerifier struct {
	dir string
	key note.Verifier
}

// newAuditVerifier takes the public key that is named, or the one that `up`
// keeps beside the signing key; nil without either.
func newAuditVerifier(stateDir, keyFile string) (posture.Verifier, error) {
	if keyFile == "" {
		keyFile = filepath.Join(stateDir, "secrets", "audit_key.pub")
		if !there(keyFile) {
			return nil, nil
		}
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	return auditVerifier{auditDir(stateDir), key}, nil
}

func (a auditVerifier) Verify(ctx context.Context) (string, error) {
	r, err := verify.Log(ctx, verify.Options{Verifier: a.key, Source: verify.Dir(a.dir)})
	var fault *verify.Fault
	if err != nil && !errors.As(err, &fault) {
		return "", fmt.Errorf("%w: %w", posture.ErrNotChecked, err)
	}
	return fmt.Sprintf("%d entries of %s, %d files, root %s", r.Size, r.Origin, r.Files, r.Root), err
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
