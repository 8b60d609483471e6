package up

import (
	"strings"
	"testing"
)

func TestASecondPackIsKeptOutOfTheStateFolder(t *testing.T) {
	s := newState(t)
	first, err := acquireLock(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acquireLock(s.dir); err == nil || !strings.Contains(err.Error(), "another `gatehouse up` (process ") {
		t.Errorf("got %v", err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	again, err := acquireLock(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.release(); err != nil {
		t.Fatal(err)
	}
}
