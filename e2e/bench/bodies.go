package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"gatehouse/e2e/pack"
)

// body is a request's body in pieces, some of them the same memory.
type body struct {
	path, contentType string
	pieces            [][]byte
	unpacked          int64 // what it holds, if that is not what is sent
}

func (b body) size() (n int64) {
	for _, p := range b.pieces {
		n += int64(len(p))
	}
	return n
}

// boundary is as long as browsers make them.
const boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW1"

// inspected is how many bytes the filter looks at.
func (b body) inspected() int64 { return max(b.unpacked, b.size()) }

// inForm makes one file of a form of a body.
func (b body) inForm(name string) body {
	head := fmt.Appendf(nil, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=%q\r\nContent-Type: %s\r\n\r\n", boundary, name, b.contentType)
	tail := fmt.Appendf(nil, "\r\n--%s--\r\n", boundary)
	pieces := append([][]byte{head}, b.pieces...)
	return body{contentType: "multipart/form-data; boundary=" + boundary, pieces: append(pieces, tail)}
}

// workloads are what is measured, with the ratio that is promised for each.
func workloads(t pack.TB) []*workload {
	const mb = 1_000_000
	const decision, whole, small = 0.90, 0.70, 0.85
	return []*workload{
		{name: "JPEG, type only, 10 MB", typed: true, target: decision, body: jpegOf(10 * mb)},
		{name: "JPEG, type only, 100 MB", typed: true, target: decision, body: jpegOf(100 * mb)},
		{name: "PNG in a form, type only, 10 MB", typed: true, target: decision, body: pngOf(10 * mb).inForm("a.png")},
		{name: "PNG in a form, type only, 100 MB", typed: true, target: decision, body: pngOf(100 * mb).inForm("a.png")},
		{name: "JPEG, 10 MB", target: whole, body: jpegOf(10 * mb)},
		{name: "JPEG, 100 MB", target: whole, body: jpegOf(100 * mb)},
		{name: "PNG in a form, 10 MB", target: whole, body: pngOf(10 * mb).inForm("a.png")},
		{name: "PNG in a form, 100 MB", target: whole, body: pngOf(100 * mb).inForm("a.png")},
		{name: "JPEG in a form, 10 MB", target: whole, body: jpegOf(10 * mb).inForm("a.jpg")},
		{name: "MP4, 10 MB", target: decision, body: mp4Of(10 * mb)},
		{name: "MP4 in a form, 100 MB", target: decision, body: mp4Of(100 * mb).inForm("a.mp4")},
		{name: "PDF of pictures, 10 MB", target: whole, body: pdfOf(10*mb, false)},
		{name: "PDF of text in a form, 10 MB", target: whole, body: pdfOf(10*mb, true).inForm("a.pdf")},
		{name: "DOCX of pictures, 10 MB", target: whole, body: docxOf(t, 10*mb, false)},
		{name: "DOCX of text, 10 MB", target: whole, body: docxOf(t, 10*mb, true)},
		{name: "SVG, 10 MB", target: whole, body: svgOf(10 * mb)},
		{name: "text, 10 MB", target: whole, body: textOf(10 * mb)},
		{name: "PNG in a form, 100 kB", target: small, body: pngOf(100_000).inForm("a.png")},
		{name: "JPEG in a form, 20 kB", target: small, body: jpegOf(20_000).inForm("a.jpg")},
		{name: "PDF in a form, 50 kB", target: small, body: pdfOf(50_000, false).inForm("a.pdf")},
		{name: "text in a form, 4 kB", target: small, body: textOf(4_000).inForm("a.txt")},
	}
}

// noise is a mebibyte that nothing compresses.
func noise(stuffed bool) []byte {
	r := rand.New(rand.NewPCG(6, 40)) // #nosec G404 -- the same in each run
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(r.Uint32())
		if stuffed && i > 0 && b[i-1] == 0xff {
			b[i] = 0
		}
	}
	b[len(b)-1] = 'x'
	return b
}

// repeated makes size bytes of a block.
func repeated(block []byte, size int) (pieces [][]byte) {
	for size > 0 {
		n := min(size, len(block))
		pieces, size = append(pieces, block[:n]), size-n
	}
	return pieces
}

