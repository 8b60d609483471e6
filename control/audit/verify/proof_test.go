package verify_test

import (
	"strings"
	"testing"

	"gatehouse/control/audit"
	"gatehouse/control/audit/verify"
)

func TestAProofIsForOneEntryAtOnePlaceOfOneTree(t *testing.T) {
	t.Parallel()
	dir := theMaster(t).log
	p, err := audit.ProveLeaf(t.Context(), dir, 65_540)
	if err != nil {
		t.Fatal(err)
	}
	text := p.Text()
	proven, err := verify.Inclusion([]byte(text), key(t))
	if err != nil || proven.Index != 65_540 || proven.Event.ID != "e065540" || proven.Head.Size != size {
		t.Fatalf("%+v %v", proven, err)
	}
	lines := strings.Split(text, "\n")
	line := func(n int, with string) string {
		changed := append([]string{}, lines...)
		changed[n] = with
		return strings.Join(changed, "\n")
	}
	for name, c := range map[string]struct{ text, says string }{
		"nothing":                 {"", "does not begin with"},
		"another version":         {line(0, "c2sp.org/tlog-proof@v2"), "does not begin with"},
		"another entry":           {line(1, "extra e30="), "is not the one at index 65540"},
		"no entry":                {line(1, "index 3"), "second line"},
		"an entry not in base64":  {line(1, "extra {}"), "base64"},
		"another index":           {line(2, "index 65541"), "is not the one at index 65541"},
		"an index behind all":     {line(2, "index 70000"), "not among the 70000"},
		"a negative index":        {line(2, "index -1"), "no index"},
		"an index with zeros":     {line(2, "index 065540"), "no index"},
		"a missing hash":          {strings.Join(append(append([]string{}, lines[:3]...), lines[4:]...), "\n"), "is not the one at"},
		"what is no hash":         {line(3, "hash"), "no hash"},
		"hashes in another order": {strings.Replace(text, lines[3]+"\n"+lines[4], lines[4]+"\n"+lines[3], 1), "is not the one at"},
		"an unsigned checkpoint":  {text[:strings.LastIndex(text, "\n—")+1], "no signed note"},
		"a checkpoint of others":  {strings.Replace(text, "\n70000\n", "\n70001\n", 1), "signature"},
		"an endless one":          {strings.Repeat("x", 2<<20), "larger than"},
	} {
		if _, err := verify.Inclusion([]byte(c.text), key(t)); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func FuzzProofsDoNotPassByChance(f *testing.F) {
	f.Add("c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\nx\n1\nAAAA\n\n— x AAAA\n")
	f.Add("c2sp.org/tlog-proof@v1\nindex 0\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := verify.Inclusion([]byte(text), key(t)); err == nil {
			t.Errorf("%q has passed", text)
		}
	})
}
