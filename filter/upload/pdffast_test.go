package upload

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// pdfTold is all that names have told, once a text is over.
func pdfTold(t *testing.T, text string, piece int) (seen pdfSeen, rules pdfRules, refused string) {
	t.Helper()
	rules = pdfRules{policy: PDF{URI: "click", GoToRemote: "click"}}
	names := newPDFNames(&rules)
	for rest := []byte(text); len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		if r := names.write(slices.Clone(rest[:min(piece, len(rest))])); r != nil {
			return names.seen, rules, r.ID()
		}
	}
	if r := names.end(); r != nil {
		return names.seen, rules, r.ID()
	}
	if r := rules.end(); r != nil {
		return names.seen, rules, r.ID()
	}
	return names.seen, rules, ""
}

func sameObjects(a, b *pdfObjects) bool { return a == b || a != nil && b != nil && *a == *b }

func TestNamesThatArePassedOverTellNothing(t *testing.T) {
	t.Parallel()
	parts := []string{"/", " ", "\n", "<<", ">>", "(", ")", "[", "#53", "#", "/#4a#53", "/J#61vaScript", "/Su#62mitForm", "1 0 R", "7", "/Type", "/Pages", "/Co", "x", "%",
		strings.Repeat("q", 70), strings.Repeat("/Q ", 30), "/S/URI", "/S/GoToR", "/S /X/URI", "/S\n/Q/URI", "/OpenAction 7 0 R", "/AA<</O<</S/URI>>>>"}
	for _, name := range pdfWatched {
		parts = append(parts, "/"+name, name)
	}
	r := rand.New(rand.NewPCG(21, 22))
	for range 6000 {
		var text strings.Builder
		for range 1 + r.IntN(25) {
			part := parts[r.IntN(len(parts))]
			if strings.HasPrefix(part, "/JavaScript") && r.IntN(4) > 0 {
				part = "/Font" // or little would be read behind it
			}
			text.WriteString(part)
		}
		// Byte by byte every name is read, because nothing is seen of what follows.
		seen, rules, refused := pdfTold(t, text.String(), 1)
		for _, piece := range []int{3, 17, text.Len()} {
			gotSeen, gotRules, got := pdfTold(t, text.String(), piece)
			if got != refused || refused == "" && (gotSeen != seen || !sameObjects(gotRules.opened, rules.opened) || !sameObjects(gotRules.remote, rules.remote)) {
				t.Fatalf("%q in pieces of %d: %q %+v, byte by byte %q %+v", text.String(), piece, got, gotSeen, refused, seen)
			}
		}
	}
}

func TestFiltersAreToldHoweverTheTextIsCut(t *testing.T) {
	t.Parallel()
	for _, name := range pdfWatched {
		f := filterNamed([]byte(name))
		if f == filterNone {
			continue
		}
		for _, text := range []string{"<</Q/" + name + " /X>>", "/" + name, "/A /B\n/" + name + "/Q"} {
			for piece := 1; piece <= len(text); piece++ {
				if seen, _, _ := pdfTold(t, text, piece); seen.params.filters[0] != f {
					t.Errorf("%q in pieces of %d: %v", text, piece, seen.params.filters)
				}
			}
		}
	}
}
