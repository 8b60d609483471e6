package clip

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzText(f *testing.F) {
	f.Add("\u00e4", 1)
	f.Add("\xff\xff\xff", 1)
	f.Add("a\u00e4\U0001f511", 5)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 {
			return
		}
		got := Text(s, n)
		if len(got) > n || !strings.HasPrefix(s, got) || utf8.ValidString(s) && (!utf8.ValidString(got) || len(got) < min(n, len(s))-3) {
			t.Errorf("Text(%q, %d) = %q", s, n, got)
		}
	})
}
