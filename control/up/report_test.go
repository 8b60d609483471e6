package up

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func sampleReport(t *testing.T) (state, Report) {
	t.Helper()
	s := newState(t)
	login := Credentials{Username: "demo", Password: "p'w"}
	return s, Report{
		Version: reportVersion, PID: 1,
		Addresses:   map[string]string{"http": "http://127.0.0.1:8080", "https": "https://localhost:8443"},
		Credentials: &login,
		ConfigFile:  s.path("gatehouse.yaml"), StateDir: s.dir,
		Processes: map[string]int{"envoy": 2},
		Commands:  demoCommands(s, DefaultPorts(), login),
	}
}

func TestTheReportIsReadableByItsOwnerOnly(t *testing.T) {
	s, report := sampleReport(t)
	path := s.path("up.json")
	for range 2 { // written anew while the pack runs
		if err := report.write(path); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"version", "pid", "addresses", "credentials", "config_file", "state_dir", "processes", "commands"} {
		if got[key] == nil {
			t.Errorf("no %s", key)
		}
	}
}

func TestThePanelShowsWhatToTry(t *testing.T) {
	_, report := sampleReport(t)
	var out bytes.Buffer
	if err := report.panel(&out, "gatehouse audit tail"); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"http://127.0.0.1:8080", "https://localhost:8443", "sign in as demo", "  6. ", "gatehouse audit tail", "Ctrl-C"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the panel lacks %q:\n%s", part, &out)
		}
	}
}

func TestThereAreSixCommandsAndEachSaysWhatItShows(t *testing.T) {
	_, report := sampleReport(t)
	if len(report.Commands) != 6 {
		t.Fatalf("%d commands", len(report.Commands))
	}
	for i, try := range report.Commands {
		if !strings.HasPrefix(try.Run, "curl ") || try.Shows == "" || strings.Contains(try.Run, "\n") {
			t.Errorf("%d: %+v", i+1, try)
		}
	}
	if !strings.Contains(report.Commands[4].Run, `p'\''w`) {
		t.Errorf("the password is not quoted for a shell: %s", report.Commands[4].Run)
	}
}

func TestShellQuoteLeavesPlainWordsAlone(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "''",
		".gatehouse/ca.pem":   ".gatehouse/ca.pem",
		"/a b/c":              "'/a b/c'",
		"it's":                `'it'\''s'`,
		`{"a":"b"}`:           `'{"a":"b"}'`,
		"$HOME":               "'$HOME'",
		"file=@a/report.pdf":  "file=@a/report.pdf",
		"-":                   "-",
		"ä":                   "'ä'",
		"a;b":                 "'a;b'",
		"https://localhost:1": "https://localhost:1",
	} {
		if got := shellQuote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
