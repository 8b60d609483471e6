package upload

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestNoForeignFileIsMissedWhereverItBeginsAndIsCut(t *testing.T) {
	t.Parallel()
	for _, m := range foreignMarks {
		for before := range 40 {
			content := strings.Repeat("P", before) + m.mark + strings.Repeat("\x00", 40)
			for _, size := range []int{1, 5, 13, len(content)} {
				var f foreign
				found := ""
				for rest := []byte(content); len(rest) > 0 && found == ""; rest = rest[min(size, len(rest)):] {
					found = f.write(bytes.Clone(rest[:min(size, len(rest))]))
				}
				if found != m.is {
					t.Errorf("%q behind %d bytes, in pieces of %d: %q", m.mark, before, size, found)
				}
			}
		}
	}
}

// told writes down all that a scanner tells.
type told struct{ log []string }

func (r *told) element(name string) *Refusal { r.log = append(r.log, "<"+name); return nil }
func (r *told) attribute(element, name, value string) *Refusal {
	r.log = append(r.log, fmt.Sprintf("%s %s=%q", element, name, value))
	return nil
}

func (r *told) text(element string, b []byte) *Refusal {
	if last := len(r.log) - 1; last >= 0 && strings.HasPrefix(r.log[last], "#"+element+" ") {
		r.log[last] += string(b) // however it is cut
		return nil
	}
	r.log = append(r.log, "#"+element+" "+string(b))
	return nil
}

func (r *told) comment() *Refusal             { r.log = append(r.log, "<!--"); return nil }
func (r *told) declared(text string) *Refusal { r.log = append(r.log, "!"+text); return nil }
func (r *told) watched(string) bool           { return true }
func (r *told) heeded(string) bool            { return true }
func (r *told) suspicious() ([4]byte, bool)   { return [4]byte{}, false }
func (r *told) read(string) bool              { return true }

func TestTagsReadAtOnceTellWhatTagsReadByBytesTell(t *testing.T) {
	t.Parallel()
	parts := []string{"<a", "<b:C", "</a", ">", "/>", " ", "/", "\n", " x=\"1\"", " y='&lt;'", " z = \"q\"", " w=bare", " v", "=", "\"", "'", "text", "<", "<!-- -- -->", "<![CDATA[c]]]>",
		"<?p i?>", "<!D [", "<1", "<a.b_c", "<é", " n:m=\"" + strings.Repeat("v", 40) + "\"", "<" + strings.Repeat("n", 60), " " + strings.Repeat("N", 60) + "='1'", " l='" + strings.Repeat("w", 5000) + "'", "</", "<a/b"}
	r := rand.New(rand.NewPCG(11, 12))
	for range 3000 {
		var content strings.Builder
		for range 1 + r.IntN(14) {
			content.WriteString(parts[r.IntN(len(parts))])
		}
		run := func(size int) (string, bool, int) {
			var out told
			x := newXMLScanner(&out)
			for rest := []byte(content.String()); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if refusal := x.write(bytes.Clone(rest[:min(size, len(rest))])); refusal != nil {
					t.Fatal(refusal.Reason)
				}
			}
			return strings.Join(out.log, "\n"), x.complete(), x.depth
		}
		bytewise, whole1, depth1 := run(1)
		for _, size := range []int{7, 50, content.Len()} {
			if got, whole2, depth2 := run(size); got != bytewise || whole1 != whole2 || depth1 != depth2 {
				t.Fatalf("%q in pieces of %d:\n%s\nby bytes:\n%s", content.String(), size, got, bytewise)
			}
		}
	}
}

