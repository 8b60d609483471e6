package up

import (
	"net"
	"strings"
	"testing"
)

func TestPortsFromABaseLieSideBySide(t *testing.T) {
	got, err := PortsFrom(18000)
	if err != nil {
		t.Fatal(err)
	}
	want := Ports{HTTP: 18000, HTTPS: 18001, Admin: 18002, Authz: 18003, XDS: 18004, Control: 18005, Metrics: 18006, Demo: 18007}
	if got != want {
		t.Errorf("got %+v", got)
	}
	for _, base := range []int{-1, 0, 65529, 70000} {
		if _, err := PortsFrom(base); err == nil {
			t.Errorf("base %d is accepted", base)
		}
	}
	if _, err := PortsFrom(65528); err != nil {
		t.Error(err)
	}
}

func TestCheckFreeReportsEveryPortThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	where := taken.Addr().String()
	err = checkFree(t.Context(), []listenSpot{
		{where, "the first", "--first-port"},
		{"127.0.0.1:0", "a free one", "--free-port"},
		{where, "the second", "--second-port"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "in use") || !strings.Contains(lines[0], "--first-port") ||
		!strings.Contains(lines[1], "both the first and the second") {
		t.Errorf("got %q", lines)
	}
}
