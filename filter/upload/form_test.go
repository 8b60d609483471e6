package upload

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

// pieceReader gives n bytes at a time.
type pieceReader struct {
	rest []byte
	n    int
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(r.n, len(p))], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

const testBoundary = "XyZ"

func formBody(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--" + testBoundary + "\r\n" + p + "\r\n")
	}
	return b.String() + "--" + testBoundary + "--\r\n"
}

func filePart(name, declared, content string) string {
	return `Content-Disposition: form-data; name="file"; filename="` + name + "\"\r\nContent-Type: " + declared + "\r\n\r\n" + content
}

// inspect sends a body in pieces of n bytes and returns the refusal's rule.
func inspect(t testing.TB, p *Policy, r Request, body string, n int) (rule string, files int) {
	t.Helper()
	i, refusal := p.Inspect(r)
	if refusal != nil {
		return refusal.Rule, 0
	}
	for at := 0; at < len(body); at += n {
		if _, refusal := i.Write([]byte(body[at:min(at+n, len(body))])); refusal != nil {
			return refusal.Rule, len(i.Files())
		}
	}
	if refusal := i.Close(); refusal != nil {
		return refusal.Rule, len(i.Files())
	}
	return "", len(i.Files())
}

func multipartRequest() Request {
	return Request{Method: "POST", Path: "/upload", ContentType: "multipart/form-data; boundary=" + testBoundary, ContentLength: -1}
}