func TestTagsThatArePassedOverTellNothing(t *testing.T) {
	t.Parallel()
	calm := []string{`<path d="M10.5 20 L30 40 C50 60 70 80 90 100 Z" fill="#aabbcc" stroke-width="2"/>` + "\n", "<g>", "</g>", `<w:r w:rsidR="00A77B3E"><w:t xml:space="preserve">some words of a text, and so on</w:t></w:r>`,
		`<c r="A1" s='2'><v>17</v></c>`, " words & words ", strings.Repeat("text ", 30), `<a id='` + strings.Repeat("v", 90) + `'/>`, "<!-- a -- comment -->", "<x\n  y=\"1\"\tz='2' />"}
	telling := []string{`<script>`, `<svg:script/>`, `<rect onclick="a()"/>`, `<rect oncl="1"/>`, `<image href="http://x/"/>`, `<use xlink:href="#a"/>`, `<a href="javascript:a"/>`, `<a b="java&#115;cript:x"/>`,
		`<style>a{b:url(http://x)}</style>`, `<style>`, `</style>`, `<g style="fill:url(#a)"/>`, `<g style="a:expression(1)"/>`, `<set attributeName="href"/>`, `<?xml-stylesheet href="a"?>`, `<!ENTITY a "b">`, `<foreignObject>`,
		`<x xmlns="http://www.w3.org/1999/xhtml">`, `<xi:include href="../a"/>`, `<x xmlns:xi="http://www.w3.org/2001/XInclude">`, `<w:instrText>DDE`, `<w:instrText> PAGE </w:instrText>`, `<f>a|'b'!c</f>`, `<f>`, `</f>`, `a|'b'!c`,
		`<Relationship Id="` + strings.Repeat("r", 120) + `" Type="x/oleObject" TargetMode="External"/>`, `<Relationship Type="x/oleObject" Target="http://a" TargetMode="External"/>`, `<Relationship Type="x/hyperlink"/>`, `<Override ContentType="a/vbaProject"/>`, `<w:fldChar w:fldCharType="begin"/>`, `<w:fldSimple w:instr="DDE a"/>`,
		`<ddeLink>`, `<a href='vnd.sun.star.script:x'/>`, `<a\x00 b='1'>`, "<\x00onclick='a('>", `<a b=c d>`, `<a "b'>`, `<1>`, `<é é="1">`, `<a b = "c">`, strings.Repeat("n", 50) + "='1'", "<" + strings.Repeat("n", 20) + ">", "<a/b>", "<a =''>", "<"}
	kinds := map[string]func() checker{
		"a drawing": func() checker { return newDrawing(false) }, "an XML": func() checker { return newDrawing(true) }, "a document's part": func() checker { return partOfOffice{newOfficeXML()} },
	}
	r := rand.New(rand.NewPCG(41, 42))
	for range 2000 {
		content := "<svg>"
		for range r.IntN(16) {
			if r.IntN(6) == 0 {
				content += telling[r.IntN(len(telling))]
			} else {
				content += calm[r.IntN(len(calm))]
			}
		}
		content += strings.Repeat(calm[0], r.IntN(3))
		for kind, of := range kinds {
			// Byte by byte every tag is read, because nothing is seen of what follows.
			want := saidInPieces(of(), content, 1)
			for _, size := range []int{7, 100, 150, len(content)} {
				if got := saidInPieces(of(), content, size); got != want {
					t.Fatalf("%q as %s: %q in pieces of %d, %q byte by byte", content, kind, got, size, want)
				}
			}
		}
	}
}

type partOfOffice struct{ *officeXML }

func (p partOfOffice) end(int64) *Refusal { return p.officeXML.end() }

// saidInPieces is what a checker says of a content.
func saidInPieces(c checker, content string, size int) string {
	for rest := []byte(content); len(rest) > 0; rest = rest[min(size, len(rest)):] {
		if refusal := c.write(bytes.Clone(rest[:min(size, len(rest))])); refusal != nil {
			return refusal.ID() + " " + refusal.Reason
		}
	}
	if refusal := c.end(int64(len(content))); refusal != nil {
		return refusal.ID() + " " + refusal.Reason
	}
	return ""
}

func TestACalmValueIsOneThatIsNotRefused(t *testing.T) {
	t.Parallel()
	parts := []string{"java", "script:", "JAVASCRIPT:", "t", "p", "i", ":", " ", "\t", "\x00", "(", "url(", "url(#a)", "url(http://a)", "expression", "image-set", "behav", "ior", "-moz-", "-MOZ-binding", "binding", "@import", "@", "\\", "\\72", "/", "/*", "*/", "*",
		"fill:#abc;", "stroke-width:2", "stop-color:red", "translate(1,2)", "matrix(1)", "font-weight:", "#a", "é", "\u017f", "\u212a", "\u0130", "\n", ";", "'"}
	r := rand.New(rand.NewPCG(43, 44))
	calm := 0
	for range 30_000 {
		value := ""
		for range 1 + r.IntN(7) {
			value += parts[r.IntN(len(parts))]
		}
		if !isCalm(value) {
			continue
		}
		calm++
		s, css := newDrawing(false), cssText{}
		if strings.Contains(squeeze(value), "javascript:") || styled(&s.style, css.write([]byte(value+"    "))) != nil {
			t.Fatalf("%q is no calm value", value)
		}
	}
	if calm < 2500 {
		t.Errorf("%d values are calm", calm)
	}
}

