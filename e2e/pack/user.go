package pack

import (
	"os/exec"
	"strings"
	"testing"
)

// addUser registers a user the way an operator does.
func (p *Pack) addUser(t testing.TB, name, password string) {
	t.Helper()
	cmd := exec.Command(Gatehouse(t), "user", "add", name, "--store", p.store(), "--password-stdin")
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gatehouse user add: %v\n%s", err, out)
	}
}