func around(path, contentType, head string, pieces [][]byte, tail string) body {
	all := append([][]byte{[]byte(head)}, pieces...)
	return body{path: path, contentType: contentType, pieces: append(all, []byte(tail))}
}

func jpegOf(size int) body {
	head := "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" +
		"\xff\xc0\x00\x0b\x08\x0c\x00\x10\x00\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
	return around("/a.jpg", "image/jpeg", head, repeated(noise(true), size), "\xff\xd9")
}

func pngChunk(kind string, size int) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(size))) + kind //nolint:gosec // sizes of this program
}

func pngOf(size int) body {
	const sum = "\x00\x00\x00\x00"
	head := "\x89PNG\r\n\x1a\n" + pngChunk("IHDR", 13) + "\x00\x00\x40\x00\x00\x00\x10\x00\x08\x02\x00\x00\x00" + sum
	block := []byte(pngChunk("IDAT", 8192) + string(noise(false)[:8192]) + sum)
	return around("/a.png", "image/png", head, repeated(bytes.Repeat(block, 128), size/len(block)*len(block)), pngChunk("IEND", 0)+sum)
}

func mp4Of(size int) body {
	head := "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + pngChunk("mdat", size+8)
	return around("/a.mp4", "video/mp4", head, repeated(noise(false), size), "\x00\x00\x00\x08moov")
}

// pdfOf is of streams of pictures, or of objects and of text in content streams.
func pdfOf(size int, text bool) body {
	stream := "1 0 obj\n<< /Length 65536 /Filter /DCTDecode >>\nstream\n" + string(noise(true)[:65536]) + "\nendstream\nendobj\n"
	if text {
		stream = "1 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R >>\nendobj\n" +
			"3 0 obj\n<< /Length 2000 >>\nstream\n" + strings.Repeat("BT /F1 12 Tf 72 720 Td (Hello, world) Tj ET\n", 45) + "endstream\nendobj\n"
	}
	block := bytes.Repeat([]byte(stream), max(1, min(size, 1<<20)/len(stream)))
	tail := "2 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 2 0 R >>\nstartxref\n0\n%%EOF\n"
	return around("/a.pdf", "application/pdf", "%PDF-1.7\n", repeated(block, max(1, size/len(block))*len(block)), tail)
}

// docxOf holds pictures, or text that deflates to a quarter.
func docxOf(t pack.TB, size int, text bool) body {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	unpacked := int64(0)
	add := func(name string, content []byte) {
		unpacked += int64(len(content))
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("[Content_Types].xml", []byte("<Types/>"))
	add("_rels/.rels", []byte("<x/>"))
	if text {
		for i := 0; b.Len() < size; i++ {
			name := "word/document.xml"
			if i > 0 {
				name = fmt.Sprintf("word/footnotes%d.xml", i)
			}
			add(name, words(4<<20))
		}
	} else {
		add("word/document.xml", []byte("<w/>"))
		picture := bytes.Join(jpegOf(1<<20).pieces, nil)
		for i := 0; b.Len() < size; i++ {
			add(fmt.Sprintf("word/media/image%d.jpeg", i), picture)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body{path: "/a.docx", contentType: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", pieces: [][]byte{b.Bytes()}, unpacked: unpacked}
}

// words are an XML of words as a document has them.
func words(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same in each run
	b := []byte("<w>")
	for len(b) < size {
		b = append(b, "<w:t>"...)
		for range 10 {
			for range 3 + r.IntN(6) {
				b = append(b, "etaoinshrdlu"[r.IntN(12)])
			}
			b = append(b, ' ')
		}
		b = append(b, "</w:t>"...)
	}
	return append(b, "</w>"...)
}

func svgOf(size int) body {
	shape := `<path d="M10.5 20.25 L30.75 40 C50 60.5 70.25 80 90 100 Z" fill="#aabbcc" stroke-width="2"/>` + "\n"
	block := bytes.Repeat([]byte(shape), (1<<20)/len(shape))
	return around("/a.svg", "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg">`+"\n", repeated(block, size/len(shape)*len(shape)), "</svg>\n")
}

func textOf(size int) body {
	line := "It was the best of times, it was the worst of times; 1 < 2, and so on and so forth.\n"
	return around("/a.txt", "text/plain", "", repeated(bytes.Repeat([]byte(line), (1<<20)/len(line)), size/len(line)*len(line)), "")
}
