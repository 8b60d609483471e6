package verify_test

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/control/audit/audittest"
	"gatehouse/e2e/pack"
)

// foreign reads a log with filippo.io/torchwood (.ci/tlogcheck).
func foreign(t *testing.T, dir string) (string, error) {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	out, err := exec.CommandContext(t.Context(), pack.TlogCheck(t), server.URL, audittest.Verifier(t)).CombinedOutput()
	return string(out), err
}

func TestAClientThatIsNotOursVerifiesTheLog(t *testing.T) {
	t.Parallel()
	if out, err := foreign(t, theMaster(t).log); err != nil || out != "70000 entries\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAClientThatIsNotOursFindsWhatWeFind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		how  func([]byte) []byte
		says string
	}{
		"a changed entry":      {"tile/entries/004", flip(1000), "hash mismatch for entry 1032"},
		"a changed tile":       {"tile/1/000", flip(0), "inconsistent tile"},
		"a changed checkpoint": {"checkpoint", func(b []byte) []byte { return swapped(b, len(b)-9) }, "checkpoint"},
	} {
		dir := copied(t)
		rewrite(t, filepath.Join(dir, c.file), c.how)
		if out, err := foreign(t, dir); err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
