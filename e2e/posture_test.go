package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

// flawedConfig has the flaws of an application that nobody has audited: no
// headers on its pages, every site may read its API, and nobody is limited.
const flawedConfig = preamble + `
policies:
  page: {headers: {set: {X-Frame-Options: SAMEORIGIN}}}
  account: {session: required}
  upload: {uploads: {mode: report, allow: [pdf]}}
routes:
  - {path_prefix: /account, upstream: app, policy: account}
  - {path_prefix: /upload, upstream: app, policy: upload}
  - {path_prefix: /, upstream: app, policy: page}
`

// postureReport is what is read of `gatehouse posture --output json`.
type postureReport struct {
	Results []struct {
		ID       string   `json:"id"`
		Status   string   `json:"status"`
		Reasons  []string `json:"reasons"`
		Evidence []struct {
			Asked, Came, Where string
		} `json:"evidence"`
	} `json:"results"`
}

func (r postureReport) with(status string) []string {
	ids := []string{}
	for _, result := range r.Results {
		if result.Status == status {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

func TestPostureFindsTheFlawsOfARealPackAndDisturbsNobody(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: flawedConfig})
	load := loadOn(t, p, "/page")
	password := filepath.Join(t.TempDir(), "password")
	redis := filepath.Join(p.Dir, "secrets", "redis_url")
	if err := os.WriteFile(password, []byte(pack.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(pack.Gatehouse(t), "posture", "--output", "json", "--state-dir", p.Dir, "--config", p.ConfigFile,
		"--envoy", p.URL(""), "--control", p.ControlURL(""), "--authz", "http://"+p.AuthzAddr(), "--redis-url-file", redis,
		"--store", "sqlite:"+filepath.Join(p.Dir, "users.db"), "--username", pack.UserName, "--password-file", password)
	cmd.Env = append(os.Environ(), "REDIS_PASSWORD_FILE="+filepath.Join(p.Dir, "secrets", "redis_password"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var report postureReport
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil || cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("%v, %v:\n%s", err, jsonErr, out)
	}
	// No headers, a folder of the test that others may enter, uploads let through, and no limits.
	want := []string{"GH-POS-001", "GH-POS-002", "GH-POS-003", "GH-POS-005", "GH-POS-011", "GH-POS-021", "GH-POS-022", "GH-POS-041"}
	if got := report.with("fail"); !slices.Equal(got, want) {
		t.Errorf("%v failed, want %v\n%s", got, want, out)
	}
	for _, id := range []string{"GH-POS-031", "GH-POS-032", "GH-POS-033", "GH-POS-034", "GH-POS-035", "GH-POS-036", "GH-POS-037", "GH-POS-038", "GH-POS-051", "GH-POS-061", "GH-POS-064"} {
		if !slices.Contains(report.with("pass"), id) {
			t.Errorf("%s has not passed:\n%s", id, out)
		}
	}
	for _, secret := range []string{pack.Password, "ghs_"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("the report holds %q", secret)
		}
	}
	load.Stop().Only(t, http.StatusOK)
	// Whoever was there before may still sign in.
	p.SignIn(t)
}
