package uploadcorpus

import (
	"bytes"
	"compress/lzw"
	"encoding/ascii85"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
)

// siblings are attacks beside the ones that public collections have: other hiding
// places, other encodings, other generators; each with an honest neighbour.
func (g *generator) siblings() {
	g.pdfFilters()
	g.pdfActions()
	g.pictures()
	g.drawings()
	g.documents()
	g.sheetsAndTexts()
}

// pdfEncodings are the filters of streams, alone and on one another.
func pdfEncodings() []struct {
	filter string
	encode func(string) string
} {
	flate := func(s string) string { return string(zlibOf(s, 6)) }
	inHex := func(s string) string { return hex.EncodeToString([]byte(s)) + ">" }
	in85 := func(s string) string {
		out := make([]byte, ascii85.MaxEncodedLen(len(s)))
		return string(out[:ascii85.Encode(out, []byte(s))]) + "~>"
	}
	runs := func(s string) string {
		var out strings.Builder
		for ; s != ""; s = s[min(128, len(s)):] {
			out.WriteByte(byte(min(128, len(s)) - 1)) //nolint:gosec // at most 127
			out.WriteString(s[:min(128, len(s))])
		}
		return out.String() + "\x80"
	}
	codes := func(s string) string {
		var b bytes.Buffer
		w := lzw.NewWriter(&b, lzw.MSB, 8)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.String()
	}
	rows := func(s string) string {
		var out strings.Builder
		before := make([]byte, 5)
		for s += strings.Repeat(" ", (5-len(s)%5)%5); s != ""; s = s[5:] {
			out.WriteByte(2)
			for i := range 5 {
				out.WriteByte(s[i] - before[i])
			}
			copy(before, s)
		}
		return flate(out.String())
	}
	return []struct {
		filter string
		encode func(string) string
	}{
		{"/Filter /ASCIIHexDecode", inHex}, {"/Filter /ASCII85Decode", in85}, {"/Filter /RunLengthDecode", runs},
		{"/Filter /LZWDecode /DecodeParms << /EarlyChange 0 >>", codes}, {"/Filter [/A85 /Fl]", func(s string) string { return in85(flate(s)) }},
		{"/Filter [/Fl /AHx]", func(s string) string { return flate(inHex(s)) }}, {"/Filter [/Fl /Fl]", func(s string) string { return flate(flate(s)) }},
		{"/Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 5 >>", rows},
	}
}

func (g *generator) pdfFilters() {
	const script, font = "<< /S /JavaScript /JS (x) >>", "<< /Type /Font >>"
	for _, e := range pdfEncodings() {
		object := func(o, more string) string {
			data := e.encode("10 0 11 18 " + font + " " + o)
			return fmt.Sprintf("<< /Type /ObjStm /N 2 /First 11 %s %s >>\nstream\n%s\nendstream", e.filter, more, data)
		}
		g.add("pdf-filter", "JavaScript behind "+e.filter, "a.pdf", "application/pdf", pdfOf("", object(script, "")), true)
		g.add("pdf-filter", "JavaScript far behind "+e.filter, "a.pdf", "application/pdf", pdfOf("", object("<< /X ("+strings.Repeat("a text of some kind ", 400)+") >> "+script, "")), true)
		g.add("pdf-filter", "a stream in a string, then "+e.filter, "a.pdf", "application/pdf", pdfOf("", object(script, "/Q (stream\n 5 0 <<>> endstream)")), true)
		hidden := strings.Replace(object(script, ""), "/Type /ObjStm", "/Type 9 0 R", 1)
		g.add("pdf-filter", "a type told elsewhere, and "+e.filter, "a.pdf", "application/pdf", pdfOf("", hidden), true)
		g.add("honest", "fonts behind "+e.filter, "a.pdf", "application/pdf", pdfOf("", object(font, "")), false)
	}
}

func (g *generator) pdfActions() {
	for _, a := range []string{
		"/OpenAction << /S /URI /URI (http://x) >>", "/OpenAction << /X (>>) /S /GoToR /F (x) >>", "/AA << /O << /S /GoToE /F (x) >> >>", "/#4fpenAction << /S /#55RI /URI (http://x) >>",
		"/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next << /S /URI /URI (http://x) >> >>", "/AF [<< /EF << /F 4 0 R >> >>]", "/X << /Subtype /3D /3DD << /OnInstantiate 4 0 R >> >>",
		"/OpenAction << /S /Rendition /JS (x) /OP 0 >>", "/OpenAction << /S /JavaScript /JS <78> >>", "/OpenAction << /S /JavaScript /JS % c\n(x) >>", "/OpenAction << /S /Launch /Win << /F (cmd) >> >>",
	} {
		g.add("pdf-action", a, "a.pdf", "application/pdf", pdfOf(a), true)
		g.add("pdf-action", "in an object stream "+a, "a.pdf", "application/pdf", pdfOf("", objectStream("<< "+a+" >>", 6)), true)
	}
	referred := strings.Replace(string(pdfOf("/OpenAction 7 0 R ")), "trailer", "7 0 obj\n<< /S /URI /URI (http://x) >>\nendobj\ntrailer", 1)
	g.add("pdf-action", "an address elsewhere, on opening", "a.pdf", "application/pdf", []byte(referred), true)
	for _, behind := range [...]string{"MZ" + strings.Repeat("\x00", 62) + "PE\x00\x00\x4c\x01", "<script>alert(1)</script>", "Rar!\x1a\x07\x00more", "\x7fELF\x02\x01\x01 and so on", "\n#!/bin/sh\nid\n"} {
		g.add("pdf-action", fmt.Sprintf("a PDF with %.8q behind it", behind), "a.pdf", "application/pdf", append(pdfOf(""), behind...), true)
	}
	for _, a := range []string{
		"/OpenAction [3 0 R /FitH 800] ", "/X << /S /URI /URI (https://developer.mozilla.org/en-US/docs/Web/JavaScript) >> ", "/X << /S /GoToR /F (other.pdf) >> ", "/AA << >> ",
		"/OpenAction << /S /GoTo /D [3 0 R /Fit] >> /X << /S /URI /URI (http://x) >> ", "/URI << /Base (http://x) >> ", "/AcroForm << /Fields [] >> ",
	} {
		g.add("honest", "a PDF with "+a, "a.pdf", "application/pdf", pdfOf(a), false)
		g.add("honest", "an object stream with "+a, "a.pdf", "application/pdf", pdfOf("", objectStream("<< "+a+" >>", 6)), false)
	}
}