func TestANameThatIsNotTheExpectedOneIsReadForItself(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(15, 16))
	names := []string{"x", "xy", "x-y", "y", "d", "fill", "fil", "filling", "href", "hrefs", "xlink:href", "on", "onx", "onload", "style", "stroke-width-of-it", "Fill", "é"}
	values := []string{"1", "a b", "", strings.Repeat("M1 2 ", 5), strings.Repeat("L3 4 ", 40), "javascript:a()", "a'b", "#a", "&#106;", "a/b"}
	elements := []string{"g", "gg", "path", "pathx", "script", "use", "a"}
	for range 4000 {
		var b strings.Builder
		b.WriteString("<svg>")
		for range 1 + r.IntN(12) {
			b.WriteString("<" + elements[r.IntN(len(elements))/(1+r.IntN(3))])
			for range r.IntN(4) {
				b.WriteString(" " + names[r.IntN(len(names))/(1+r.IntN(3))] + `="` + values[r.IntN(len(values))/(1+r.IntN(3))] + `"`)
			}
			b.WriteString([]string{"/>", "/>\n", "/> text ", ">"}[r.IntN(4)])
		}
		content := b.String() + strings.Repeat(" ", 200)
		if r.IntN(3) == 0 {
			content = strings.ReplaceAll(strings.ReplaceAll(content, "'", "`"), `"`, "'")
		}
		if want, got := saidInPieces(newDrawing(false), content, 1), saidInPieces(newDrawing(false), content, len(content)); got != want {
			t.Fatalf("%q, %q byte by byte: %s", got, want, content)
		}
	}
}

// FuzzTags: what is passed over tells nothing.
func FuzzTags(f *testing.F) {
	f.Add(`<svg><path d="M1" fill="#aabbcc"/><rect onclick="a()"/><style>a{}</style></svg>`+strings.Repeat("<g a='b'/>", 20), 3)
	f.Fuzz(func(t *testing.T, content string, size int) {
		for _, of := range []func() checker{func() checker { return newDrawing(false) }, func() checker { return newDrawing(true) }, func() checker { return partOfOffice{newOfficeXML()} }} {
			want := saidInPieces(of(), content, 1)
			for _, n := range []int{1 + (size&0xffff)%300, max(1, len(content))} {
				if got := saidInPieces(of(), content, n); got != want {
					t.Errorf("%q in pieces of %d, %q byte by byte", got, n, want)
				}
			}
		}
	})
}

func TestASettledFieldIsOneThatNothingMakesRefused(t *testing.T) {
	t.Parallel()
	words := []string{"QUOTE", "quote", "1", "22", "x", "INCLUDETEXT", "\"http://x\"", "\"", "DDE", "\\", "PAGE", "ddeauto", "ıncludetext", "1a1"}
	r := rand.New(rand.NewPCG(13, 14))
	for range 20_000 {
		var field []byte
		settled := false
		for range 1 + r.IntN(7) {
			field = append(append(field, words[r.IntN(len(words))]...), ' ')
			if refusal := fieldInstruction(field); refusal != nil {
				if settled {
					t.Fatalf("%q: %s", field, refusal.Reason)
				}
				break
			}
			settled = settled || fieldSettled(field)
		}
	}
}

func TestAStoredMemberOfUnknownLengthIsReadToItsDescriptorWhereverItIsCut(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{})
	for _, part := range []string{"", "P", "PK", "PK\x07\x08", "<w>PPK\x07PK\x07\x08 PK</w>P", strings.Repeat("PK\x07\x08 and so on ", 40)} {
		content := sampleDOCXOf("<w>" + part + "</w>")
		for _, size := range []int{1, 3, 17, len(content)} {
			if r, err := p.Sniff(&pieceReader{[]byte(content), size}, "a.docx", ""); err != nil || !r.Accepted {
				t.Errorf("%q in pieces of %d: %+v %v", part, size, r, err)
			}
		}
	}
}

func TestTextIsToldEightBytesAtATimeAsByteByByte(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(15, 16))
	for range 5000 {
		b := []byte(strings.Repeat("plain text\n", 1+r.IntN(3)))
		want := true
		for range r.IntN(3) {
			c := byte(r.IntN(0x20))
			b[r.IntN(len(b))] = c
		}
		for _, c := range b {
			want = want && (c >= 0x20 || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == 0x1b)
		}
		if got := looksLikeText(b); got != want {
			t.Fatalf("%q: %v", b, got)
		}
	}
}

func TestEveryBeginningOfCodeIsLookedAt(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, rest := range append([]string{"?php ", "?=$a", "%=$a ", "script>"}, codeTags...) {
			b := []byte(rest + " " + strings.Repeat(" ", codeLook))
			b[0] = byte(c) // #nosec G115 -- below 256
			if codeMark(b[:codeLook], true) != "" && codePair.Index([]byte{'<', byte(c)}) < 0 {
				t.Errorf("%q is passed over", b)
			}
		}
	}
}
