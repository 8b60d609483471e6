package upload

import (
	"os"
	"strings"
	"testing"
)

const rulesPage = "../../docs/upload_rules.md"

func TestThePageOfRulesListsEachAsTheCodeHasIt(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(rulesPage)
	must(t, err)
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		seen[r.ID] = true
		if line := "| " + r.ID + " | `" + r.Family + "` | " + r.Means + " |"; !strings.Contains(string(page), line+"\n") {
			t.Errorf("%s lacks the line\n%s", rulesPage, line)
		}
	}
	if got := strings.Count(string(page), "\n| GH-"); got != len(seen) {
		t.Errorf("%d rules on the page, %d in the code", got, len(seen))
	}
}

func TestARefusalOfAFamilyHasAnIdentifier(t *testing.T) {
	t.Parallel()
	for _, family := range []string{RuleMalformed, RuleMismatch, RulePolyglot, RuleTruncated, RuleName, RuleArchive, RulePDF, RuleOffice, RulePixels} {
		if id := unsafe(family, "x").ID(); !strings.HasPrefix(id, "GH-") {
			t.Errorf("%s: %q", family, id)
		}
	}
	if got := refuse("GH-PDF-003", "x"); got.Rule != RulePDF || got.ID() != "GH-PDF-003" || got.Problem.Status() != 422 {
		t.Errorf("got %+v", got)
	}
}
