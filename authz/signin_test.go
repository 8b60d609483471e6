package authz

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProvidersSecretIsReadAnewAndOnlyWhereNobodyElseCan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &server{o: Options{ProviderSecrets: dir}}
	if _, err := s.providerSecret("example"); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(dir, "example")
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.providerSecret("example"); err != nil || got != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil { // #nosec G302 -- that is what is refused
		t.Fatal(err)
	}
	if _, err := s.providerSecret("example"); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("readable by everybody: %v", err)
	}
	if _, err := (&server{}).providerSecret("example"); err == nil || !strings.Contains(err.Error(), "--provider-secrets") {
		t.Errorf("no folder: %v", err)
	}
}
