package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

// TestRollbackUnderLoadIsLiveAndNoRequestIsLost edits twice, rolls back from a
// good and from a broken edit, and once while control is down.
func TestRollbackUnderLoadIsLiveAndNoRequestIsLost(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: editConfig(1, plenty, noMore)})
	load := loadOn(t, p, "/base/x")
	p.WriteConfig(t, editConfig(2, plenty, noMore))
	awaitHeader(t, p, "/base/x", "X-Edition", 2)

	t.Run("after a good edit", func(t *testing.T) {
		out, code := rollBack(t, p)
		if code != 0 || !strings.Contains(out, "live after ") || !strings.Contains(out, "on 1 Envoy") {
			t.Errorf("exit code %d: %s", code, out)
		}
		expectEdition(t, p, 1)
	})
	t.Run("after a broken edit", func(t *testing.T) {
		p.WriteConfig(t, "routes: [")
		if out, code := rollBack(t, p); code != 0 || !strings.Contains(out, "instead of a file that is no policy") {
			t.Errorf("exit code %d: %s", code, out)
		}
		expectEdition(t, p, 1)
	})
	t.Run("while control is down", func(t *testing.T) {
		p.Control.Stop(t)
		if out, code := rollBack(t, p); code != 1 || !strings.Contains(out, "control does not answer") {
			t.Errorf("exit code %d: %s", code, out)
		}
		expectEdition(t, p, 1)
		p.Control.Start(t)
		awaitHeader(t, p, "/base/x", "X-Edition", 2)
	})

	load.Stop().Only(t, http.StatusOK)
	p.Envoy.MustRun(t)
	if kept, err := filepath.Glob(filepath.Join(p.Dir, "gatehouse.replaced-*.yaml")); err != nil || len(kept) != 3 {
		t.Errorf("%v %v: want the three replaced files beside the policy", kept, err)
	}
	if left, err := filepath.Glob(filepath.Join(p.Dir, ".gatehouse.yaml.*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v: left behind", left, err)
	}
}

func rollBack(t *testing.T, p *pack.Pack, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(pack.Gatehouse(t), append([]string{"rollback", "--state-dir", filepath.Join(p.Dir, "control"),
		"--config", p.ConfigFile, "--control", p.ControlURL("")}, args...)...)
	cmd.Env = os.Environ()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("gatehouse rollback: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// expectEdition asks once: rollback has returned, so it is live.
func expectEdition(t *testing.T, p *pack.Pack, edition int) {
	t.Helper()
	r := p.Get(t, "/base/x", pack.From(clientIP))
	if got := r.Header.Get("X-Edition"); got != fmt.Sprint(edition) {
		t.Errorf("status %d, edition %q, want %d", r.Status, got, edition)
	}
}
