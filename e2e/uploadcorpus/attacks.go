package uploadcorpus

import (
	"archive/tar"
	"encoding/binary"
	"fmt"
	"strings"
)

// disguised files say that they are of another type.
func (g *generator) disguised() {
	all := samples()
	for _, is := range all {
		for _, says := range all {
			if is.id == says.id {
				continue
			}
			g.add("disguised", "a "+is.id+" as a "+says.id, "upload."+says.ext, says.media, is.content, true)
		}
	}
}

func (g *generator) programs() {
	pe := append([]byte("MZ\x90\x00\x03\x00\x00\x00"), make([]byte, 0x78)...)
	pe[0x3c] = 0x80
	pe = append(pe, "PE\x00\x00"+strings.Repeat("\x00", 200)...)
	for _, p := range [...]struct{ what, content string }{
		{"a Windows program", string(pe)}, {"an ELF", "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 200)},
		{"a Mach-O", "\xcf\xfa\xed\xfe\x07\x00\x00\x01" + strings.Repeat("\x00", 200)},
		{"a Java class", "\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10" + strings.Repeat("\x00", 50)},
		{"WebAssembly", "\x00asm\x01\x00\x00\x00"}, {"a shortcut", "L\x00\x00\x00\x01\x14\x02\x00" + strings.Repeat("\x00", 100)},
		{"a shell script", "#!/bin/sh\nid\n"}, {"PHP", "<?php system($_GET[0]);"}, {"HTML", "<html><script>alert(1)</script></html>"},
	} {
		for _, s := range samples() {
			g.add("program", p.what+" as a "+s.id, "upload."+s.ext, s.media, []byte(p.content), true)
		}
	}
}

func (g *generator) names() {
	for _, name := range []string{
		"../a.jpg", "/etc/a.jpg", `..\a.jpg`, `C:\a.jpg`, "c:a.jpg", "a.jpg.", "a.jpg ", " a.jpg", "a\x00.jpg", "a\r\nX: y.jpg", "a\x1b[1m.jpg", "a\u202egpj.exe.jpg",
		"a\u2024jpg", "a\u200b.jpg", "con.jpg", "NUL.txt.jpg", "COM1.jpg", "lpt9.jpg", "CON .jpg", "COM¹.jpg", "a.php.jpg", "a.exe.jpg", "a.asp;.jpg",
		"a.jsp.jpg", "%2e%2e%2fa.jpg", "a%00.jpg", strings.Repeat("a", 256) + ".jpg", "\xff.jpg", "a|b.jpg", `a"b.jpg`, "a.jpg:stream", "<img src=x>.jpg", ".jpg", "jpg",
		"a.jpg.exe", "a.PhP5", ".htaccess", "a\uff0ejpg", "a\u2066.jpg", "a.phtml.jpg", "a.jpg/.", "a.shtml.jpg", "aux.jpg", "a\u2028.jpg",
	} {
		g.add("name", fmt.Sprintf("the name %q", name), name, "image/jpeg", jpegOf(1), true)
	}
}

func (g *generator) pdfs() {
	for _, action := range []string{
		"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >> ", "/AA << /O << /S /JavaScript /JS 9 0 R >> >> ", "/OpenAction << /S /Launch /F (calc.exe) >> ",
		"/Names << /EmbeddedFiles << /Names [] >> >> ", "/AcroForm << /XFA 9 0 R >> ", "/A << /S /SubmitForm /F (http://x) >> ", "/A << /S /ImportData /F (x) >> ",
		"/Subtype /RichMedia ", "/Names << /JavaScript << /Names [] >> >> ",
	} {
		hidden := strings.NewReplacer("/JavaScript", "/J#61v#61Script", "/JS", "/#4aS", "/Launch", "/L#61unch", "/EmbeddedFiles", "/Embedded#46iles",
			"/XFA", "/#58FA", "/SubmitForm", "/Submit#46orm", "/ImportData", "/Import#44ata", "/RichMedia", "/Rich#4dedia").Replace(action)
		add := func(what string, content []byte) {
			g.add("pdf", what+" "+action, "a.pdf", "application/pdf", content, true)
		}
		add("plain", pdfOf(action))
		add("hex names", pdfOf(hidden))
		add("in an object stream", pdfOf("", objectStream("<< "+action+">>", 9)))
		add("in a stored object stream", pdfOf("", objectStream("<< "+hidden+">>", 0)))
		add("in the second object stream", pdfOf("", objectStream("<< /Type /Font >>", 6), objectStream("<< "+hidden+">>", 1)))
		add("far into an object stream", pdfOf("", objectStream("<< /X ("+strings.Repeat("filler of some kind ", 5000)+") "+hidden+">>", 6)))
		add("with the type in hex", pdfOf("", strings.Replace(objectStream("<< "+action+">>", 6), "/ObjStm", "/Obj#53tm", 1)))
		add("behind other bytes", append([]byte("junk\n"), pdfOf(action)...))
		twice := zlibOf(string(zlibOf("9 0 << "+action+">>", 6)), 6)
		add("packed twice", pdfOf("", fmt.Sprintf("<< /Type /ObjStm /N 1 /First 4 /Filter [/FlateDecode /FlateDecode] /Length %d >>\nstream\n%s\nendstream", len(twice), twice)))
	}
}

func (g *generator) svgs() {
	for _, s := range []string{
		"<script>alert(1)</script>", "<ScRiPt>x</ScRiPt>", "<x:script xmlns:x=\"http://www.w3.org/2000/svg\"/>", `<path onclick="x"/>`, `<path onload = 'x'/>`, `<path
onmouseover=x />`,
		"<foreignObject/>", `<a href="javascript:x"/>`, `<a xlink:href="jav&#x61;script:x"/>`, `<a href="java&#10;script:x"/>`, `<a href=" javascript:x"/>`, `<a href="data:text/html,x"/>`,
		`<use href="http://x/y.svg#a"/>`, `<image href="//x/y"/>`, `<image xlink:href="https://x/y"/>`, `<style>@import "http://x"</style>`, `<style>a{b:url(http://x)}</style>`,
		`<set attributeName="href" to="javascript:x"/>`, `<animate attributeName="xlink:href" values="javascript:x"/>`, `<set attributeName="onmouseover" to="x"/>`,
		`<iframe src="x"/>`, `<handler type="x"/>`, `<path style="b:url(http://x)"/>`, `<a href="vbscript:x"/>`, `<use href="data:image/svg+xml,x"/>`,
	} {
		g.add("svg", "an SVG with "+s, "a.svg", "image/svg+xml", []byte(svgOpen+s+"</svg>"), true)
		wide := []byte{0xff, 0xfe}
		for _, c := range []byte(svgOpen + s + "</svg>") {
			wide = append(wide, c, 0)
		}
		g.add("svg", "in UTF-16, an SVG with "+s, "a.svg", "image/svg+xml", wide, true)
	}
	for _, s := range []string{
		`<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>`, `<!DOCTYPE svg [<!ENTITY % a SYSTEM "http://x">%a;]><svg/>`,
		`<!DOCTYPE svg [<!ENTITY a "<script/>">]><svg>&a;</svg>`, `<?xml-stylesheet href="x"?><svg/>`, `<?xml version="1.0" encoding="utf-7"?><svg/>`,
	} {
		g.add("svg", s, "a.svg", "image/svg+xml", []byte(s), true)
	}
}

func (g *generator) archives() {
	add := func(what, name, declared string, content []byte) {
		g.add("archive", "an archive with "+what, name, declared, content, true)
	}
	for _, name := range []string{"../../etc/x", "/etc/passwd", `c:\x`, `..\x`, "a/../../b", "a\u202egpj.exe", "file.txt:ads", "setup.exe", "a.lnk", "a\x00.txt"} {
		add(fmt.Sprintf("%q", name), "a.zip", "application/zip", zipOf(member{name, "x"}))
		if strings.Contains(name, "\x00") {
			continue // no tar can hold it
		}
		add(fmt.Sprintf("%q", name), "a.tar", "application/x-tar", tarOf(tarFile(name, "x")))
		add(fmt.Sprintf("%q", name), "a.tgz", "application/gzip", gzipOf(tarOf(tarFile(name, "x"))))
	}
	deep := zipOf(member{"a.txt", "x"})
	for range 6 {
		deep = zipOf(member{"n.zip", string(deep)})
	}
	add("archives in archives", "a.zip", "application/zip", deep)
	bomb := strings.Repeat("\x00", 8<<20)
	add("a bomb", "a.zip", "application/zip", zipOf(member{"a", bomb}))
	add("a bomb", "a.gz", "application/gzip", gzipOf([]byte(bomb)))
	add("a bomb in it", "a.zip", "application/zip", zipOf(member{"a.gz", string(gzipOf([]byte(bomb)))}))
	eicar := `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR` + `-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`
	add("EICAR", "a.zip", "application/zip", zipOf(member{"a.txt", eicar}))
	add("EICAR", "a.gz", "application/gzip", gzipOf([]byte(eicar)))
	add("EICAR", "a.tar", "application/x-tar", tarOf(tarFile("a", eicar)))
	add("EICAR", "a.tgz", "application/gzip", gzipOf(tarOf(tarFile("a", eicar))))
	add("a program without its name", "a.zip", "application/zip", zipOf(member{"readme", "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 100)}))
	for _, h := range []*tar.Header{
		{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, {Name: "a", Typeflag: tar.TypeSymlink, Linkname: "../x"},
		{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}, {Name: "a", Typeflag: tar.TypeChar}, {Name: "a", Typeflag: tar.TypeBlock}, {Name: "a", Typeflag: tar.TypeFifo},
	} {
		add(fmt.Sprintf("a link or device %c %s", h.Typeflag, h.Linkname), "a.tar", "application/x-tar", tarOf(h))
	}
	add("a write through a link", "a.tar", "application/x-tar", tarOf(&tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "d"}, tarFile("a/b", "x")))
	plain := zipOf(member{"good.txt", "hello"})
	at := strings.LastIndex(string(plain), "good.txt")
	other := append([]byte(nil), plain...)
	copy(other[at:], "evil.txt")
	add("a directory that lies about a name", "a.zip", "application/zip", other)
	for _, change := range [...]struct {
		what   string
		offset int
		value  byte
	}{{"an encrypted member", 6, 1}, {"a wrong method", 8, 99}, {"patched data", 6, 0x28}} {
		bad := append([]byte(nil), plain...)
		bad[change.offset] |= change.value
		add(change.what, "a.zip", "application/zip", bad)
	}
	add("bytes before its directory", "a.zip", "application/zip", shifted(plain))
}

// shifted moves the directory away from the members.
func shifted(archive []byte) []byte {
	start := int(binary.LittleEndian.Uint32(archive[len(archive)-6:]))
	out := append([]byte(nil), archive[:start]...)
	out = append(append(out, "hidden bytes"...), archive[start:]...)
	binary.LittleEndian.PutUint32(out[len(out)-6:], uint32(start+12)) //nolint:gosec // small
	return out
}

func (g *generator) office() {
	add := func(what, name, declared string, content []byte) {
		g.add("office", "a document with "+what, name, declared, content, true)
	}
	rel := func(kind, target string) string {
		return relOpen + `<Relationship Id="r1" Type="` + relType + kind + `" Target="` + target + `" TargetMode="External"/></Relationships>`
	}
	for _, kind := range []string{"attachedTemplate", "oleObject", "frame", "subDocument"} {
		add("an external "+kind, "a.docx", docx, wordOf(member{"word/_rels/settings.xml.rels", rel(kind, "http://x/y.dotm")}))
		add("an external "+kind, "a.pptx", pptx, slidesOf(member{"ppt/slides/_rels/s.xml.rels", rel(kind, "http://x/y")}))
	}
	add("an MHTML link", "a.docx", docx, wordOf(member{"word/_rels/document.xml.rels", rel("hyperlink", "mhtml:http://x!y")}))
	add("macros", "a.docx", docx, wordOf(member{"word/vbaProject.bin", "x"}))
	add("macros", "a.xlsx", xlsx, sheetOf(member{"xl/vbaProject.bin", "x"}))
	add("macro sheets", "a.xlsx", xlsx, sheetOf(member{"xl/macrosheets/sheet1.xml", "<x/>"}))
	add("Basic", "a.odt", odt, odtOf(member{"Basic/Standard/a.xml", "<x/>"}))
	add("DDE", "a.docx", docx, wordOf(member{"word/footer.xml", "<w:p><w:instrText> DDEAUTO c:\\x </w:instrText></w:p>"}))
	add("DDE in pieces", "a.docx", docx, wordOf(member{"word/footer.xml", "<w:p><w:instrText>D</w:instrText><w:instrText>DE x</w:instrText></w:p>"}))
	add("DDE as a simple field", "a.docx", docx, wordOf(member{"word/footer.xml", `<w:fldSimple w:instr="DDE x y"/>`}))
	add("a DDE link", "a.xlsx", xlsx, sheetOf(member{"xl/externalLinks/externalLink1.xml", `<externalLink><ddeLink ddeService="cmd"/></externalLink>`}))
	add("an OLE object", "a.docx", docx, wordOf(member{"word/embeddings/oleObject1.bin", string(oleOf("x"))}))
	add("an OLE object", "a.odt", odt, odtOf(member{"Object 1", string(oleOf("x"))}))
	for _, entry := range []string{"VBA", "_VBA_PROJECT", "_VBA_PROJECT_CUR", "Macros", "\x01Ole10Native", "EncryptedPackage"} {
		add("the stream "+entry, "a.doc", "application/msword", oleOf("WordDocument", entry))
	}
	add("an object", "a.rtf", "application/rtf", []byte(`{\rtf1{\object\objemb{\*\objdata 0105}}}`))
	add("a DDE field", "a.rtf", "application/rtf", []byte(`{\rtf1{\field{\*\fldinst {DDEAUTO c:\\x}}}}`))
	add("DDE in a cell", "a.csv", "text/csv", []byte("a,b\n=cmd|'/c calc'!A0,1\n"))
	add("DDE in quotes", "a.csv", "text/csv", []byte("a,b\n\"=cmd|'/c calc'!A0\",1\n"))
	add("an entity", "a.xml", "application/xml", []byte(`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///x">]><a>&x;</a>`))
	add("entities that multiply", "a.xml", "application/xml", []byte(`<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><a>&y;</a>`))
}

func (g *generator) polyglots() {
	add := func(what, name, declared string, content []byte) {
		g.add("polyglot", what, name, declared, content, true)
	}
	php, script, archive := "<?php x ?>", "<script>x</script>", string(zipOf(member{"a.txt", "x"}))
	pe := "MZ\x90\x00" + strings.Repeat("\x00", 300)
	for _, behind := range [...]struct{ what, content string }{{"PHP", php}, {"a script", script}, {"a ZIP", archive}, {"a program", pe}} {
		for _, s := range samples()[:3] {
			add(s.id+" with "+behind.what+" behind it", "a."+s.ext, s.media, append(append([]byte(nil), s.content...), behind.content...))
		}
	}
	add("a PDF with a ZIP behind it", "a.pdf", "application/pdf", append(pdfOf(""), archive...))
	add("a program before a ZIP", "a.zip", "application/zip", []byte(pe+archive))
	add("PHP in a JPEG's comment", "a.jpg", "image/jpeg", append([]byte("\xff\xd8\xff\xfe\x00\x0c"+php), jpegOf(1)[2:]...))
	add("a GIF that is JavaScript", "a.gif", "image/gif", []byte("GIF89a/*\x00\x00*/=1;alert(1)"))
	add("a WAV with a script in it", "a.wav", "audio/wav", append(wavOf(0)[:40], "\x12\x00\x00\x00<script>x</script>"...))
}

func (g *generator) broken() {
	for _, s := range samples() {
		if s.id == "txt" || s.id == "ole" {
			continue
		}
		g.add("broken", "half a "+s.id, "a."+s.ext, s.media, s.content[:len(s.content)*2/3], true)
		g.add("broken", "an empty "+s.id, "a."+s.ext, s.media, nil, true)
	}
	huge := pngOf(1)
	binary.BigEndian.PutUint32(huge[16:], 60000)
	binary.BigEndian.PutUint32(huge[20:], 60000)
	g.add("broken", "a PNG of 3.6 billion pixels", "a.png", "image/png", huge, true)
	wide := gifOf(1)
	binary.LittleEndian.PutUint16(wide[6:], 65535)
	binary.LittleEndian.PutUint16(wide[8:], 65535)
	g.add("broken", "a GIF of 4 billion pixels", "a.gif", "image/gif", wide, true)
	g.add("broken", "JSON that is cut off", "a.json", "application/json", []byte(`{"a":[1,2`), true)
	g.add("broken", "JSON whose brackets cross", "a.json", "application/json", []byte(`{"a":[1}]`), true)
	g.add("broken", "control bytes in a text", "a.txt", "text/plain", []byte("a\x00\x01\x02b"), true)
}
