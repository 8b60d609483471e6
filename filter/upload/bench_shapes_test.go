package upload

import (
	"bytes"
	a85 "encoding/ascii85"
	"strings"
	"testing"
)

// BenchmarkShapes is what files cost whose every byte is looked at.
func BenchmarkShapes(b *testing.B) {
	p := policyOf(b, Config{MaxFileSize: 64 << 20})
	words := strings.Repeat("It was the best of times, it was the worst of times, it was the age of wisdom. ", 10)
	paragraph := `<w:p w:rsidR="00A77B3E"><w:pPr><w:spacing w:after="120"/></w:pPr><w:r><w:t xml:space="preserve">` + words + "</w:t></w:r></w:p>"
	cell := `<c r="A1" s="2" t="s"><v>17</v></c>`
	var text85 bytes.Buffer
	w := a85.NewEncoder(&text85)
	_, _ = w.Write([]byte(zlibbed(b, words) + noisy(2000, false)))
	_ = w.Close()
	drawing := func(s string) string {
		return `<svg xmlns="http://www.w3.org/2000/svg">` + strings.Repeat(s, 2<<20/len(s)) + "</svg>"
	}
	for _, test := range []struct{ name, file, content string }{
		{"BMP", "a.bmp", "BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x10\x00\x00\x00\x10\x00\x00\x00\x01\x00\x18\x00" + strings.Repeat("\x00", 24) + noisy(4<<20, false)},
		{"TIFF", "a.tif", sampleTIFF(9, 9) + noisy(4<<20, false)},
		{"OLE", "a.doc", sampleOLE(505, true)[:512] + strings.Repeat(noisy(1<<16, false), 16)},
		{"SVG of paths", "a.svg", drawing(`<path d="M10.5 20.25 L30.75 40 C50 60.5 70.25 80 90 100 Z" fill="#aabbcc" stroke-width="2"/>` + "\n")},
		{"XML of records", "a.xml", "<rows>" + strings.Repeat(`<row id="17"><name>`+"Some One"+`</name><city>Berlin</city></row>`+"\n", 30000) + "</rows>"},
		{"DOCX stored", "a.docx", sampleDOCXOf("<w:document>" + strings.Repeat(paragraph, 2<<20/len(paragraph)) + "</w:document>")},
		{"DOCX packed", "a.docx", sampleZIP(b, "[Content_Types].xml=<Types/>", "word/document.xml=<w:document>"+strings.Repeat(paragraph, 2<<20/len(paragraph))+"</w:document>")},
		{"DOCX of pictures", "a.docx", sampleZIP(b, "[Content_Types].xml=<Types/>", "word/document.xml=<w/>", "word/media/a.jpeg="+largeJPEG(4<<20))},
		{"XLSX packed", "a.xlsx", sampleZIP(b, "[Content_Types].xml=<Types/>", "xl/worksheets/sheet1.xml=<s>"+strings.Repeat(cell, 2<<20/len(cell))+"</s>")},
		{"ZIP of text", "a.zip", sampleZIP(b, "a.txt="+strings.Repeat(words, 3000))},
		{"GZIP of text", "a.gz", zipped(b, strings.Repeat(words+noisy(100, false), 3000))},
		{"PDF of objects", "a.pdf", samplePDF(strings.Repeat("/Type /Page /MediaBox [0 0 612 792] ", 2<<20/36))},
		{"PDF of ASCII85", "a.pdf", samplePDF(strings.Repeat("1 0 obj << /Length 5 /Filter [/ASCII85Decode /FlateDecode] >>\nstream\n"+text85.String()+"~>\nendstream\nendobj\n", 800))},
		{"PDF of pictures", "a.pdf", samplePDF(strings.Repeat("1 0 obj << /Length 5 /Filter /DCTDecode >>\nstream\n"+largeJPEG(200_000)+"\nendstream\nendobj\n", 10))},
		{"PDF of packed pages", "a.pdf", samplePDF(strings.Repeat("1 0 obj << /Length 5 /Filter /FlateDecode >>\nstream\n"+zlibbed(b, "q BT "+noisy(3000, false)+words)+"\nendstream\nendobj\n", 600))},
		{"CSV", "a.csv", strings.Repeat("17,some words,2024-01-01,\"and a quoted, one\",-12.5\n", 40000)},
		{"RTF", "a.rtf", "{\\rtf1" + strings.Repeat("\\par "+words, 1000) + "}"},
		{"JSON", "a.json", "[" + strings.Repeat(`{"id":17,"name":"some one"},`, 40000) + "1]"},
		{"TAR", "a.tar", sampleTAR()},
	} {
		b.Run(test.name, func(b *testing.B) {
			content := []byte(test.content)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := p.Sniff(bytes.NewReader(content), test.file, "")
				if err != nil || !r.Accepted {
					b.Fatal(err, r)
				}
			}
		})
	}
}
