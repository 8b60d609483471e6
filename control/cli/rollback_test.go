package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/control/policy"
)

// rolledBack is a folder with a policy file and two policies that were live.
type rolledBack struct{ dir, first, second string }

func rollbackFolder(t *testing.T) rolledBack {
	t.Helper()
	r := rolledBack{dir: t.TempDir()}
	other := strings.Replace(goodPolicy, "100/60s", "7/60s", 1)
	dir := filepath.Join(r.dir, "control", "policies")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{goodPolicy, other} {
		c, err := policy.Load("gatehouse.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, fmt.Sprintf("2026010%dT000000.000Z-%s.yaml", i+1, c.Version))
		if err := errors.Join(os.WriteFile(name, []byte(text), 0o600), os.WriteFile(r.file(), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		r.first, r.second = r.second, c.Version
	}
	return r
}

func (r rolledBack) file() string { return filepath.Join(r.dir, "gatehouse.yaml") }

// running writes an up.json that names a control which has every policy.
func (r rolledBack) running(t *testing.T, document string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(document))
	}))
	t.Cleanup(server.Close)
	up := fmt.Sprintf(`{"addresses":{"control":%q},"config_file":%q}`, server.URL, r.file())
	if err := os.WriteFile(filepath.Join(r.dir, "up.json"), []byte(up), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r rolledBack) expectFile(t *testing.T, limit string) {
	t.Helper()
	if text, err := os.ReadFile(r.file()); err != nil || !strings.Contains(string(text), "rate: "+limit) {
		t.Errorf("%v: want the limit %s in\n%s", err, limit, text)
	}
}

func TestRollbackOfARunningPackNeedsNoFlagButTheFolder(t *testing.T) {
	t.Parallel()
	r := rollbackFolder(t)
	r.running(t, fmt.Sprintf(`{"ready":true,"policy":{"version":%q},"envoys":[{"id":"x","version":%[1]q}]}`, r.first))
	got := run(t, nil, "rollback", "--state-dir", r.dir)
	for _, want := range []string{"holds policy " + r.first + " again instead of policy " + r.second, "is kept as ", "live after ", "on 1 Envoy"} {
		if got.code != ExitDone || !strings.Contains(got.stdout, want) {
			t.Errorf("%+v lacks %q", got, want)
		}
	}
	r.expectFile(t, "100/60s")
}

func TestRollbackWhileControlIsAwayPutsTheFileBackAndSaysSo(t *testing.T) {
	t.Parallel()
	r := rollbackFolder(t)
	got := run(t, nil, "rollback", "--state-dir", r.dir, "--config", r.file(), "--control", "http://127.0.0.1:1")
	if got.code != ExitWrong || !strings.Contains(got.stderr, "control does not answer") || !strings.Contains(got.stderr, "Envoy goes on") ||
		strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("%+v", got)
	}
	r.expectFile(t, "100/60s")
}

func TestRollbackThatControlRefusesSaysWhy(t *testing.T) {
	t.Parallel()
	r := rollbackFolder(t)
	r.running(t, fmt.Sprintf(`{"policy":{"version":%q},"envoys":[{"id":"edge","version":"old","rejected":"no such cluster"}]}`, r.first))
	got := run(t, nil, "rollback", "--state-dir", r.dir, "--wait", "300ms", "--output", "json")
	var report rollbackReport
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	if got.code != ExitWrong || report.Live || !strings.Contains(report.Reason, "edge says: no such cluster") || report.From != r.second {
		t.Errorf("%+v %+v", got, report)
	}
}

func TestRollbackWithoutWaitingIsDoneWhenTheFileIsBack(t *testing.T) {
	t.Parallel()
	r := rollbackFolder(t)
	if got := run(t, nil, "rollback", "--state-dir", r.dir, "-c", r.file(), "--no-wait", "--to", r.first[:8]); got.code != ExitDone {
		t.Errorf("%+v", got)
	}
	r.expectFile(t, "100/60s")
}

func TestRollbackListsAndPrintsAndChangesNothing(t *testing.T) {
	t.Parallel()
	r := rollbackFolder(t)
	got := run(t, nil, "rollback", "--list", "--state-dir", filepath.Join(r.dir, "control"))
	if got.code != ExitDone || !hasLine(got.stdout, []string{r.second, "2026-01-02T00:00:00Z"}) || !hasLine(got.stdout, []string{r.first, "2026-01-01"}) ||
		strings.Index(got.stdout, r.second) > strings.Index(got.stdout, r.first) {
		t.Errorf("%+v", got)
	}
	if got := run(t, nil, "rollback", "--list", "-o", "json", "--state-dir", "$DIR"); got.code != ExitDone || got.stdout != "[]\n" {
		t.Errorf("%+v", got)
	}
	if got := run(t, nil, "rollback", "--print", "--state-dir", r.dir, "-c", r.file()); got.code != ExitDone || got.stdout != goodPolicy {
		t.Errorf("%+v", got)
	}
	r.expectFile(t, "7/60s")
}

func TestRollbackUsedWronglyOrWithoutHistory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line []string
		code int
		says string
	}{
		"list and a version":  {[]string{"rollback", "--list", "--to", "ab"}, ExitUsage, "list to"},
		"an argument":         {[]string{"rollback", "ab"}, ExitUsage, "unknown command"},
		"nothing to go to":    {[]string{"rollback", "--state-dir", "$DIR"}, ExitWrong, "no policy is kept"},
		"nothing to print":    {[]string{"rollback", "--print", "--state-dir", "$DIR"}, ExitWrong, "no policy is kept"},
		"an unknown duration": {[]string{"rollback", "--wait", "long"}, ExitUsage, "invalid argument"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := run(t, nil, c.line...); r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("%+v", r)
			}
		})
	}
}