func TestForms(t *testing.T) {
	pdf := filePart("a.pdf", "application/pdf", samplePDF(""))
	field := "Content-Disposition: form-data; name=\"a\"\r\n\r\nvalue"
	tests := []struct{ name, body, rule string }{
		{"a file", formBody(pdf), ""},
		{"a file and a field", formBody(field, pdf, field), ""},
		{"an empty field", formBody("Content-Disposition: form-data; name=a\r\n\r\n"), ""},
		{"no file chosen", formBody(filePart("", "application/octet-stream", "")), ""},
		{"no line end after the last boundary", strings.TrimSuffix(formBody(pdf), "\r\n"), ""},
		{"a UTF-8 name", formBody(filePart("ü.pdf", "application/pdf", samplePDF(""))), ""},
		{"an extended name that agrees", formBody("Content-Disposition: form-data; name=f; filename=\"a.pdf\"; filename*=UTF-8''a.pdf\r\n\r\n" + samplePDF("")), ""},
		{"a binary encoding", formBody("Content-Transfer-Encoding: binary\r\n" + pdf), ""},
		{"a field that says UTF-8", formBody("Content-Disposition: form-data; name=_charset_\r\n\r\nUTF-8", pdf), ""},
		{"a field that has no charset", formBody("Content-Disposition: form-data; name=_charset_\r\n\r\n", pdf), ""},
		{"spaces before the disposition", formBody(strings.Replace(pdf, "Content-Disposition: ", "Content-Disposition:      ", 1)), ""},
		{"an unknown header", formBody("X-Other: 1\r\n" + pdf), ""},

		{"nothing", "", RuleMalformed},
		{"a preamble", "hello\r\n" + formBody(pdf), RuleMalformed},
		{"an empty line first", "\r\n" + formBody(pdf), RuleMalformed},
		{"an epilogue", formBody(pdf) + "hello", RuleMalformed},
		{"two line ends at the end", formBody(pdf) + "\r\n", RuleMalformed},
		{"no last boundary", strings.TrimSuffix(formBody(pdf), "--"+testBoundary+"--\r\n"), RuleMalformed},
		{"half a last boundary", strings.TrimSuffix(formBody(pdf), "-\r\n"), RuleMalformed},
		{"half a line end at the end", strings.TrimSuffix(formBody(pdf), "\n"), RuleMalformed},
		{"white space after a boundary", strings.Replace(formBody(pdf), testBoundary+"\r\n", testBoundary+" \r\n", 1), RuleMalformed},
		{"more after a boundary", strings.Replace(formBody(pdf), testBoundary+"\r\n", testBoundary+"x\r\n", 1), RuleMalformed},
		{"a boundary after a bare line feed", formBody(filePart("a.txt", "text/plain", "x\n--"+testBoundary+"\r\n\r\nx")), RuleMalformed},
		{"a boundary in the middle of a line", formBody(filePart("a.txt", "text/plain", "x--"+testBoundary)), RuleMalformed},
		{"bare line feeds", strings.ReplaceAll(formBody(pdf), "\r\n", "\n"), RuleMalformed},
		{"no headers", formBody("\r\nx"), RuleMalformed},
		{"no name", formBody("Content-Disposition: form-data\r\n\r\nx"), RuleMalformed},
		{"no disposition", formBody("Content-Type: text/plain\r\n\r\nx"), RuleMalformed},
		{"another disposition", formBody("Content-Disposition: attachment; name=a\r\n\r\nx"), RuleMalformed},
		{"two dispositions", formBody("Content-Disposition: form-data; name=a\r\n" + pdf), RuleMalformed},
		{"two types", formBody("Content-Type: text/plain\r\n" + pdf), RuleMalformed},
		{"two file names", formBody("Content-Disposition: form-data; name=a; filename=a.pdf; filename=b.exe\r\n\r\nx"), RuleMalformed},
		{"two file names in two cases", formBody("Content-Disposition: form-data; name=a; filename=a.pdf; FILENAME=b.exe\r\n\r\nx"), RuleMalformed},
		{"an extended name that disagrees", formBody("Content-Disposition: form-data; name=a; filename=a.pdf; filename*=UTF-8''b.exe\r\n\r\nx"), RuleMalformed},
		{"an extended name in another charset", formBody("Content-Disposition: form-data; name=a; filename*=latin1''b.pdf\r\n\r\nx"), RuleMalformed},
		{"an extended name cut off", formBody("Content-Disposition: form-data; name=a; filename*=UTF-8''b%2\r\n\r\nx"), RuleMalformed},
		{"a backslash in quotes", formBody("Content-Disposition: form-data; name=a; filename=\"a\\\"b.pdf\"\r\n\r\nx"), RuleMalformed},
		{"no closing quote", formBody("Content-Disposition: form-data; name=a; filename=\"a.pdf\r\n\r\nx"), RuleMalformed},
		{"something after the quotes", formBody("Content-Disposition: form-data; name=a; filename=\"a.pdf\".exe\r\n\r\nx"), RuleMalformed},
		{"a folded header", formBody("Content-Disposition: form-data;\r\n name=a; filename=a.pdf\r\n\r\nx"), RuleMalformed},
		{"a space before the colon", formBody("Content-Disposition : form-data; name=a\r\n\r\nx"), RuleMalformed},
		{"a NUL in a header", formBody("Content-Disposition: form-data; name=a\x00\r\n\r\nx"), RuleMalformed},
		{"a bare carriage return in a header", formBody("Content-Disposition: form-data; name=a\rX: y\r\n\r\nx"), RuleMalformed},
		{"a nested multipart", formBody("Content-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nx"), RuleMalformed},
		{"base64", formBody("Content-Transfer-Encoding: base64\r\n" + pdf), RuleMalformed},
		{"too many headers", formBody(strings.Repeat("X-A: 1\r\n", 1) + manyHeaders(20) + pdf), RuleMalformed},
		{"headers too long", formBody("X-A: " + strings.Repeat("a", 9000) + "\r\n" + pdf), RuleMalformed},
		{"a lie in the second file", formBody(pdf, filePart("b.pdf", "application/pdf", sampleEXE())), RuleMismatch},
		{"a lie at the very end", formBody(filePart("a.pdf", "application/pdf", samplePDF("")+strings.Repeat(" ", 9000)), filePart("b.pdf", "application/pdf", "MZ\x00\x01")), RuleMismatch},
		{"a file without a name", formBody(filePart("", "application/pdf", samplePDF(""))), RuleName},
		{"a file by its type alone", formBody("Content-Disposition: form-data; name=a\r\nContent-Type: application/pdf\r\n\r\n" + sampleEXE()), RuleName},
		{"a file too large", formBody(filePart("a.txt", "text/plain", strings.Repeat("x", 20001))), RuleFileSize},
		{"a request too large", formBody(field, "Content-Disposition: form-data; name=a\r\n\r\n"+strings.Repeat("x", 40001)), RuleRequestSize},
		{"too many files", formBody(pdf, pdf, pdf, pdf), RuleTooManyFiles},
	}
	p := policyOf(t, Config{MaxFileSize: 20000, MaxRequestSize: 40000, MaxFiles: 3})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{1 << 20, 1000, 64, 3, 1} {
				if rule, _ := inspect(t, p, multipartRequest(), tt.body, n); rule != tt.rule {
					t.Errorf("in pieces of %d: %q, want %q", n, rule, tt.rule)
				}
			}
		})
	}
}

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("X-" + strings.Repeat("a", i+1) + ": 1\r\n")
	}
	return b.String()
}

