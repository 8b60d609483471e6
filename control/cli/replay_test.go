package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"gatehouse/control/policy"
)

func TestExplainReplaysTheBrowserStepByStep(t *testing.T) {
	t.Parallel()
	line := []string{"explain", "-c", "$DIR/gatehouse.yaml", "--origin", "https://app.example.com", "https://api.example.com/x"}
	r := run(t, good, line...)
	if r.code != ExitDone || !strings.Contains(r.stdout, "Fetch 4.10, step 5") || !strings.Contains(r.stdout, "the page reads the response") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = run(t, good, append(line, "--method", "PUT", "--header", "X-Token", "--credentials")...)
	if r.code != ExitWrong || !strings.Contains(r.stdout, "STOP") || !strings.Contains(r.stdout, "add it to allow_methods") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestExplainReplaysAsJSON(t *testing.T) {
	t.Parallel()
	r := run(t, good, "explain", "-c", "$DIR/gatehouse.yaml", "--origin", "https://evil.example.com", "https://api.example.com/x", "-o", "json")
	var out policy.Replay
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil || r.code != ExitWrong || out.Readable || len(out.Steps) == 0 {
		t.Errorf("exit %d, %v\n%s", r.code, err, r.stdout)
	}
}

func TestAReplayThatCannotBeIsWrongUse(t *testing.T) {
	t.Parallel()
	for _, line := range [][]string{
		{"https://api.example.com/"}, {"--origin", "https://App.example.com", "https://api.example.com/"},
		{"--origin", "https://app.example.com", "/x"}, {"GET", "/x", "--method", "PUT"}, {"GET", "/x", "--credentials"},
	} {
		if r := run(t, good, append([]string{"explain", "-c", "$DIR/gatehouse.yaml"}, line...)...); r.code != ExitUsage {
			t.Errorf("%q: exit %d\n%s", line, r.code, r.stderr)
		}
	}
}
