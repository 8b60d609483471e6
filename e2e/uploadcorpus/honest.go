package uploadcorpus

import (
	"archive/tar"
	"fmt"
	"strings"
)

const (
	docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	odt  = "application/vnd.oasis.opendocument.text"

	svgOpen = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">`
	relOpen = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	relType = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
)

func wordOf(more ...member) []byte {
	return zipOf(append([]member{{"[Content_Types].xml", "<Types/>"}, {"_rels/.rels", relOpen + "</Relationships>"},
		{"word/document.xml", "<w:document><w:body><w:p><w:r><w:t>hello</w:t></w:r></w:p></w:body></w:document>"}}, more...)...)
}

func sheetOf(more ...member) []byte {
	return zipOf(append([]member{{"[Content_Types].xml", "<Types/>"}, {"xl/workbook.xml", "<workbook/>"}}, more...)...)
}

func slidesOf(more ...member) []byte {
	return zipOf(append([]member{{"[Content_Types].xml", "<Types/>"}, {"ppt/presentation.xml", "<p:presentation/>"}}, more...)...)
}

func odtOf(more ...member) []byte {
	return zipOf(append([]member{{"mimetype", odt}, {"content.xml", "<office:document-content/>"}}, more...)...)
}

// sample is one honest file of a type.
type sample struct {
	id, ext, media string
	content        []byte
}

// samples holds one of each type that the corpus crosses with the others.
func samples() []sample {
	return []sample{
		{"jpeg", "jpg", "image/jpeg", jpegOf(1)}, {"png", "png", "image/png", pngOf(1)}, {"gif", "gif", "image/gif", gifOf(1)},
		{"svg", "svg", "image/svg+xml", []byte(svgOpen + `<path d="M0 0"/></svg>`)},
		{"pdf", "pdf", "application/pdf", pdfOf("")}, {"docx", "docx", docx, wordOf()}, {"xlsx", "xlsx", xlsx, sheetOf()},
		{"pptx", "pptx", pptx, slidesOf()}, {"odt", "odt", odt, odtOf()},
		{"zip", "zip", "application/zip", zipOf(member{"a.txt", "hello"})},
		{"gzip", "gz", "application/gzip", gzipOf([]byte("hello"))},
		{"tar", "tar", "application/x-tar", tarOf(tarFile("a.txt", "hello"))},
		{"wav", "wav", "audio/wav", wavOf(100)},
		{"rtf", "rtf", "application/rtf", []byte(`{\rtf1\ansi hello}`)},
		{"ole", "doc", "application/msword", oleOf("WordDocument", "1Table")},
		{"txt", "txt", "text/plain", []byte("hello, world\n")},
	}
}

func (g *generator) honest() {
	for n := range 15 {
		g.add("honest", "a PNG", fmt.Sprintf("photo %d.png", n), "image/png", pngOf(n), false)
		g.add("honest", "a JPEG", fmt.Sprintf("IMG_%04d.JPG", n), "image/jpeg", jpegOf(n), false)
		g.add("honest", "a GIF", fmt.Sprintf("anim(%d).gif", n), "image/gif", gifOf(n), false)
		g.add("honest", "a WAV", fmt.Sprintf("sound-%d.wav", n), "audio/x-wav", wavOf(n*50), false)
	}
	for i, c := range []string{"", "/OpenAction [3 0 R /Fit] ", "/OpenAction << /S /GoTo /D [3 0 R /Fit] >> ", "/AcroForm << /Fields [] >> ",
		"/Names << /Dests << /Names [] >> >> ", "/Outlines << /First 9 0 R /Count 1 >> ", "/URI << /Base (https://example.com) >> ", "/Lang (de) "} {
		g.add("honest", "a PDF with "+c, fmt.Sprintf("report-%d.pdf", i), "application/pdf", pdfOf(c), false)
		for level := range 4 {
			g.add("honest", "a PDF that keeps in an object stream "+c, fmt.Sprintf("packed-%d.pdf", i), "application/pdf",
				pdfOf("", objectStream("<< "+c+">>", level*3)), false)
		}
	}
	for _, s := range []string{`<text>on once, upon onset = true</text>`, `<a href="https://example.com/"><text>x</text></a>`,
		`<use href="#a"/>`, `<image href="data:image/png;base64,AAAA"/>`, `<style>path{fill:url(#g)}</style>`, `<!-- <script> --><path/>`,
		`<animate attributeName="x" from="0" to="5"/>`, `<text>javascript: the language</text>`} {
		g.add("honest", "an SVG with "+s, "drawing.svg", "image/svg+xml", []byte(svgOpen+s+"</svg>"), false)
	}
	g.honestDocuments()
}

