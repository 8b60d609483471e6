package up

import (
	"errors"
	"fmt"
	"os"

	"gatehouse/control/audit"
)

// auditKeyFile returns the path of the key that signs the audit log, made at
// first use with its public half beside it (audit_key.pub). The log's name is
// random: it tells this pack's log from that of any other.
func (s state) auditKeyFile() (string, error) {
	path := s.path("secrets", "audit_key")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("secret audit_key: %w", err)
	}
	key, public, err := audit.GenerateKey("gatehouse.localhost/audit-" + randomText(6))
	if err != nil {
		return "", err
	}
	if err := writeFile(path+".pub", []byte(public+"\n")); err != nil {
		return "", err
	}
	return path, writeFile(path, append(key.Reveal(), '\n'))
}
