package secret

import (
	"strings"
	"testing"
)

func TestPercentEncodingIsUndoneAsFarAsItIsOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/a/b": "/a/b", "%41%2f%2Fx": "A//x", "100%": "100%", "%4": "%4", "%zz%41": "%zzA", "%25": "%", "%ff": "\ufffd", "": "",
	} {
		if got, ok := unescaped(text); got != want || ok != (got != text) {
			t.Errorf("%q: %q %v", text, got, ok)
		}
	}
}

func TestASecretInAnEncodedPathIsHidden(t *testing.T) {
	t.Parallel()
	encode := func(text string) string {
		var b strings.Builder
		for i := range len(text) {
			const digits = "0123456789ABCDEF"
			b.WriteString("%" + string(digits[text[i]>>4]) + string(digits[text[i]&15]))
		}
		return b.String()
	}
	for _, text := range []string{"/x/" + encode(phc), "/x/" + encode("password="+plain), "/" + encode(token), "/" + encode(pemKey) + "/x"} {
		if got := Scrub(text); !strings.Contains(got, Redacted) || showsSecret(got) || strings.Contains(got, "MHcCAQEEI") {
			t.Errorf("%q", got)
		}
	}
	g := NewGuard(findsMark(rare), nil)
	if got := g.Clean("here", "/x/"+encode(rare)+"/y"); got != "/x/[redacted:mark]/y" {
		t.Errorf("%q", got)
	}
	if got := Scrub("/a%20b/c%2Fd"); got != "/a%20b/c%2Fd" {
		t.Errorf("an innocent path became %q", got)
	}
}
