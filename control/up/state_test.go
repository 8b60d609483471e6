package up

import (
	"os"
	"path/filepath"
	"testing"
)

func newState(t *testing.T) state {
	t.Helper()
	s, err := openState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheStateFolderIsClosedToOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.secretFile("redis_password")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, secret: 0o600, filepath.Dir(secret): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode().Perm())
		}
	}
}

func TestASecretIsMadeOnce(t *testing.T) {
	s := newState(t)
	read := func(name string) string {
		path, err := s.secretFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := readSecret(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := read("a")
	if len(first) != 43 || first != read("a") || first == read("b") {
		t.Errorf("got %q, then %q, and %q for another", first, read("a"), read("b"))
	}
}
