package upload

import (
	"strings"
	"testing"
	"testing/iotest"
)

func TestAJSONFileIsReadByItsGrammar(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"json"}})
	for text, want := range map[string]bool{
		"1": true, "0": true, "-0.5e+10": true, "1E3": true, "null": true, "true": true, "false": true, `""`: true, `"\u00e9\n\"\/"`: true, "[]": true, "{}": true,
		` {"a": [1, 2, {"b": null}], "c": ""} ` + "\n": true, "\ufeff{}": true, "\xff\xfe[\x001\x00]\x00": true, "\xfe\xff\x00[\x00]": true,
		"{\"a\":1}\n{\"a\":2}\n": true, "1\r\n2": true, `{"a":1,"a":2}`: true, "[1,\n2]": true, strings.Repeat("[", 900) + strings.Repeat("]", 900): true,
		`{"a":}`: false, "[1,]": false, `{"a":1,}`: false, "{'a':1}": false, "{a:1}": false, `{"a":1}x`: false, `{"a":1}{"b":2}`: false, "1 2": false, "[1 2]": false,
		`{"a" 1}`: false, "nul": false, "tru": false, "nullx": false, "[NaN]": false, "01": false, "-": false, "1.": false, "1e": false, "1e+": false, ".5": false, "+1": false, "1.2.3": false,
		"[\"\n\"]": false, `["\x"]`: false, `["\u12g4"]`: false, `"abc`: false, `"abc\`: false, "[": false, "]": false, "[}": false, "{]": false, `{"a"`: false, `{"a":`: false, `{,}`: false, "[,]": false,
		"// c\n{}": false, "{} // c": false, `{"a":undefined}`: false, "\n": false, " ": false,
	} {
		if got := sniffText(t, p, text, "a.json", "application/json"); got != want {
			t.Errorf("%.40q: accepted is %v", text, got)
		}
	}
}

// sniffText judges a text in one piece and byte by byte.
func sniffText(t *testing.T, p *Policy, text, name, media string) bool {
	t.Helper()
	whole, err := p.Sniff(strings.NewReader(text), name, media)
	if err != nil {
		t.Fatal(err)
	}
	bytewise, err := p.Sniff(iotest.OneByteReader(strings.NewReader(text)), name, media)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Accepted != bytewise.Accepted {
		t.Errorf("%.40q: the verdict depends on the chunks", text)
	}
	return whole.Accepted
}
