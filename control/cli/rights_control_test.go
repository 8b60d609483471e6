package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/control/audit/audittest"
	"gatehouse/control/internal/redistest"
	"gatehouse/e2e/pack"
)

// realControl is a control that serves people's rights, and who calls it.
type realControl struct {
	t   *testing.T
	env map[string]string
}

func newRealControl(t *testing.T) *realControl {
	t.Helper()
	dir, ports := t.TempDir(), pack.ReservePorts(t)
	c := &realControl{t: t, env: map[string]string{
		"GATEHOUSE_STORE": "sqlite:" + filepath.Join(dir, "gatehouse.db"), "GATEHOUSE_STATE_DIR": dir,
		"GATEHOUSE_CONTROL": "http://" + ports.Addr(5), "GATEHOUSE_TOKEN_FILE": place(t, "token", goodKey, 0o600),
	}}
	serve := command{env: map[string]string{
		"GATEHOUSE_STORE": c.env["GATEHOUSE_STORE"], "GATEHOUSE_ADMIN_TOKEN_FILE": c.env["GATEHOUSE_TOKEN_FILE"],
		"GATEHOUSE_AUDIT_KEY_FILE": auditKeyFile(t), "GATEHOUSE_PSEUDONYM_KEY_FILE": place(t, "key", goodKey, 0o600), "GATEHOUSE_MASTER_KEY_FILE": masterFile(t, 7),
	}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan int, 1)
	args := []string{
		"serve", "control", "--config", place(t, "gatehouse.yaml", goodPolicy, 0o600), "--state-dir", filepath.Join(dir, "control"), "--wasm", "filter.wasm",
		"--redis", "unix://" + redistest.Start(t).Socket(), "--xds-listen", "127.0.0.1:0", "--http-listen", ports.Addr(5),
	}
	go func() { done <- serve.run(ctx, args...) }()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != ExitDone {
			t.Errorf("control: exit code %d: %s", code, serve.stderr.String())
		}
	})
	pack.Eventually(t, 30*time.Second, "control is ready", func(ctx context.Context) error {
		return expectOK(ctx, c.env["GATEHOUSE_CONTROL"]+"/readyz", nil)
	})
	return c
}

func (c *realControl) try(ctx context.Context, args ...string) (int, string) {
	cmd := command{env: c.env}
	code := cmd.run(ctx, args...)
	return code, cmd.stdout.String() + cmd.stderr.String()
}

func (c *realControl) run(want int, args ...string) string {
	c.t.Helper()
	code, out := c.try(c.t.Context(), args...)
	if code != want {
		c.t.Fatalf("%v: exit code %d, want %d: %s", args, code, want, out)
	}
	return out
}

// read runs a command and reads its JSON.
func (c *realControl) read(into any, args ...string) {
	c.t.Helper()
	out := c.run(ExitDone, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		c.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

func TestConsentsAreProvenByTheCommandLineOnARealControl(t *testing.T) {
	t.Parallel()
	c := newRealControl(t)
	c.run(ExitDone, "user", "add", "anna", "--generate")
	var users []userRow
	c.read(&users, "user", "list")
	anna := users[0].ID
	c.run(ExitDone, "consent", "give", "--subject", anna, "--purpose", "news", "--notice-version", "3")
	var page struct {
		Items []struct {
			EventID string `json:"event_id"`
			Subject string
			State   string
		}
	}
	c.read(&page, "consent", "history", "--subject", anna)
	if len(page.Items) != 1 || page.Items[0].State != "given" {
		t.Fatalf("%+v", page)
	}
	var proof string
	pack.Eventually(t, 30*time.Second, "the entry is in the log and proven", func(ctx context.Context) error {
		var code int
		if code, proof = c.try(ctx, "consent", "prove", page.Items[0].EventID); code != ExitDone {
			return errors.New(proof)
		}
		return nil
	})
	piped := command{stdin: strings.NewReader(proof)}
	key := place(t, "audit.pub", audittest.Verifier(t)+"\n", 0o600)
	if code := piped.run(t.Context(), "audit", "verify", "--key", key, "--proof", "-"); code != ExitDone || !strings.Contains(piped.stdout.String(), page.Items[0].EventID) {
		t.Errorf("exit code %d: %s%s", code, piped.stdout.String(), piped.stderr.String())
	}
	expectText(t, c.run(ExitWrong, "consent", "prove", "no-such-entry"), "404")
	expectText(t, c.run(ExitDone, "consent", "gpc", "--subject", anna), "PURPOSE") // the policy marks no purpose
	expectText(t, c.run(ExitDone, "subject", "person", anna), "restricted", "false", "pseudonym")
	expectText(t, c.run(ExitDone, "subject", "person", page.Items[0].Subject), "restricted")
	expectText(t, c.run(ExitWrong, "subject", "person", "nobody"), "404")
	expectText(t, c.run(ExitDone, "records"), "Art. 30")
	var record map[string]any
	if err := json.Unmarshal([]byte(c.run(ExitDone, "records", "--format", "json")), &record); err != nil || len(record) == 0 {
		t.Errorf("%v %v", record, err)
	}
	file := filepath.Join(t.TempDir(), "records.csv")
	expectText(t, c.run(ExitDone, "records", "--format", "csv", "--out", file), "wrote ")
}

func TestARestrictionIsCarriedOutByTheCommandLineOnARealControl(t *testing.T) {
	t.Parallel()
	c := newRealControl(t)
	c.run(ExitDone, "user", "add", "anna", "--generate")
	var users []userRow
	c.read(&users, "user", "list")
	var request struct{ ID, State, Subject string }
	c.read(&request, "subject", "request", "restriction", "--subject", users[0].ID, "--reason", "it is wrong")
	c.read(&request, "subject", "verify", request.ID, "--how", "passport")
	if request.State != "verified" {
		t.Fatalf("%+v", request)
	}
	expectText(t, c.run(ExitDone, "subject", "plan", request.ID), "gatehouse")
	expectText(t, c.run(ExitWrong, "subject", "attest", request.ID, "--system", "crm", "--note", "done"), "no step in that system")
	c.run(ExitDone, "subject", "run", request.ID)
	pack.Eventually(t, 30*time.Second, "the request is carried out", func(ctx context.Context) error {
		if code, out := c.try(ctx, "subject", "show", request.ID); code != ExitDone || !strings.Contains(out, "completed") {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	expectText(t, c.run(ExitWrong, "subject", "attest", request.ID, "--system", "gatehouse", "--note", "done"), "409")
	var person struct {
		Restricted bool
		Erased     time.Time
	}
	c.read(&person, "subject", "person", request.Subject)
	if !person.Restricted || !person.Erased.IsZero() {
		t.Errorf("%+v", person)
	}
}
