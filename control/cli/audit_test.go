package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/audit"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/store"
)

// trail is an audit log of a pack, with its index.
type trail struct {
	state, dir, store, key string
}

func newTrail(t *testing.T, n int) trail {
	t.Helper()
	state := t.TempDir()
	r := trail{state: state, dir: filepath.Join(state, "control", "audit"), store: "sqlite:" + filepath.Join(state, "gatehouse.db"), key: filepath.Join(state, "audit_key.pub")}
	if err := os.WriteFile(r.key, []byte(audittest.Verifier(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := audittest.Open(t, r.dir)
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	var events []event.Event
	for i := range n {
		e := event.Event{ID: fmt.Sprintf("id-%03d", i), Time: at.Add(time.Duration(i) * time.Hour), Type: event.RequestAllowed, Outcome: event.Allow, Path: "/p" + fmt.Sprint(i)}
		if i%2 == 1 {
			e.Type, e.Outcome, e.Rule, e.Reason = event.RateLimitExceeded, event.Deny, "api_calls", fmt.Sprintf("call %d", i)
		}
		events = append(events, e)
	}
	appendTo(t, l, events...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs an audit command and returns what it has printed.
func (r trail) run(t *testing.T, code int, args ...string) string {
	t.Helper()
	c := command{env: map[string]string{"GATEHOUSE_STATE_DIR": r.state, "GATEHOUSE_STORE": r.store}}
	if got := c.run(t.Context(), append([]string{"audit"}, args...)...); got != code {
		t.Fatalf("%v: exit code %d, want %d: %s%s", args, got, code, c.stdout.String(), c.stderr.String())
	}
	return c.stdout.String() + c.stderr.String()
}

func expectText(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

func TestAuditVerifySaysWhetherTheLogIsWhole(t *testing.T) {
	t.Parallel()
	r := newTrail(t, 300)
	expectText(t, r.run(t, ExitDone, "verify", "--key", r.key), "verified", "300 of 300 have passed", "2026-01-02T00:00:00Z")
	older := filepath.Join(r.state, "older")
	text, err := os.ReadFile(filepath.Join(r.dir, "checkpoint"))
	if err == nil {
		err = os.WriteFile(older, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	expectText(t, r.run(t, ExitDone, "verify", "--key", r.key, "--dir", r.dir, "--since", older), "the older checkpoint of 300 entries")
	server := httptest.NewServer(http.FileServer(http.Dir(r.dir)))
	defer server.Close()
	expectText(t, r.run(t, ExitDone, "verify", "--key", r.key, "--url", server.URL, "-o", "json"), `"ok": true`, `"events": 300`)

	bundle := filepath.Join(r.dir, "tile/entries/001.p/44")
	raw, err := os.ReadFile(bundle)
	if err == nil {
		err = os.WriteFile(bundle, bytes.Replace(raw, []byte(`"allow"`), []byte(`"allew"`), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	expectText(t, r.run(t, ExitWrong, "verify", "--key", r.key), "NOT VERIFIED", "entry 256 (tile/entries/001.p/44): it was changed", "256 of 300 have passed")
	var out struct {
		OK    bool
		Fault struct {
			Kind, File string
			Index      int64
		}
	}
	if err := json.Unmarshal([]byte(r.run(t, ExitWrong, "verify", "--key", r.key, "-o", "json")), &out); err != nil || out.OK || out.Fault.Kind != "entry" || out.Fault.Index != 256 {
		t.Errorf("%+v %v", out, err)
	}
}

func TestAuditVerifyRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	r := newTrail(t, 1)
	expectText(t, r.run(t, ExitUsage, "verify"), "--key FILE")
	expectText(t, r.run(t, ExitWrong, "verify", "--key", r.state+"/none"), "none")
	expectText(t, r.run(t, ExitWrong, "verify", "--key", filepath.Join(r.dir, "checkpoint")), "no public key")
	expectText(t, r.run(t, ExitUsage, "verify", "--key", r.key, "--url", "ftp://x"), "https://HOST/PATH")
	expectText(t, r.run(t, ExitUsage, "verify", "--key", r.key, "--url", "http://x", "--dir", r.dir), "dir url")
	expectText(t, r.run(t, ExitWrong, "verify", "--key", r.key, "--dir", t.TempDir()), "checkpoint (checkpoint): it is missing")
	expectText(t, r.run(t, ExitWrong, "verify", "--key", r.key, "--since", r.state+"/none"), "older checkpoint")
}

func TestAuditProveMakesAProofThatVerifies(t *testing.T) {
	t.Parallel()
	r := newTrail(t, 300)
	file := filepath.Join(r.state, "id-007.tlog-proof")
	r.run(t, ExitDone, "prove", "id-007", "--out", file)
	expectText(t, r.run(t, ExitDone, "verify", "--key", r.key, "--proof", file), "7 of 300", "id-007 2026-01-02T07:00:00Z rate_limit_exceeded deny")
	expectText(t, r.run(t, ExitDone, "verify", "--key", r.key, "--proof", file, "-o", "json"), `"index": 7`, `"id": "id-007"`)
	expectText(t, r.run(t, ExitDone, "prove", "8"), "c2sp.org/tlog-proof@v1\nextra ", "\nindex 8\n")
	expectText(t, r.run(t, ExitWrong, "prove", "nobody"), "no such event")
	expectText(t, r.run(t, ExitWrong, "prove", "300"), "not among the 300")

	piped := command{stdin: strings.NewReader(r.run(t, ExitDone, "prove", "id-299"))}
	if code := piped.run(t.Context(), "audit", "verify", "--key", r.key, "--proof", "-"); code != ExitDone {
		t.Errorf("exit code %d: %s", code, piped.stderr.String())
	}
	forged := command{stdin: strings.NewReader(strings.Replace(r.run(t, ExitDone, "prove", "7"), "index 7", "index 6", 1))}
	if code := forged.run(t.Context(), "audit", "verify", "--key", r.key, "--proof", "-"); code != ExitWrong || !strings.Contains(forged.stdout.String(), "is not the one at index 6") {
		t.Errorf("exit code %d: %s", code, forged.stdout.String())
	}
}

func TestAuditExportWritesWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	r := newTrail(t, 48)
	count := func(args ...string) int {
		t.Helper()
		return strings.Count(r.run(t, ExitDone, append([]string{"export"}, args...)...), "\n")
	}
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"everything":      {nil, 48},
		"of a day":        {[]string{"--from", "2026-01-03"}, 24},
		"between times":   {[]string{"--from", "2026-01-02T01:00:00Z", "--to", "2026-01-02T03:00:00Z"}, 2},
		"of a type":       {[]string{"--type", "rate_limit_exceeded"}, 24},
		"of several":      {[]string{"--type", "rate_limit_exceeded,request_allowed"}, 48},
		"of none":         {[]string{"--type", "no_such"}, 0},
		"as OCSF records": {[]string{"--format", "ocsf"}, 48},
	} {
		if got := count(c.args...); got != c.want {
			t.Errorf("%s: %d lines, want %d", name, got, c.want)
		}
	}
	expectText(t, r.run(t, ExitDone, "export", "--format", "ocsf", "--type", "rate_limit_exceeded"), `"class_uid":2004`, `"uid":"id-001"`)
	expectText(t, r.run(t, ExitUsage, "export", "--format", "csv"), "jsonl or ocsf")
	expectText(t, r.run(t, ExitUsage, "export", "--from", "yesterday"), "2026-01-02T15:04:05Z")
	expectText(t, r.run(t, ExitWrong, "export", "--dir", t.TempDir()), "no audit log")
}

func TestAuditSearchFindsThroughTheIndexAndReadsTheLog(t *testing.T) {
	t.Parallel()
	r := newTrail(t, 60)
	if out := r.run(t, ExitDone, "search", "-o", "json"); out != "" {
		t.Errorf("an empty index has found %s", out)
	}
	expectText(t, r.run(t, ExitDone, "reindex"), "60 events can be searched for")
	found := r.run(t, ExitDone, "search", "CALL 5", "--outcome", "deny", "-o", "json")
	if strings.Count(found, "\n") != 6 || !strings.HasPrefix(found, `{"id":"id-059"`) {
		t.Errorf("found %s", found)
	}
	expectText(t, r.run(t, ExitDone, "search", "--type", "rate_limit_exceeded", "--from", "2026-01-04", "-n", "3"),
		"api_calls: call 59", "there are more: --cursor 55")
	expectText(t, r.run(t, ExitDone, "search", "--id", "id-004"), "/p4")
	expectText(t, r.run(t, ExitDone, "search", "-n", "1", "--cursor", "1"), "/p0")
	expectText(t, r.run(t, ExitUsage, "search", "--cursor", "x"), "cursor")
	expectText(t, r.run(t, ExitUsage, "search", "-n", "0"), "1 to 500")
	expectText(t, r.run(t, ExitUsage, "search", "--to", "x"), "--to")

	other := newTrail(t, 3)
	expectText(t, r.run(t, ExitWrong, "search", "--dir", other.dir), "audit reindex")
	expectText(t, r.run(t, ExitWrong, "search", "--store", "mysql:x"), "sqlite:PATH")
	s, err := store.Open(t.Context(), store.Options{URL: r.store})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.IndexEvents(t.Context(), 60, []store.IndexedEvent{{Leaf: 60, ID: "forged", Time: time.Unix(0, 0)}}); err != nil {
		t.Fatal(err)
	}
	expectText(t, r.run(t, ExitWrong, "search", "--id", "forged"), "entry 60 is not among the 60")
}

func TestAuditSearchTakesNoPasswordInPlain(t *testing.T) {
	t.Parallel()
	c := command{env: map[string]string{"GATEHOUSE_STORE_PASSWORD": "hunter2"}}
	if code := c.run(t.Context(), "audit", "search"); code != ExitWrong || !strings.Contains(c.stderr.String(), "GATEHOUSE_STORE_PASSWORD_FILE") || strings.Contains(c.stderr.String(), "hunter2") {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
}

func TestAuditKeygenMakesAKeyOnce(t *testing.T) {
	t.Parallel()
	r := newTrail(t, 1)
	file := filepath.Join(t.TempDir(), "key")
	out := r.run(t, ExitDone, "keygen", "--name", "audit.example.com/a", "--out", file)
	for path, mode := range map[string]os.FileMode{file: 0o600, file + ".pub": 0o644} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil || out != string(public) || strings.Contains(out, "PRIVATE") {
		t.Errorf("%q %q %v", out, public, err)
	}
	expectText(t, r.run(t, ExitWrong, "keygen", "--name", "audit.example.com/a", "--out", file), "is not replaced")
	expectText(t, r.run(t, ExitUsage, "keygen", "--name", "a b", "--out", file+"2"), "cannot name a log")
	expectText(t, r.run(t, ExitUsage, "keygen"), "--name NAME")

	dir := filepath.Join(t.TempDir(), "audit")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l := audittest.OpenWith(t, dir, audit.Options{Key: secret.New(text)})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	expectText(t, r.run(t, ExitDone, "verify", "--key", file+".pub", "--dir", dir), "0 of 0")
}
