package upload

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestNamesThatLookHarmless(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]string{
		"e\u0301.pdf": "decomposed", "\u212b.pdf": "a sign that is a letter", "\u1112\u1161\u11ab.pdf": "Hangul in pieces", "a\u0315\u0300.pdf": "marks in the wrong order",
		"\u0958.pdf": "excluded from composition", "a\uff0epdf": "a wide dot", "a\u0701pdf": "a Syriac dot", "a\u29f8b.pdf": "a big slash", "a\u2216b.pdf": "a set's backslash",
		"a\u00ad.pdf": "a soft hyphen", "a\u3164.pdf": "a Hangul filler", "a\U000e0041.pdf": "a tag", "a\ufffe.pdf": "no character", "a.pdf\u00a0": "a space at the end",
		"\u3000a.pdf": "a wide space at the beginning", "a.pdf\u2800": "a blank of Braille", "clock$": "a device of DOS", "CONIN$.pdf": "a console", "a%252e.pdf": "percent twice",
		"com\u00b9.pdf": "a device in superscript", "a.phtml.jpg": "PHP by another name",
	} {
		if judgeName(name) == nil {
			t.Errorf("%q passes: %s", name, what)
		}
	}
	for _, name := range []string{"\u00e9.pdf", "한국어.pdf", "हिन्दी.pdf", "❤\ufe0f.pdf", "100%.pdf", "a%20b.pdf", "Tom & Jerry's.pdf", "a+b=c.pdf", "ﬁle.pdf"} {
		if r := judgeName(name); r != nil {
			t.Errorf("%q: %s", name, r.Reason)
		}
	}
}

func TestHarmfulNamesBecomeHarmless(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"../../etc/a.pdf": "a.pdf", `C:\fakepath\photo.pdf`: "photo.pdf", "/a.pdf": "a.pdf", "a.pdf. . ": "a.pdf", " \u00a0a.pdf": "a.pdf", "e\u0301.pdf": "\u00e9.pdf",
		"a\u202efdp.pdf": "afdp.pdf", "a\u200b.pdf": "a.pdf", "CON.pdf": "_ON.pdf", "COM\u00b9.pdf": "_OM\u00b9.pdf", "x.php.pdf": "x_php.pdf", "v1.php.2.pdf": "v1_php_2.pdf",
		"a:b*c?.pdf": "a_b_c_.pdf", "%2e%2e%2fa.pdf": "_2e_2e_2fa.pdf", "a\u2024pdf": "a_pdf", "\xff.pdf": "_.pdf", "..": "_", "": "_", "\u200b": "_",
		"a\x07.pdf": "a.pdf", strings.Repeat("a", 300) + ".pdf": strings.Repeat("a", 251) + ".pdf",
		strings.Repeat("é", 200) + ".pdf": strings.Repeat("é", 125) + ".pdf", "a%252e.pdf": "a_252e.pdf", "nul": "_ul",
	} {
		got := harmlessName(name)
		if got != want || judgeName(got) != nil && got != "_" {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// rewritten sends a body in pieces and gives what the upstream gets, as a host
// would that lets go what it need not hold.
func rewritten(t testing.TB, p *Policy, body string, n int) (out, rule string) {
	t.Helper()
	i, refusal := p.Inspect(multipartRequest())
	if refusal != nil {
		return "", refusal.Rule
	}
	sent := []byte(body)
	left := 0 // what the host has let go
	for at := 0; at < len(body); at += n {
		end := min(at+n, len(body))
		hold, refusal := i.Write([]byte(body[at:end]))
		if refusal != nil {
			return "", refusal.Rule
		}
		for _, e := range i.Edits() {
			if int(e.At) < left || int(e.At)+len(e.Bytes) > end {
				t.Fatalf("an edit at %d, %d have left, %d are there", e.At, left, end)
			}
			copy(sent[e.At:], e.Bytes)
		}
		if !hold {
			left = end
		}
	}
	if refusal := i.Close(); refusal != nil {
		return "", refusal.Rule
	}
	return string(sent), ""
}

func disposition(params, content string) string {
	return "X-First: 1\r\nContent-Disposition: form-data; name=\"file\"; " + params + "\r\nContent-Type: application/pdf\r\n\r\n" + content
}

func TestANameIsRewrittenInTheStream(t *testing.T) {
	t.Parallel()
	pdf := samplePDF("") + strings.Repeat(" ", 5000)
	tests := []struct{ name, params, want, rule string }{
		{"a harmless one stays", `filename="a b.pdf"`, "a b.pdf", ""},
		{"a path", `filename="../../etc/a.pdf"`, "a.pdf", ""},
		{"a device", `filename="CON.pdf"`, "_ON.pdf", ""},
		{"a decomposed one", "filename=\"e\u0301.pdf\"", "\u00e9.pdf", ""},
		{"one in both forms", "filename=\"../e\u0301.pdf\"; filename*=UTF-8''..%2Fe%CC%81.pdf", "\u00e9.pdf", ""},
		{"both forms the other way round", "filename*=UTF-8''..%2Fa.pdf; filename=\"../a.pdf\"", "a.pdf", ""},
		{"the extended form alone", "filename*=UTF-8''..%2F%20a.pdf", "", RuleMalformed},
		{"without quotes", "filename=CON.pdf", "_ON.pdf", ""},
		{"an over-long one", `filename="` + strings.Repeat("a", 400) + `.pdf"`, strings.Repeat("a", 251) + ".pdf", ""},
		{"a program behind a dot", `filename="x.php.pdf"`, "x_php.pdf", ""},
		{"one that hides its extension", `filename="a.pdf:evil.exe"`, "", RuleMismatch},
		{"one whose type lies", `filename="../a.png"`, "", RuleMismatch},
		{"one without quotes that would need some", "filename=\xff.pdf", "", RuleMalformed},
		{"one that would be longer", "filename=\"\u0958\u0958.pdf\"", "", RuleName},
	}
	p := policyOf(t, Config{Names: NamesRewrite})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := formBody(disposition(`filename="first.pdf"`, pdf), disposition(tt.params, pdf), "Content-Disposition: form-data; name=a\r\n\r\nvalue")
			for _, n := range []int{1 << 20, 4096, 100, 7} {
				out, rule := rewritten(t, p, body, n)
				if rule != tt.rule {
					t.Fatalf("in pieces of %d: %q, want %q", n, rule, tt.rule)
				}
				if rule == "" {
					expectNames(t, out, len(body), pdf, "first.pdf", tt.want)
				}
			}
		})
	}
}

