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

// SetEmail says where mail reaches a user.
func (p *Pack) SetEmail(t TB, name, address string) {
	t.Helper()
	if out, err := exec.Command(Gatehouse(t), "user", "set-email", name, address, "--store", p.store()).CombinedOutput(); err != nil {
		t.Fatalf("gatehouse user set-email: %v\n%s", err, out)
	}
}
