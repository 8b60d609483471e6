package headers

import (
	"strings"
	"testing"
)

// The examples are of RFC 9651, sections 3.1.1 to 3.3.8 and 4.2.2.
func TestADictionaryIsWhatBrowsersTakeForOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, "  ": true, "a": true, "a=1": true, "a=1, b=2": true, "a=1 ,\tb=2": true, "*a=*": true, "a;b;c=d": true, "a=?1;b": true,
		`en="Applepie", da=:w4ZibGV0w6ZydGU=:`: true, "a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid": true, "rating=1.5, feelings=(joy sadness)": true,
		"a=()": true, "a=( b )": true, `a=("x;y" z;q=1);r`: true, "a=-12.3": true, "a=@1659578233": true, `a=%"f%c3%bc"`: true, `a="\"\\"`: true,
		"a=https://a.example/x": true, "a=1,a=2": true,

		",": false, "a,": false, "a=1,, b": false, "A=1": false, "1=a": false, "a=": false, "a=(": false, "a=(b": false, "a=(b c": false, "a=(b,c)": false,
		"a=((b))": false, `a=(b"c")`: false, `a="x`: false, `a="\x"`: false, "a=\"\x01\"": false, "a b": false, "a=?2": false, "a=:x": false, "a=:*:": false,
		"a='none'": false, "a=1.": false, "a=-": false, "a;B=1": false, "a;=1": false, "a=%x": false, "a=(b)c": false, "a=\x80": false, `a="é"`: false,
	} {
		if got := isDictionary(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzADictionaryIsReadToItsEnd(f *testing.F) {
	f.Add(`a=(1 "b";c), d=:eA==:;e=?1, f`)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Trim(s, " ") != "" && isDictionary(s) && !isDictionary(s+", z=()") {
			t.Errorf("%q is a dictionary, and not with a further member", s)
		}
	})
}
