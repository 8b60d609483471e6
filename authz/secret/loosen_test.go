package secret

import (
	"strings"
	"testing"
)

func TestTheWordsOfATextStandOnTheirOwn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"/files/abc123def456/x":        {"abc123def456"},
		"report-abc123def456.pdf":      {"report-abc123def456"},
		"abc123def456.tar.gz":          {"abc123def456"},
		"we got abc123def456.":         {"abc123def456"},
		"a.b.c.abc123.def456.longer12": {"a.b.c.abc123.def456.longer12"},
		"?t=abc123def456&u=v":          {"t=abc123def456", "u=v"},
		"first abc123def456\n(second)": {"abc123def456", "second"},
	} {
		looked := lookAt(text)
		if !strings.HasPrefix(looked, text+"\n") {
			t.Errorf("%q is not looked at as it is: %q", text, looked)
			continue
		}
		words := strings.Fields(looked[len(text):])
		for _, word := range want {
			found := false
			for _, w := range words {
				found = found || w == word
			}
			if !found {
				t.Errorf("%q: %q is not among %q", text, word, words)
			}
		}
		if a, b := strings.Count(loosened(text), "\n"), strings.Count(text, "\n")+1; a != b {
			t.Errorf("%q: %d lines instead of %d", text, a, b)
		}
	}
	if got := lookAt("an ordinary sentence."); got != "an ordinary sentence." {
		t.Errorf("%q", got)
	}
}

func FuzzALoosenedWordIsInTheText(f *testing.F) {
	f.Add("/files/abc123def456/x.pdf")
	f.Fuzz(func(t *testing.T, text string) {
		for _, word := range strings.Fields(loosened(text)) {
			if !strings.Contains(text, word) {
				t.Errorf("%q is not in %q", word, text)
			}
		}
	})
}
