package upload

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	stdimage "image"
	stdgif "image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	stdzip "archive/zip"
)

// The samples are made here, by other people's encoders where there are any.

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func samplePDF(inside string) string {
	return "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R " + inside + ">>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n" +
		"trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
}

func samplePNG(t testing.TB) string {
	var b bytes.Buffer
	must(t, png.Encode(&b, stdimage.NewRGBA(stdimage.Rect(0, 0, 40, 30))))
	return b.String()
}

func sampleJPEG(t testing.TB) string {
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, stdimage.NewRGBA(stdimage.Rect(0, 0, 40, 30)), nil))
	return b.String()
}

func sampleGIF(t testing.TB) string {
	var b bytes.Buffer
	must(t, stdgif.Encode(&b, stdimage.NewRGBA(stdimage.Rect(0, 0, 40, 30)), nil))
	return b.String()
}

func sampleZIP(t testing.TB, members ...string) string {
	var b bytes.Buffer
	w := stdzip.NewWriter(&b)
	for _, m := range members {
		name, content, _ := strings.Cut(m, "=")
		method := stdzip.Deflate
		if name == "mimetype" {
			method = stdzip.Store
		}
		f, err := w.CreateHeader(&stdzip.FileHeader{Name: name, Method: method})
		must(t, err)
		_, err = f.Write([]byte(content))
		must(t, err)
	}
	must(t, w.Close())
	return b.String()
}

func sampleDOCX(t testing.TB, more ...string) string {
	return sampleZIP(t, append([]string{"[Content_Types].xml=<Types/>", "_rels/.rels=<x/>", "word/document.xml=<w/>"}, more...)...)
}

func sampleGZIP(t testing.TB) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte("hello"))
	must(t, err)
	must(t, w.Close())
	return b.String()
}

func sampleWAV() string {
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x44\xac\x00\x00\x44\xac\x00\x00\x01\x00\x08\x00data\x04\x00\x00\x00abcd")
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return string(b)
}

func sampleEXE() string {
	head := make([]byte, 0x80)
	copy(head, "MZ\x90\x00\x03\x00\x00\x00")
	head[0x3c] = 0x80
	return string(head) + "PE\x00\x00" + strings.Repeat("\x00", 300)
}

func sampleTAR() string {
	b := make([]byte, 1536)
	copy(b, "a.txt")
	copy(b[100:], "0000644\x000000000\x000000000\x0000000000005\x0000000000000\x00")
	copy(b[257:], "ustar\x0000")
	copy(b[148:], "        ")
	b[156] = '0'
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	digits := "0123456789"
	octal := ""
	for range 6 {
		octal = string(digits[sum&7]) + octal
		sum >>= 3
	}
	copy(b[148:], octal+"\x00 ")
	copy(b[512:], "hello")
	return string(b)
}

func pngChunk(kind, data string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(b, kind+data...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(kind+data))))
}

func policyOf(t testing.TB, c Config) *Policy {
	t.Helper()
	if c.Allow == nil {
		c.Allow = KnownGroups()
	}
	p, err := Compile(c)
	must(t, err)
	return p
}
