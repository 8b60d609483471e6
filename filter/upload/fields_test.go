package upload

import (
	"strings"
	"testing"
)

func TestAFieldMayHoldWhatItsOwnRuleSays(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"pdf", "png"}, MaxFileSize: 10_000, Fields: []Field{
		{Name: "avatar", Allow: []string{"png"}, MaxFileSize: 200}, {Name: "notes", Allow: []string{"txt"}}, {Name: "small", MaxFileSize: 50},
	}})
	in := func(field, name, declared, content string) string {
		return formBody(strings.Replace(filePart(name, declared, content), `name="file"`, `name="`+field+`"`, 1))
	}
	tests := []struct{ name, body, rule string }{
		{"a PDF where nothing else is said", in("file", "a.pdf", "application/pdf", samplePDF("")), ""},
		{"a PDF as an avatar", in("avatar", "a.pdf", "application/pdf", samplePDF("")), RuleNotAllowed},
		{"a PNG as an avatar", in("avatar", "a.png", "image/png", samplePNG(t)), ""},
		{"an avatar too large", in("avatar", "a.png", "image/png", samplePNG(t)+strings.Repeat("x", 200)), RuleFileSize},
		{"a text as notes", in("notes", "a.txt", "text/plain", "hello"), ""},
		{"a text where nothing else is said", in("file", "a.txt", "text/plain", "hello"), RuleNotAllowed},
		{"the policy's types in a field of its own size", in("small", "a.pdf", "application/pdf", samplePDF("")), RuleFileSize},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if rule, _ := inspect(t, p, multipartRequest(), tt.body, 100); rule != tt.rule {
				t.Errorf("got %q, want %q", rule, tt.rule)
			}
		})
	}
	for name, f := range map[string]Field{"no name": {}, "an unknown type": {Name: "a", Allow: []string{"pfd"}}, "a size no request has": {Name: "a", MaxFileSize: 1 << 40}} {
		if _, err := Compile(Config{Allow: []string{"pdf"}, Fields: []Field{f}}); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// What a rule says of photos holds for whatever a server makes photos of.
func TestARuleOfAFieldHoldsForWhatServersTakeForItsName(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"pdf", "png"}, Fields: []Field{{Name: "photo_one", Allow: []string{"png"}}, {Name: "scan_", Allow: []string{"png"}}}})
	for field, rule := range map[string]string{
		"photo_one": RuleNotAllowed, "photo_one[]": RuleNotAllowed, "photo_one[3][x]": RuleNotAllowed, " photo_one": RuleMalformed,
		"photo.one": RuleMalformed, "photo one": RuleMalformed, "photo_one ": RuleMalformed, "scan ": RuleMalformed, "Photo_One": RuleMalformed, "PHOTO.ONE[0]": RuleMalformed, "photo[one": RuleMalformed, "photo.one[]": RuleMalformed, "photo": "", "photo_oneX": "", "photo-one": "",
	} {
		body := formBody(strings.Replace(filePart("a.pdf", "application/pdf", samplePDF("")), `name="file"`, `name="`+field+`"`, 1))
		if got, _ := inspect(t, p, multipartRequest(), body, 100); got != rule {
			t.Errorf("%q: %q, want %q", field, got, rule)
		}
	}
}

func TestPixelsBeyondThePolicyAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []struct{ file, content string }{{"a.png", samplePNG(t)}, {"a.jpg", sampleJPEG(t)}, {"a.gif", sampleGIF(t)}} {
		for limit, want := range map[int64]string{1199: RulePixels, 1200: ""} { // 40 by 30
			got, err := policyOf(t, Config{MaxPixels: limit}).Sniff(strings.NewReader(s.content), s.file, "")
			must(t, err)
			if got.Rule != want {
				t.Errorf("%s with %d: %q, want %q", s.file, limit, got.Rule, want)
			}
		}
	}
}
