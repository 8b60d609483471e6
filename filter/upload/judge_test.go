package upload

import (
	"strings"
	"testing"
)

type sample struct {
	name, file, declared, content string
	rule, detected                string
}

func samples(t testing.TB) []sample {
	const (
		docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
		svg  = `<svg xmlns="http://www.w3.org/2000/svg">`
	)
	return []sample{
		{"a PDF", "a.pdf", "application/pdf", samplePDF(""), "", "pdf"},
		{"a PDF in upper case", "A.PDF", "Application/PDF", samplePDF(""), "", "pdf"},
		{"a PDF of undeclared type", "a.pdf", "application/octet-stream", samplePDF(""), "", "pdf"},
		{"a PDF with a byte order mark", "a.pdf", "application/pdf", "\xef\xbb\xbf" + samplePDF(""), "", "pdf"},
		{"a PNG", "a.png", "image/png", samplePNG(t), "", "png"},
		{"a JPEG", "a.jpeg", "image/jpg", sampleJPEG(t), "", "jpeg"},
		{"a JPEG with a maker's note behind it", "a.jpg", "image/jpeg", sampleJPEG(t) + strings.Repeat("n", 100), "", "jpeg"},
		{"a GIF", "a.gif", "image/gif", sampleGIF(t), "", "gif"},
		{"a WAV", "a.wav", "audio/x-wav", sampleWAV(), "", "wav"},
		{"a ZIP", "a.zip", "application/x-zip-compressed", sampleZIP(t, "a.txt=hello"), "", "zip"},
		{"a DOCX", "a.docx", docx, sampleDOCX(t), "", "docx"},
		{"an ODT", "a.odt", "application/vnd.oasis.opendocument.text", sampleZIP(t, "mimetype=application/vnd.oasis.opendocument.text", "content.xml=<x/>"), "", "odt"},
		{"a GZIP", "a.tgz", "application/gzip", sampleGZIP(t), "", "gzip"},
		{"a TAR", "a.tar", "application/x-tar", sampleTAR(), "", "tar"},
		{"a text", "a.txt", "text/plain", "hello, world\n", "", "txt"},
		{"a text about a PDF", "a.txt", "text/plain", "see %PDF-1.7", "", "txt"},
		{"a text that begins like a program", "a.txt", "text/plain", "MZ is how programs begin\n", "", "txt"},
		{"a text that speaks of a shebang", "a.txt", "text/plain", "#! is how scripts begin, and this is none\n", "", "txt"},
		{"an empty text", "a.txt", "text/plain", "", "", ""},
		{"a CSV", "a.csv", "text/csv", "a,b\n1,2\n", "", "csv"},
		{"a JSON file", "a.json", "application/json", `{"a":1}`, "", "json"},
		{"an SVG", "a.svg", "image/svg+xml", svg + "<path d='M0 0'/></svg>", "", "svg"},
		{"an SVG with words that begin with on", "a.svg", "image/svg+xml", svg + "<text> on once </text></svg>", "", "svg"},

		{"a program as a PDF", "a.pdf", "application/pdf", sampleEXE(), RuleMismatch, "exe"},
		{"a PDF as a PNG", "a.png", "image/png", samplePDF(""), RuleMismatch, "pdf"},
		{"a PDF declared as a PNG", "a.pdf", "image/png", samplePDF(""), RuleMismatch, "pdf"},
		{"a PDF named as a PNG", "a.png", "application/pdf", samplePDF(""), RuleMismatch, "pdf"},
		{"a PDF without an extension", "a", "application/pdf", samplePDF(""), RuleMismatch, "pdf"},
		{"a ZIP as a DOCX", "a.docx", docx, sampleZIP(t, "a.txt=hello"), RuleMismatch, "docx"},
		{"a DOCX as a ZIP", "a.zip", "application/zip", sampleDOCX(t), RuleMismatch, "zip"},
		{"a JAR as a ZIP", "a.zip", "application/zip", sampleZIP(t, "META-INF/MANIFEST.MF=x"), RuleMismatch, "zip"},
		{"HTML as a text", "a.txt", "text/plain", "<html><script>x</script>", RuleMismatch, "html"},
		{"a shell script as a text", "a.txt", "text/plain", "#!/bin/sh\nrm x\n", RuleMismatch, "script"},
		{"PHP as a PNG", "a.png", "image/png", "<?php system($_GET[0]);", RuleMismatch, "php"},
		{"bytes of no type", "a.pdf", "application/pdf", "\x01\x02\x03\x04", RuleUnknown, ""},
		{"a program as it is", "a.exe", "application/x-msdownload", sampleEXE(), RuleNotAllowed, "exe"},
		{"EICAR", "a.txt", "text/plain", `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR` + `-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`, RuleTestVirus, "txt"},

		{"a PDF cut off", "a.pdf", "application/pdf", samplePDF("")[:90], RuleTruncated, "pdf"},
		{"a PDF with much behind it", "a.pdf", "application/pdf", samplePDF("") + strings.Repeat("x", 20000), RuleTruncated, "pdf"},
		{"a PDF that is a ZIP from its end", "a.pdf", "application/pdf", samplePDF("") + sampleZIP(t, "a.txt=x"), RulePolyglot, "pdf"},
		{"a PNG cut off", "a.png", "image/png", samplePNG(t)[:60], RuleTruncated, "png"},
		{"a PNG with something behind it", "a.png", "image/png", samplePNG(t) + "x", RuleAppended, "png"},
		{"a JPEG cut off", "a.jpg", "image/jpeg", sampleJPEG(t)[:300], RuleTruncated, "jpeg"},
		{"a JPEG with much behind it", "a.jpg", "image/jpeg", sampleJPEG(t) + strings.Repeat("n", 5000), RuleAppended, "jpeg"},
		{"a GIF cut off", "a.gif", "image/gif", sampleGIF(t)[:40], RuleTruncated, "gif"},
		{"a GIF with something behind it", "a.gif", "image/gif", sampleGIF(t) + strings.Repeat("x", 20), RuleAppended, "gif"},
		{"a WAV cut off", "a.wav", "audio/wav", sampleWAV()[:46], RuleTruncated, "wav"},
		{"a WAV with something behind it", "a.wav", "audio/wav", sampleWAV() + "more", RuleAppended, "wav"},
		{"a ZIP cut off", "a.zip", "application/zip", sampleZIP(t, "a.txt=hello")[:60], RuleTruncated, "zip"},
		{"a ZIP with something behind it", "a.zip", "application/zip", sampleZIP(t, "a.txt=hello") + "x", RuleAppended, "zip"},
		{"an empty PDF", "a.pdf", "application/pdf", "", RuleTruncated, ""},

		{"JavaScript in a PDF", "a.pdf", "application/pdf", samplePDF("/OpenAction << /S /JavaScript /JS (x) >> "), RulePDF, "pdf"},
		{"JavaScript in a PDF behind an escape", "a.pdf", "application/pdf", samplePDF("/OpenAction << /S /J#61vaScript >> "), RulePDF, "pdf"},
		{"JavaScript in a PDF, all escaped", "a.pdf", "application/pdf", samplePDF("/#4a#53(x) "), RulePDF, "pdf"},
		{"a launch in a PDF", "a.pdf", "application/pdf", samplePDF("/A<</S/Launch/F(x)>> "), RulePDF, "pdf"},
		{"a file in a PDF", "a.pdf", "application/pdf", samplePDF("/Type/EmbeddedFile "), RulePDF, "pdf"},
		{"a title that speaks of JavaScript", "a.pdf", "application/pdf", samplePDF("/Title (How /JavaScript works, and what else) "), "", "pdf"},
		{"a name behind the end of a comment", "a.pdf", "application/pdf", samplePDF("% (about\n/S /JavaScript "), RulePDF, "pdf"},
		{"a name behind a string", "a.pdf", "application/pdf", samplePDF("/A (x) /S /JavaScript "), RulePDF, "pdf"},
		{"an object in a string", "a.pdf", "application/pdf", samplePDF("/A (9 0 obj /JavaScript) "), RulePDF, "pdf"},
		{"a name that only begins so", "a.pdf", "application/pdf", samplePDF("/JSX 1 /JavaScripts 2 "), "", "pdf"},
		{"JS with a string", "a.pdf", "application/pdf", samplePDF("/AA << /O << /JS(x) >> >> "), RulePDF, "pdf"},
		{"JS with a reference", "a.pdf", "application/pdf", samplePDF("/AA << /O << /JS\x00\n 7 0 R >> >> "), RulePDF, "pdf"},
		{"JS with a comment between", "a.pdf", "application/pdf", samplePDF("/AA << /O << /J#53 %x\n(x) >> >> "), RulePDF, "pdf"},
		{"JS in the bytes of a picture", "a.pdf", "application/pdf", samplePDF("/JS\xe3 /JS\x07 /JS ab /JS>x /JS \xff "), "", "pdf"},
		{"macros in a DOCX", "a.docx", docx, sampleDOCX(t, "word/vbaProject.bin=x"), RuleMacro, "docx"},
		{"a traversing member", "a.zip", "application/zip", sampleZIP(t, "../../etc/passwd=x"), RuleArchive, "zip"},
		{"an absolute member", "a.zip", "application/zip", sampleZIP(t, "/etc/passwd=x"), RuleArchive, "zip"},
		{"a member on a drive", "a.zip", "application/zip", sampleZIP(t, `c:\x=x`), RuleArchive, "zip"},
		{"a script in an SVG", "a.svg", "image/svg+xml", svg + "<ScRiPt>x</ScRiPt></svg>", RuleSVG, "svg"},
		{"a handler in an SVG", "a.svg", "image/svg+xml", `<svg onload = "x"></svg>`, RuleSVG, "svg"},
		{"a foreign object in an SVG", "a.svg", "image/svg+xml", svg + "<foreignObject/></svg>", RuleSVG, "svg"},
		{"a javascript link in an SVG", "a.svg", "image/svg+xml", svg + `<a href="javascript:x"/></svg>`, RuleSVG, "svg"},
		{"an entity in an SVG", "a.svg", "image/svg+xml", `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "b">]><svg/>`, RuleSVG, "svg"},
		{"PHP in an image", "a.png", "image/png", samplePNG(t)[:33] + pngChunk("tEXt", "c\x00<?php x ?>") + samplePNG(t)[33:], RuleImageCode, "png"},
		{"PHP in a text", "a.csv", "text/csv", strings.Repeat("a,b\n", 2000) + "<?php x();", RuleTextCode, "csv"},
	}
}