// expectNames: the form is as long as it was, and Go's reader finds the names.
func expectNames(t *testing.T, form string, length int, content string, names ...string) {
	t.Helper()
	if len(form) != length {
		t.Fatalf("%d bytes, sent were %d", len(form), length)
	}
	r := multipart.NewReader(strings.NewReader(form), testBoundary)
	for _, want := range names {
		part, err := r.NextRawPart()
		must(t, err)
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		must(t, err)
		got, err := io.ReadAll(part)
		must(t, err)
		if params["filename"] != want || params["name"] != "file" || !bytes.Equal(got, []byte(content)) || part.Header.Get("X-First") != "1" {
			t.Errorf("%q: %q with %d bytes, want %q", part.Header, params["filename"], len(got), want)
		}
	}
}

func TestWhereANameCannotBeRewrittenItIsRefused(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Names: NamesRewrite, JSONFields: []JSONField{{Path: "a"}}})
	bad := formBody(filePart("../a.pdf", "application/pdf", samplePDF("")))
	gzipped := multipartRequest()
	gzipped.ContentEncoding = "gzip"
	kept := multipartRequest()
	kept.KeepNames = true
	for name, tt := range map[string]struct {
		r    Request
		body string
	}{
		"in a form under a coding":       {gzipped, zipped(t, bad)},
		"where the caller edits nothing": {kept, bad},
		"in a header":                    {Request{ContentType: "application/pdf", ContentLength: -1, ContentDisposition: `attachment; filename="../a.pdf"`}, samplePDF("")},
		"in a data: URL":                 {Request{ContentType: "application/json", ContentLength: -1}, `{"a":"data:application/pdf;name=..%2fa.pdf;base64,` + in64(samplePDF("")) + `"}`},
	} {
		if rule, _ := inspect(t, p, tt.r, tt.body, 50); rule != RuleName {
			t.Errorf("%s: %q", name, rule)
		}
	}
}

// FuzzNames: what harmlessName gives is harmless, and harmless names stay.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a.pdf", "../a.pdf", "e\u0301.pdf", "CON", "a.php.pdf", "\u0958\u0958", "%2e", "a\u202e", "\xff\xfe", ". .", "a. "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		safe := harmlessName(name)
		if r := judgeName(safe); r != nil {
			t.Fatalf("%q becomes %q: %s", name, safe, r.Reason)
		}
		if judgeName(name) == nil && safe != name {
			t.Fatalf("%q is harmless and becomes %q", name, safe)
		}
		if !norm.NFC.IsNormalString(safe) {
			t.Fatalf("%q is not normal", safe)
		}
	})
}
