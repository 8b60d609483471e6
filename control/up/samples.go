package up

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
)

// writeSamples leaves files to try uploads with: honest ones, and files that
// only claim to be what their names say. The latter are harmless here.
func writeSamples(s state) error {
	photo, err := samplePNG()
	if err != nil {
		return fmt.Errorf("draw the sample image: %w", err)
	}
	files := map[string][]byte{
		"report.pdf":    samplePDF(),
		"photo.png":     photo,
		"malicious.pdf": sampleEXE(),
		"script.pdf":    []byte("#!/bin/sh\necho 'a script that only claims to be a PDF'\n"),
	}
	var errs []error
	for name, data := range files {
		path := s.path("samples", name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		errs = append(errs, writeFile(path, data))
	}
	return errors.Join(errs...)
}

// samplePDF is a whole PDF 1.4 with one line of text and a right cross-reference
// table (ISO 32000-1, section 7.5).
func samplePDF() []byte {
	text := "BT /F1 24 Tf 72 720 Td (An honest report.) Tj ET"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	out := []byte("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	offsets := make([]int, len(objects))
	for i, body := range objects {
		offsets[i] = len(out)
		out = fmt.Appendf(out, "%d 0 obj\n%s\nendobj\n", i+1, body)
	}
	table := len(out)
	out = fmt.Appendf(out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range offsets {
		out = fmt.Appendf(out, "%010d 00000 n \n", offset)
	}
	return fmt.Appendf(out, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table)
}

// samplePNG is a small gradient.
func samplePNG() ([]byte, error) {
	const size = 64
	picture := image.NewRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			picture.Set(x, y, color.RGBA{R: uint8(x * 4), G: uint8(y * 4), B: 160, A: 255})
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, picture)
	return out.Bytes(), err
}

// sampleEXE has the head of a DOS and PE executable and no code behind it.
func sampleEXE() []byte {
	const size, peOffset = 1024, 0x80
	out := make([]byte, size)
	copy(out, "MZ")
	out[0x3c] = peOffset
	copy(out[peOffset:], "PE\x00\x00\x64\x86")
	copy(out[0x200:], "this only claims to be a PDF")
	return fmt.Appendf(out, "%08x", crc32.ChecksumIEEE(out))
}