func TestJudgeFiles(t *testing.T) {
	p := policyOf(t, Config{})
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			got, err := p.Sniff(strings.NewReader(s.content), s.file, s.declared)
			must(t, err)
			if got.Rule != s.rule || got.Accepted != (s.rule == "") {
				t.Errorf("rule %q (%s), want %q", got.Rule, got.Reason, s.rule)
			}
			if got.Detected != s.detected && s.rule != RuleName {
				t.Errorf("detected %q, want %q", got.Detected, s.detected)
			}
			if !got.Accepted && (got.Reason == "" || got.Problem.Status() < 400) {
				t.Errorf("a refusal without reason or problem: %+v", got)
			}
		})
	}
}

func TestNames(t *testing.T) {
	harmless := []string{"a.pdf", "My file (1).pdf", "naïve.pdf", "日本語.pdf", "v1.2.pdf", "report.final.pdf", "com.pdf", "console.pdf", ".a.pdf",
		"می\u200cخواهم.pdf", "👨\u200d👩\u200d👧.pdf", "ශ්\u200dරී.pdf", "- Copy.pdf", "-5.pdf", "$5.pdf", "a`b.pdf", "a&b.pdf", "100% cotton.pdf", "node.js.pdf", "main.py.pdf", "index.html.pdf", "help.pl.pdf", "run.sh.pdf"}
	harmful := []string{
		"", ".", "..", "../a.pdf", "/a.pdf", `..\a.pdf`, `C:\a.pdf`, "c:a.pdf", "a.pdf.", "a.pdf ", " a.pdf", "a\x00.pdf", "a\n.pdf",
		"a\u202efdp.exe", "a\u2024pdf", "a\u200b.pdf", "con", "CON.pdf", "nul.txt.pdf", "COM1.pdf", "lpt9", "CON .pdf", "COM¹.pdf",
		"a.php.pdf", "a.exe.pdf", "a.asp;.pdf", "a.jsp.pdf", "%2e%2e%2fa.pdf", "a%00.pdf", strings.Repeat("a", 256), "\xff.pdf", "a|b.pdf", `a"b.pdf`, "a.pdf:stream",
		"$(id).pdf", "${IFS}.pdf", "`id`.pdf", "-rf.pdf", "--help.pdf", "..%c0%afa.pdf", "%u002e%u002e.pdf", "a%0d%0ab.pdf", "a\u200d.pdf", "a\u200c.pdf", "م\u200c.pdf",
		"a.bat.pdf", "a.php7.pdf", "a.pht.pdf", "a.php\u00a0.pdf", "a.php .pdf", "a.hta.pdf", "a.vbs.pdf",
	}
	for _, name := range harmless {
		if reason := nameMistake(name); reason != "" || hidesProgram(name) {
			t.Errorf("%q: %s", name, reason)
		}
	}
	for _, name := range harmful {
		if nameMistake(name) == "" && !hidesProgram(name) {
			t.Errorf("%q passes", name)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name string
		c    Config
		says string
	}{
		{"nothing allowed", Config{}, "is empty"},
		{"an unknown type", Config{Allow: []string{"pfd"}}, "is no type"},
		{"a negative size", Config{Allow: []string{"pdf"}, MaxFileSize: -1, MaxRequestSize: 1}, "negative"},
		{"a request smaller than a file", Config{Allow: []string{"pdf"}, MaxFileSize: 2, MaxRequestSize: 1}, "smaller than"},
		{"a negative count", Config{Allow: []string{"pdf"}, MaxFiles: -1}, "negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Compile(tt.c); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

func TestEveryTypeHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range append(KnownTypes(), KnownGroups()...) {
		if seen[id] {
			t.Errorf("%s stands twice", id)
		}
		seen[id] = true
	}
	for i := range magics {
		if kindByID(magics[i].id) == nil {
			t.Errorf("magic %s has no kind", magics[i].id)
		}
	}
	if len(KnownTypes()) < 25 {
		t.Errorf("only %d types", len(KnownTypes()))
	}
}

// FuzzSniff: whatever the bytes, one verdict, no panic, and the same for every
// way of cutting the file.
func FuzzSniff(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.file, s.declared, []byte(s.content), 7)
	}
	p := policyOf(f, Config{Allow: KnownTypes(), MaxFileSize: 1 << 20})
	f.Fuzz(func(t *testing.T, name, declared string, content []byte, cut int) {
		whole, err := p.Sniff(strings.NewReader(string(content)), name, declared)
		must(t, err)
		pieces, err := p.Sniff(&pieceReader{content, 1 + (cut&0x7fffffff)%97}, name, declared)
		must(t, err)
		if whole.Accepted != pieces.Accepted || whole.Rule != pieces.Rule {
			t.Errorf("whole %+v, in pieces %+v", whole, pieces)
		}
	})
}

// fuzzChecker holds a parser to one verdict for every way of cutting a file, and to
// no panic, without the type's decision before it.
func fuzzChecker(f *testing.F, kind string, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add([]byte(s), 7)
	}
	p := policyOf(f, Config{MaxFileSize: 1 << 20})
	run := func(content []byte, n int) string {
		c := kindByID(kind).check(env{policy: p, budget: &budget{max: 4 << 20}, kind: kind})
		for rest := content; len(rest) > 0; {
			piece := rest[:min(n, len(rest))]
			rest = rest[len(piece):]
			if r := c.write(piece); r != nil {
				return r.Rule
			}
		}
		if r := c.end(int64(len(content))); r != nil {
			return r.Rule
		}
		return ""
	}
	f.Fuzz(func(t *testing.T, content []byte, cut int) {
		whole, pieces := run(content, len(content)+1), run(content, 1+(cut&0x7fffffff)%97)
		if (whole == "") != (pieces == "") {
			t.Errorf("whole %q, in pieces %q", whole, pieces)
		}
	})
}

