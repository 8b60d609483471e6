package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

var (
	namedTest = regexp.MustCompile("`(Test[A-Z]\\w+)`")
	declared  = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// testsIn are the names of all tests under a folder of the repository.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(pack.Root(t), folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "." {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	there, named := testsIn(t, "."), 0
	for _, file := range documents(t) {
		for _, m := range namedTest.FindAllStringSubmatch(read(t, file), -1) {
			named++
			if !there[m[1]] {
				t.Errorf("%s names %s, which there is not", filepath.Base(file), m[1])
			}
		}
	}
	if named == 0 {
		t.Error("no document names a test")
	}
}

func TestTheComplianceListNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	root := pack.Root(t)
	for line := range strings.Lines(read(t, filepath.Join(root, ".ci", "compliance-tests.txt"))) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, "|", 3)
		if len(fields) != 3 {
			t.Errorf("%q has not three columns", line)
			continue
		}
		folder, names := strings.TrimSpace(fields[1]), strings.TrimSpace(fields[2])
		if names == "." {
			continue // the script itself wants at least one to run
		}
		there := testsIn(t, folder)
		for name := range strings.SplitSeq(names, "|") {
			if !there[name] {
				t.Errorf("%s has no %s", folder, name)
			}
		}
	}
}

func TestTheComplianceScriptProvesNothingByRunningNothing(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(filepath.Join(pack.Root(t), ".ci", "compliance-test"), "no line has these words").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "0 proved") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestTheChecklistHasEveryLineOfTheAudit compares it with the lists that
// gatehouse posture prints, which have the audit's words.
func TestTheChecklistHasEveryLineOfTheAudit(t *testing.T) {
	t.Parallel()
	checklist := read(t, filepath.Join(pack.Root(t), "docs", "compliance_checklist.md"))
	for _, line := range []string{
		"Consent management with audit trail", "Data subject access rights (Article 15)", "Right to rectification (Article 16)",
		"Right to erasure (Article 17)", "Right to data portability (Article 20)", "Data processing audit logs", "Breach notification procedures",
		"Content-Security-Policy configured", "X-Frame-Options: DENY", "X-Content-Type-Options: nosniff",
		"Strict-Transport-Security (HTTPS only)", "Referrer-Policy configured",
		"All security tests pass", "No hardcoded secrets detected", "Error messages don't leak sensitive information",
		"Rate limiting tested under load", "Authentication flows validated", "GDPR compliance verified (if applicable)",
		"Security headers configured correctly", "Monitoring and alerting in place",
	} {
		if !strings.Contains(checklist, "| "+line+" | ") {
			t.Errorf("docs/compliance_checklist.md lacks the line %q", line)
		}
	}
}

func TestMakeCheckRunsWhatTheAuditDemands(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("make", "-C", pack.Root(t), "--dry-run", "check").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"bin/gosec -quiet", "bin/gitleaks git", "bin/golangci-lint run", "bin/depcheck .", "security scan: clean", "dependency check: clean"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("make check does not do %q", want)
		}
	}
}

func TestThePullRequestTemplateHasTheAuditsParts(t *testing.T) {
	t.Parallel()
	template := read(t, filepath.Join(pack.Root(t), ".github", "pull_request_template.md"))
	for _, want := range []string{
		"[SECURITY] <Finding ID>: <Brief Description>",
		"## Security Impact Assessment", "## Testing Evidence", "## Compliance Notes", "## Rollback Plan", "## Security Review",
		"- [ ] All security tests pass", "- [ ] No hardcoded secrets detected", "- [ ] Error messages don't leak sensitive information",
		"- [ ] Rate limiting tested under load", "- [ ] Authentication flows validated", "- [ ] GDPR compliance verified (if applicable)",
		"- [ ] Security headers configured correctly", "- [ ] Monitoring and alerting in place",
	} {
		if !strings.Contains(template, want) {
			t.Errorf("it lacks %q", want)
		}
	}
}

// TestTheHooksRunTheSameTargets: whichever of the two a person takes.
func TestTheHooksRunTheSameTargets(t *testing.T) {
	t.Parallel()
	root := pack.Root(t)
	hook, config := read(t, filepath.Join(root, ".githooks", "pre-commit")), read(t, filepath.Join(root, ".pre-commit-config.yaml"))
	makefile := read(t, filepath.Join(root, "Makefile"))
	for _, target := range regexp.MustCompile(`(?:entry: make|--no-print-directory) ([a-z-]+)`).FindAllStringSubmatch(hook+config, -1) {
		if !strings.Contains(makefile, "\n"+target[1]+":") {
			t.Errorf("make %s: there is no such target", target[1])
		}
	}
	for _, want := range []string{"gitleaks-staged", "fmt"} {
		if !strings.Contains(hook, want) || !strings.Contains(config, "make "+want) {
			t.Errorf("one of the hooks does not run %s", want)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