func (g *generator) honestDocuments() {
	link := member{"word/_rels/document.xml.rels", relOpen + `<Relationship Id="r1" Type="` + relType + `hyperlink" Target="https://example.com" TargetMode="External"/></Relationships>`}
	for _, d := range []File{
		{"", "a link", "a.docx", docx, wordOf(link), false}, {"", "the word DDE", "b.docx", docx, wordOf(member{"word/footer.xml", "<w:p><w:t>DDEAUTO is a field</w:t></w:p>"}), false},
		{"", "a page field", "c.docx", docx, wordOf(member{"word/header.xml", "<w:p><w:instrText> PAGE </w:instrText></w:p>"}), false},
		{"", "a chart's workbook", "d.pptx", pptx, slidesOf(member{"ppt/embeddings/book.xlsx", string(sheetOf())}), false},
		{"", "a picture", "e.xlsx", xlsx, sheetOf(member{"xl/media/image1.png", string(pngOf(3))}), false},
		{"", "settings", "f.odt", odt, odtOf(member{"settings.xml", "<office:settings/>"}), false},
		{"", "streams", "g.doc", "application/msword", oleOf("WordDocument", "Data", "\x05SummaryInformation"), false},
		{"", "an archive in it", "h.zip", "application/zip", zipOf(member{"inner.zip", string(zipOf(member{"a.txt", "x"}))}), false},
		{"", "a log that packs well", "i.zip", "application/zip", zipOf(member{"log.txt", strings.Repeat("GET / 200\n", 6000)}), false},
		{"", "a folder", "j.tgz", "application/gzip", gzipOf(tarOf(&tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tarFile("d/a", "x"))), false},
		{"", "a link inside", "k.tar", "application/x-tar", tarOf(tarFile("d/a", "x"), &tar.Header{Name: "d/b", Typeflag: tar.TypeSymlink, Linkname: "a"}), false},
		{"", "lines", "l.ndjson", "application/x-ndjson", []byte("{\"a\":1}\n{\"a\":2}\n"), false},
		{"", "brackets in strings", "m.json", "application/json", []byte(`{"a":"}{\"]["}`), false},
		{"", "negative numbers", "n.csv", "text/csv", []byte("a,b\n-1,+2\n=A1+B1,x\n"), false},
		{"", "markup in a cell", "o.csv", "text/csv", []byte("a,b\n<b>x</b>,y|z\n"), false},
		{"", "a declared name", "p.xml", "application/xml", []byte(`<!DOCTYPE a [<!ENTITY n "text">]><a>&n;</a>`), false},
		{"", "two pictures", "q.jpg", "image/jpeg", append(jpegOf(2), jpegOf(3)...), false},
	} {
		g.add("honest", "with "+d.What, d.Name, d.Declared, d.Content, false)
	}
}

// aliases are honest files under other names for their types.
func (g *generator) aliases() {
	for _, a := range [...]struct{ id, name, media string }{
		{"jpeg", "a.jpeg", "image/jpg"}, {"jpeg", "a.jpe", "image/pjpeg"}, {"jpeg", "a.jfif", "image/jpeg"}, {"png", "a.PNG", "image/x-png"},
		{"gif", "a.Gif", "application/octet-stream"}, {"pdf", "a.pdf", "application/x-pdf"}, {"zip", "a.zip", "application/x-zip-compressed"},
		{"zip", "a.zip", ""}, {"gzip", "a.gz", "application/x-gzip"}, {"wav", "a.wav", "audio/wave"}, {"rtf", "a.rtf", "text/rtf"},
		{"txt", "a.md", "text/markdown; charset=utf-8"}, {"txt", "a.log", "text/plain"}, {"txt", "a.csv", "text/csv"}, {"svg", "a.svg", "image/svg+xml; charset=utf-8"},
		{"png", "a..b.png", "image/png"}, {"png", "CONcert.png", "image/png"}, {"png", "مرحبا.png", "image/png"}, {"png", "naïve résumé.png", "image/png"},
		{"png", ".hidden.png", "image/png"}, {"png", "v1.2.3.png", "image/png"}, {"png", "日本語.png", "image/png"}, {"png", "a+b@c#d.png", "image/png"},
	} {
		for _, s := range samples() {
			if s.id == a.id {
				g.add("alias", "a "+a.id+" as "+a.name+" "+a.media, a.name, a.media, s.content, false)
			}
		}
	}
}
