package up

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// state is the folder in which a pack keeps what must outlive it (secrets,
// certificate, users, the Redis append-only file, the audit trail) and what
// only describes it while it runs (up.json, logs, sockets).
type state struct {
	dir   string // absolute
	shown string // as the user gave it, for lines to copy
}

func (s state) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// show is path as the user would write it from where they are.
func (s state) show(parts ...string) string {
	return filepath.Join(append([]string{s.shown}, parts...)...)
}

// openState makes the folder. It belongs to one user: everything in it is
// either a secret or tells about one.
func openState(dir string) (state, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return state{}, fmt.Errorf("state folder %s: %w", dir, err)
	}
	s := state{dir: abs, shown: dir}
	for _, folder := range []string{"", "tls", "secrets", "samples", "logs", "redis", "control", "authz", "run"} {
		if err := os.MkdirAll(s.path(folder), 0o700); err != nil {
			return state{}, fmt.Errorf("make the state folder: %w", err)
		}
	}
	// An older folder, or one made by hand, may be readable by others.
	if err := os.Chmod(abs, 0o700); err != nil { // #nosec G302 -- a folder needs its x
		return state{}, fmt.Errorf("close the state folder to others: %w", err)
	}
	return s, nil
}

// secretFile returns the path of a secret of 256 random bits, made at first use.
func (s state) secretFile(name string) (string, error) {
	path := s.path("secrets", name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	return path, writeFile(path, []byte(randomText(32)+"\n"))
}

// randomText is n random bytes in base64url.
func randomText(n int) string {
	data := make([]byte, n)
	_, _ = rand.Read(data) // never fails since Go 1.24: the program ends instead
	return base64.RawURLEncoding.EncodeToString(data)
}

// writeFile replaces a file whole, readable by its owner only.
func writeFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
