package pack

import (
	"os/exec"
	"strings"
)

// AddUser registers a user the way an operator does.
func (p *Pack) AddUser(t TB, name, password string) {
	t.Helper()
	cmd := exec.Command(Gatehouse(t), "user", "add", name, "--store", p.store(), "--password-stdin")
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gatehouse user add: %v\n%s", err, out)
	}
}
