package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/session"
	"gatehouse/control/internal/redistest"
)

func TestAnOperatorListsAndEndsSessions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := session.New(server.Client(), time.Now, rand.Reader)
	sign := func(id, tenant string) (string, session.Session) {
		t.Helper()
		token, s, err := m.Create(t.Context(), session.User{ID: id, Name: "anna", Tenant: tenant}, session.Grant{
			Idle: time.Hour, Absolute: time.Hour, Device: "Firefox on Linux", Network: "192.0.2.0/24", AMR: []string{"pwd"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return token, s
	}
	do := func(want int, args ...string) string {
		t.Helper()
		c := command{env: map[string]string{"GATEHOUSE_REDIS": "unix://" + server.Socket()}}
		if code := c.run(t.Context(), append([]string{"session"}, args...)...); code != want {
			t.Fatalf("%v: exit code %d: %s", args, code, c.stderr.String())
		}
		return c.stdout.String() + c.stderr.String()
	}
	ended := func(token string, want bool) {
		t.Helper()
		// A new one each time: one that is open may take a second to know.
		_, err := session.New(server.Client(), time.Now, rand.Reader).Lookup(t.Context(), token, session.Demand{})
		if errors.Is(err, session.ErrRevoked) != want || err != nil && !want {
			t.Errorf("ended should be %t: %v", want, err)
		}
	}
	one, s1 := sign("u-1", "blue")
	two, _ := sign("u-1", "blue")
	other, _ := sign("u-2", "red")

	var lines []sessionLine
	if err := json.Unmarshal([]byte(do(ExitDone, "list", "--id", "u-1", "-o", "json")), &lines); err != nil || len(lines) != 2 {
		t.Fatalf("%+v, %v", lines, err)
	}
	if l := lines[0]; l.Device != "Firefox on Linux" || l.Network != "192.0.2.0/24" || l.Tenant != "blue" || l.UserID != "u-1" {
		t.Errorf("listed %+v", l)
	}
	if out := do(ExitDone, "list", "--id", "u-1"); !strings.Contains(out, s1.ID) || strings.Contains(out, one) {
		t.Errorf("table:\n%s", out)
	}
	if out := do(ExitDone, "show", "--id", "u-1", s1.ID); !strings.Contains(out, "pwd") {
		t.Errorf("shown:\n%s", out)
	}
	if out := do(ExitDone, "epoch"); out != "never\n" {
		t.Errorf("epoch: %s", out)
	}
	do(ExitDone, "revoke", "--id", "u-1", s1.ID)
	ended(one, true)
	ended(two, false)
	do(ExitWrong, "revoke", "--id", "u-1", s1.ID)
	do(ExitWrong, "show", "--id", "u-1", s1.ID)
	do(ExitDone, "revoke", "--id", "u-1", "--all")
	ended(two, true)
	ended(other, false)
	do(ExitDone, "revoke", "--tenant", "red")
	ended(other, true)
	again, _ := sign("u-2", "red")
	do(ExitDone, "revoke", "--everything")
	ended(again, true)
	if out := do(ExitDone, "epoch"); out == "never\n" {
		t.Error("no epoch")
	}
	do(ExitWrong, "revoke", "--everything", "--confirmed-by", "1")
	for _, wrong := range [][]string{
		{"revoke"}, {"revoke", "u-1"}, {"revoke", "u-1", "x", "--all"}, {"revoke", "--everything", "--tenant", "red"},
		{"epoch", "--confirmed-by", "9"},
	} {
		do(ExitUsage, wrong...)
	}
	if n := server.Client().XLen(t.Context(), event.StreamKey).Val(); n != 4 {
		t.Errorf("%d events, want one for each of what was ended: 2 sessions, a tenant, and everything", n)
	}
}