func TestBodiesByTheirContentType(t *testing.T) {
	tests := []struct {
		name string
		r    Request
		body string
		rule string
	}{
		{"a raw PDF", Request{ContentType: "application/pdf"}, samplePDF(""), ""},
		{"a raw PDF with its name in the path", Request{ContentType: "application/pdf", Path: "/x/a.pdf?y"}, samplePDF(""), ""},
		{"a raw PDF named otherwise in the path", Request{ContentType: "application/pdf", Path: "/x/a.png"}, samplePDF(""), RuleMismatch},
		{"a raw PDF named otherwise in the disposition", Request{ContentType: "application/pdf", ContentDisposition: `attachment; filename="a.png"`}, samplePDF(""), RuleMismatch},
		{"a raw program as a PDF", Request{ContentType: "application/pdf"}, sampleEXE(), RuleMismatch},
		{"a raw program undeclared", Request{ContentType: "application/octet-stream"}, sampleEXE(), RuleNotAllowed},
		{"a raw text", Request{ContentType: "text/plain; charset=utf-8"}, "hello", ""},
		{"JSON", Request{ContentType: "application/json; charset=utf-8"}, ` {"a":1}`, ""},
		{"JSON by its suffix", Request{ContentType: "application/problem+json"}, `[1]`, ""},
		{"a program as JSON", Request{ContentType: "application/json"}, sampleEXE(), RuleBody},
		{"a PDF as JSON", Request{ContentType: "application/json"}, samplePDF(""), RuleBody},
		{"a form", Request{ContentType: "application/x-www-form-urlencoded"}, "a=1", ""},
		{"a program as a form", Request{ContentType: "application/x-www-form-urlencoded"}, sampleEXE(), RuleBody},
		{"gRPC", Request{ContentType: "application/grpc+proto"}, "\x00\x00\x00\x00\x01x", ""},
		{"no type", Request{}, "x", RuleUndeclared},
		{"white space for a type", Request{ContentType: " "}, "x", RuleUndeclared},
		{"a type that is malformed", Request{ContentType: "multipart/form-data; boundary"}, "x", RuleMalformed},
		{"no boundary", Request{ContentType: "multipart/form-data"}, "x", RuleMalformed},
		{"two boundaries", Request{ContentType: "multipart/form-data; boundary=a; boundary=b"}, "x", RuleMalformed},
		{"a boundary too long", Request{ContentType: "multipart/form-data; boundary=" + strings.Repeat("a", 71)}, "x", RuleMalformed},
		{"a boundary with bad characters", Request{ContentType: `multipart/form-data; boundary="a;b"`}, "x", RuleMalformed},
		{"another multipart", Request{ContentType: "multipart/related; boundary=a"}, "x", RuleMalformed},
		{"a coded body", Request{ContentType: "application/pdf", ContentEncoding: "br"}, "x", RuleEncoding},
		{"an identity coding", Request{ContentType: "application/pdf", ContentEncoding: "identity"}, samplePDF(""), ""},
		{"a stated size beyond the policy", Request{ContentType: "application/pdf", ContentLength: 1 << 40}, "", RuleRequestSize},
	}
	p := policyOf(t, Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.r.ContentLength == 0 {
				tt.r.ContentLength = -1
			}
			if rule, _ := inspect(t, p, tt.r, tt.body, 100); rule != tt.rule {
				t.Errorf("got %q, want %q", rule, tt.rule)
			}
		})
	}
}

func TestHoldUntilDecidedAndAtTheEnd(t *testing.T) {
	p := policyOf(t, Config{MaxFileSize: 1 << 20})
	body := samplePDF("") + strings.Repeat(" ", 15000)
	i, refusal := p.Inspect(Request{ContentType: "application/pdf", ContentLength: int64(len(body))})
	if refusal != nil {
		t.Fatal(refusal.Reason)
	}
	write := func(from, to int) bool {
		hold, refusal := i.Write([]byte(body[from:to]))
		if refusal != nil {
			t.Fatal(refusal.Reason)
		}
		return hold
	}
	if !write(0, 100) {
		t.Error("let go before the type was decided")
	}
	if write(100, 6000) {
		t.Error("held although decided")
	}
	if !write(6000, len(body)-10) {
		t.Error("let go although the end is near")
	}
}

func TestARefusalStays(t *testing.T) {
	i, _ := policyOf(t, Config{}).Inspect(Request{ContentType: "application/pdf", ContentLength: -1})
	if _, refusal := i.Write([]byte(strings.Repeat("\x00", 5000))); refusal == nil {
		t.Fatal("accepted")
	}
	if _, refusal := i.Write([]byte("x")); refusal == nil {
		t.Error("forgot its refusal")
	}
	if i.Close() == nil {
		t.Error("forgot its refusal at the end")
	}
}

func TestCuttingABodyAnywhereChangesNoVerdict(t *testing.T) {
	p := policyOf(t, Config{})
	for _, s := range samples(t) {
		if len(s.content) > 3000 {
			continue
		}
		body := formBody(filePart(s.file, s.declared, s.content))
		want, _ := inspect(t, p, multipartRequest(), body, len(body))
		for cut := 1; cut < len(body); cut += 1 + len(body)/400 {
			i, refusal := p.Inspect(multipartRequest())
			if refusal == nil {
				_, refusal = i.Write([]byte(body[:cut]))
			}
			if refusal == nil {
				_, refusal = i.Write([]byte(body[cut:]))
			}
			if refusal == nil {
				refusal = i.Close()
			}
			got := ""
			if refusal != nil {
				got = refusal.Rule
			}
			if got != want {
				t.Fatalf("%s, cut at %d: %q, whole %q", s.name, cut, got, want)
			}
		}
	}
}