func pngWith(kind, data string) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(data))) //nolint:gosec // small
	chunk = append(chunk, kind+data...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE([]byte(kind+data)))
	png := pngOf(3)
	return append(append(append([]byte(nil), png[:33]...), chunk...), png[33:]...)
}

func (g *generator) pictures() {
	for _, code := range []string{"<?php system($_GET[0]); ?>", "<?= system($_GET[0]) ?>", "<% eval request(\"x\") %>", "<script>alert(1)</script>", "<svg onload=alert(1)>", "<iframe src=javascript:x>", "<html><body onload=x>"} {
		g.add("picture", "tEXt with "+code, "a.png", "image/png", pngWith("tEXt", "Comment\x00"+code), true)
		g.add("picture", "zTXt with "+code, "a.png", "image/png", pngWith("zTXt", "Comment\x00\x00"+string(zlibOf(code, 6))), true)
		g.add("picture", "iTXt with "+code, "a.png", "image/png", pngWith("iTXt", "Comment\x00\x01\x00en\x00c\x00"+string(zlibOf(code, 6))), true)
		comment := append([]byte("\xff\xd8\xff\xfe\x00"), byte(len(code)+2)) //nolint:gosec // small
		g.add("picture", "a JPEG's comment with "+code, "a.jpg", "image/jpeg", append(append(comment, code...), jpegOf(1)[2:]...), true)
		g.add("picture", "a BMP with "+code, "a.bmp", "image/bmp", append(bmpOf(9, 9), code...), true)
	}
	bomb := string(zlibOf(strings.Repeat("\x00", 9<<20), 9))
	for _, kind := range []string{"zTXt", "iCCP"} {
		g.add("picture", "a bomb in "+kind, "a.png", "image/png", pngWith(kind, "c\x00\x00"+bomb), true)
	}
	g.add("picture", "more than the rows in IDAT", "a.png", "image/png", bytes.Replace(pngWith("IDAT", bomb), []byte("\x00\x00\x00\x13"), []byte("\x00\x00\x00\x13"), 1), true)
	for _, other := range [...]string{"PE\x00\x00\x64\x86", "\x7fELF\x01\x01\x01", "Rar!\x1a\x07", "7z\xbc\xaf\x27\x1c", "%PDF-1.7", "\n#!/bin/sh\n"} {
		for _, pad := range []int{0, 20, 5000} {
			behind := append(bytes.Repeat([]byte{0xa5}, pad), other...)
			g.add("picture", fmt.Sprintf("a JPEG, %d bytes, %q", pad, other), "a.jpg", "image/jpeg", append(jpegOf(1), behind...), true)
			g.add("picture", fmt.Sprintf("a BMP, %d bytes, %q", pad, other), "a.bmp", "image/bmp", append(bmpOf(9, 9), behind...), true)
		}
	}
	g.add("picture", "a BMP that is a script", "a.bmp", "image/bmp", append(append([]byte("BM/*"), bmpOf(9, 9)[4:]...), "*/=1;alert(1)"...), true)
	g.add("picture", "a GIF that begins a comment", "a.gif", "image/gif", append([]byte("GIF89a/*"), gifOf(1)[8:]...), true)
	g.add("picture", "a BMP of 4 billion pixels", "a.bmp", "image/bmp", bmpOf(65000, 65000), true)
	for _, behind := range [...]string{"\x00", "\n", strings.Repeat("\x00", 30_000)} {
		g.add("honest", fmt.Sprintf("a PNG, %d blanks", len(behind)), "a.png", "image/png", append(pngOf(1), behind...), false)
		g.add("honest", fmt.Sprintf("a JPEG, %d blanks", len(behind)), "a.jpg", "image/jpeg", append(jpegOf(1), behind...), false)
	}
	g.add("honest", "a JPEG, what was left in a buffer", "a.jpg", "image/jpeg", append(jpegOf(1), bytes.Repeat([]byte("\xe0\x1c\x26\x11\xd9"), 9000)...), false)
	g.add("honest", "a PNG with texts", "a.png", "image/png", pngWith("zTXt", "c\x00\x00"+string(zlibOf(strings.Repeat("a text ", 9000), 6))), false)
	g.add("honest", "a BMP", "a.bmp", "image/bmp", bmpOf(9, 9), false)
}

// bmpOf has its header right, and a few pixels.
func bmpOf(width, height uint32) []byte {
	le := binary.LittleEndian
	b := append([]byte("BM"), make([]byte, 52)...)
	le.PutUint32(b[10:], 54)
	le.PutUint32(b[14:], 40)
	le.PutUint32(b[18:], width)
	le.PutUint32(b[22:], height)
	le.PutUint16(b[26:], 1)
	le.PutUint16(b[28:], 24)
	b = append(b, bytes.Repeat([]byte{0x88}, 252)...)
	le.PutUint32(b[2:], uint32(len(b))) //nolint:gosec // small
	return b
}
