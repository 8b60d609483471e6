package cli

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/limit"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/migrate"
)

func TestMigratePrintsTheCommandAndNoSecret(t *testing.T) {
	t.Parallel()
	secret := rand.Text()
	files := map[string]string{
		"good.env": "REDIS_URL=redis:6379\nREDIS_AUTH=" + secret + "\nRUNTIME_ROOT=/my data\n",
		"bad.env":  "BACKEND_TYPE=memcache\n",
		"no.env":   "nonsense\n",
	}
	r := run(t, files, "migrate", "ratelimit", "--env-file", "$DIR/good.env")
	for _, part := range []string{"export REDIS_PASSWORD_FILE=", "--redis redis://redis:6379/0", `--ratelimit-config '/my data/config'`, "REDIS_AUTH"} {
		if !strings.Contains(r.stdout, part) {
			t.Errorf("lacks %s:\n%s%s", part, r.stdout, r.stderr)
		}
	}
	if strings.Contains(r.stdout+r.stderr, secret) || r.code != ExitDone {
		t.Errorf("exit %d:\n%s", r.code, r.stdout)
	}
	r = run(t, files, "migrate", "ratelimit", "-o", "json", "--env-file", "$DIR/bad.env")
	var report migrate.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || !report.Changes() || r.code != ExitWrong {
		t.Errorf("exit %d, %v:\n%s", r.code, err, r.stdout)
	}
	if r := run(t, files, "migrate", "ratelimit", "--env-file", "$DIR/no.env"); r.code != ExitWrong || !strings.Contains(r.stderr, "line 1") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if r := run(t, files, "migrate"); r.code != ExitUsage {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

func TestLimitShowsAndResetsWhatIsLimited(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	w, refusals := limit.NewWindows(client, 10*time.Second, nil), limit.NewRefusals(client, nil)
	requests := []limit.Request{{Key: "rls|d|DAY|k|v", Spec: limit.Spec{Algorithm: limit.FixedWindow, Requests: 1, Window: 24 * time.Hour}}}
	for range 3 {
		results, err := w.Count(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		refusals.Note(requests, results)
	}
	if err := refusals.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := "unix://" + server.Socket()
	if r := run(t, nil, "limit", "top", "--redis", at); r.code != ExitDone || !strings.Contains(r.stdout, "1/24h0m0s") || !strings.Contains(r.stdout, "rls|d|DAY|k|v") {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if r := run(t, nil, "limit", "top", "--shadow", "--redis", at); !strings.Contains(r.stdout, "Nobody") {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
	if r := run(t, nil, "limit", "show", "rls|d|DAY|k|v", "--redis", at); r.code != ExitDone || !strings.Contains(r.stdout, "fixed_window") {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	for i, code := range []int{ExitDone, ExitWrong} {
		if r := run(t, nil, "limit", "reset", "rls|d|DAY|k|v", "--redis", at); r.code != code {
			t.Errorf("reset %d: exit %d: %s%s", i, r.code, r.stdout, r.stderr)
		}
	}
	if r := run(t, nil, "limit", "top", "--most", fmt.Sprint(maxTop+1), "--redis", at); r.code != ExitUsage {
		t.Errorf("exit %d", r.code)
	}
}