// FuzzMultipart: no panic, no difference by chunks, and what is accepted is what
// Go's own reader finds in the body.
func FuzzMultipart(f *testing.F) {
	f.Add([]byte(formBody(filePart("a.txt", "text/plain", "hello"))), uint64(1))
	f.Add([]byte(formBody("Content-Disposition: form-data; name=a\r\n\r\nx", filePart("b.txt", "text/plain", "y"))), uint64(2))
	f.Add([]byte("--XyZ\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--XyZ--"), uint64(3))
	p := policyOf(f, Config{Allow: KnownTypes()})
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		rule, _ := inspect(t, p, multipartRequest(), string(body), max(1, len(body)))
		i, refusal := p.Inspect(multipartRequest())
		random := rand.New(rand.NewPCG(seed, 0))
		for rest := body; refusal == nil && len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			_, refusal = i.Write(rest[:n])
			rest = rest[n:]
		}
		if refusal == nil {
			refusal = i.Close()
		}
		if (refusal == nil) != (rule == "") || refusal != nil && refusal.Rule != rule {
			t.Fatalf("whole %q, in pieces %+v", rule, refusal)
		}
		if rule == "" {
			compareWithGo(t, body)
		}
	})
}

// compareWithGo: a body that passes must have the same parts for mime/multipart.
func compareWithGo(t *testing.T, body []byte) {
	t.Helper()
	var ours recording
	m := newMultipartReader(testBoundary, &ours)
	if r := m.write(body); r != nil {
		t.Fatal(r.Reason)
	}
	reader := multipart.NewReader(bytes.NewReader(body), testBoundary)
	for n := 0; ; n++ {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			if n != len(ours.parts) {
				t.Fatalf("Go finds %d parts, we %d", n, len(ours.parts))
			}
			return
		}
		if err != nil {
			return // refused there, so not bypassed
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return
		}
		if n >= len(ours.parts) || string(content) != ours.parts[n] {
			t.Fatalf("part %d: Go reads %q, we %q", n, content, ours.parts)
		}
		if _, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition")); err == nil && params["filename"] != ours.names[n] {
			t.Fatalf("part %d: Go reads the name %q, we %q", n, params["filename"], ours.names[n])
		}
	}
}

type recording struct{ parts, names, fields []string }

func (r *recording) beginPart(p *part) *Refusal {
	r.parts, r.names, r.fields = append(r.parts, ""), append(r.names, p.filename), append(r.fields, p.field)
	return nil
}

func (r *recording) writePart(b []byte) *Refusal {
	r.parts[len(r.parts)-1] += string(b)
	return nil
}
func (r *recording) endPart() *Refusal { return nil }
func (r *recording) settle()           {}

func FuzzParams(f *testing.F) {
	for _, s := range []string{`form-data; name="a"; filename="b.pdf"`, "form-data; name=a; filename*=UTF-8''b", `x; a="b\"c"`, "x;;a=b", `x; a="b" ;c=d`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		value, params, reason := parseParams(s)
		if reason != "" || strings.ContainsAny(s, "*%") {
			return
		}
		want, theirs, err := mime.ParseMediaType(s)
		if err != nil {
			return
		}
		if value != want {
			t.Fatalf("%q: value %q, Go reads %q", s, value, want)
		}
		for _, p := range params {
			if theirs[p.name] != p.value {
				t.Fatalf("%q: %s=%q, Go reads %q", s, p.name, p.value, theirs[p.name])
			}
		}
	})
}

func BenchmarkInspect(b *testing.B) {
	jpeg := sampleJPEG(b)
	for _, s := range []struct{ name, file, declared, content string }{
		{"jpeg", "a.jpg", "image/jpeg", jpeg[:len(jpeg)-2] + strings.Repeat("\x80", 8<<20) + "\xff\xd9"},
		{"pdf", "a.pdf", "application/pdf", samplePDF("") + strings.Repeat("stream of bytes ", 1<<19) + "%%EOF"},
		{"text", "a.txt", "text/plain", strings.Repeat("stream of bytes\n", 1<<19)},
	} {
		b.Run(s.name, func(b *testing.B) {
			p := policyOf(b, Config{MaxFileSize: 64 << 20})
			body := formBody(filePart(s.file, s.declared, s.content))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if rule, _ := inspect(b, p, multipartRequest(), body, 64<<10); rule != "" {
					b.Fatal(rule)
				}
			}
		})
	}
}
