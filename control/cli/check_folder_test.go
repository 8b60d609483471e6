package cli

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// badConfigurations is the folder whose every file must be refused.
const badConfigurations = "../policy/testdata/bad"

var whereAndWhat = regexp.MustCompile(`^[^:]+:[0-9]+:[0-9]+: (.+)$`)

func TestCheckRefusesEachOfAFolderOfBadConfigurationsWithItsOwnMessage(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(badConfigurations, "*.yaml.in"))
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, want 60: %v", len(files), err)
	}
	said := map[string]string{}
	cors := 0
	for _, file := range files {
		name := filepath.Base(file)
		r := run(t, nil, "check", file)
		if r.code != ExitWrong || r.stdout != "" {
			t.Errorf("%s: exit %d, printed %q", name, r.code, r.stdout)
		}
		if name == "only_a_comment.yaml.in" {
			continue // it is empty in the same way as empty.yaml.in
		}
		if text := messages(t, name, r.stderr); said[text] != "" {
			t.Errorf("%s is told the same as %s:\n%s", name, said[text], text)
		} else {
			said[text] = name
		}
		if strings.HasPrefix(name, "cors_") {
			cors++
		}
	}
	if cors < 30 {
		t.Errorf("%d files about CORS, want 30", cors)
	}
}

// messages is what was said without the places; every line must have one.
func messages(t *testing.T, name, stderr string) string {
	t.Helper()
	var out []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "warning:") || strings.HasSuffix(line, " mistake") || strings.HasSuffix(line, " mistakes") {
			continue
		}
		parts := whereAndWhat.FindStringSubmatch(line)
		if parts == nil {
			t.Errorf("%s: a line without a place: %q", name, line)
			continue
		}
		out = append(out, parts[1])
	}
	if len(out) == 0 {
		t.Errorf("%s: nothing was said", name)
	}
	return strings.Join(out, "\n")
}

func TestCheckAcceptsTheGoodOnes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../policy/testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		if r := run(t, nil, "check", file); r.code != ExitDone {
			t.Errorf("%s: exit %d: %s", file, r.code, r.stderr)
		}
	}
}