func FuzzPDF(f *testing.F) {
	stream := func(filter, data string) string {
		return "<< /Type /ObjStm /N 1 /First 4 " + filter + " >>\nstream\n" + data + "\nendstream "
	}
	packed := zlibbed(f, "9 0 << /Type /Font >>")
	fuzzChecker(f, "pdf", samplePDF(""), samplePDF(stream("", packed)), samplePDF("/J#53(x)"),
		samplePDF(stream("/Filter /AHx", "392030203c3c3e3e>")), samplePDF(stream("/Filter [/A85 /Fl]", "GhQ")), samplePDF(stream("/Filter /RL", "\x079 0 << >>\x80")),
		samplePDF(stream("/Filter /LZW", "\x80\x0e\x48\x06\x02")), samplePDF(stream("/Filter /Fl /DecodeParms << /Predictor 12 /Columns 4 >>", packed)),
		samplePDF("/OpenAction << /S /URI /URI (http://x/JavaScript) >> /AA << /O 4 0 R >>"))
}

func FuzzZIP(f *testing.F) {
	fuzzChecker(f, "zip", sampleZIP(f, "a.txt=hello", "b/=", "mimetype=x"), sampleZIP(f, "a.zip="+sampleZIP(f, "b=c")))
}
func FuzzDOCX(f *testing.F) {
	fuzzChecker(f, "docx", sampleDOCX(f), sampleDOCX(f, "word/_rels/a.rels=<a/>"))
}
func FuzzTAR(f *testing.F)  { fuzzChecker(f, "tar", sampleTAR()) }
func FuzzGZIP(f *testing.F) { fuzzChecker(f, "gzip", sampleGZIP(f), zipped(f, sampleTAR())) }
func FuzzSVG(f *testing.F) {
	fuzzChecker(f, "svg", `<svg a="b"><!-- c --><![CDATA[d]]><e f='&#x6a;'/></svg>`, `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "http://x">]><svg/>`)
}
func FuzzJPEG(f *testing.F) { fuzzChecker(f, "jpeg", sampleJPEG(f)) }
func FuzzOLE(f *testing.F) {
	fuzzChecker(f, "ole", oleMagic+"\x13 DDE ", sampleOLE(200, true), presentation(objectRecord(f, oleNaming("Package"), true)))
}
func FuzzPNG(f *testing.F) {
	fuzzChecker(f, "png", samplePNG(f), samplePNG(f)[:33]+pngChunk("zTXt", "c\x00\x00"+zlibbed(f, "text"))+samplePNG(f)[33:],
		samplePNG(f)[:33]+pngChunk("iTXt", "c\x00\x01\x00a\x00b\x00"+zlibbed(f, "text"))+samplePNG(f)[33:])
}
func FuzzGIF(f *testing.F)  { fuzzChecker(f, "gif", sampleGIF(f)) }
func FuzzTIFF(f *testing.F) { fuzzChecker(f, "tiff", sampleTIFF(9, 9), sampleBigTIFF(9, 9)) }
func FuzzRIFF(f *testing.F) { fuzzChecker(f, "wav", sampleWAV()) }
func FuzzXML(f *testing.F) {
	fuzzChecker(f, "xml", `<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="b"/></a>`)
}
func FuzzXLSX(f *testing.F) {
	fuzzChecker(f, "xlsx", sampleZIP(f, "[Content_Types].xml=<Types/>", "xl/a.xml=<f>a|'b'!c</f><w:fldChar w:fldCharType='begin'/><w:instrText> QUOTE 1</w:instrText>"))
}
func FuzzText(f *testing.F) { fuzzChecker(f, "csv", "a,b\n=c|'d'!e\n") }
func FuzzJSON(f *testing.F) { fuzzChecker(f, "json", `{"a":["b\"",1]}`) }
func FuzzRTF(f *testing.F)  { fuzzChecker(f, "rtf", `{\rtf1{\field{\*\fldinst DDE}}}`) }
