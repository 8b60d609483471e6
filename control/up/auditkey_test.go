package up

import (
	"os"
	"strings"
	"testing"

	"gatehouse/authz/secret"
	"gatehouse/control/audit"
)

func TestTheAuditKeyIsMadeOnceWithItsPublicHalf(t *testing.T) {
	t.Parallel()
	s, err := openState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path, err := s.auditKeyFile()
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.File{Name: "GATEHOUSE_AUDIT_KEY", Path: path}.Read()
	if err != nil {
		t.Fatal(err)
	}
	want, err := audit.Verifier(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil || strings.TrimSpace(string(public)) != want || !strings.HasPrefix(want, "gatehouse.localhost/audit-") {
		t.Errorf("%q, want %q: %v", public, want, err)
	}
	if again, err := s.auditKeyFile(); err != nil || again != path {
		t.Fatalf("%s %v", again, err)
	}
	if same, err := (secret.File{Name: "GATEHOUSE_AUDIT_KEY", Path: path}).Read(); err != nil || !same.Equal(key.Reveal()) {
		t.Errorf("the key was made anew: %v", err)
	}
}
