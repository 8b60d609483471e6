package uploadcorpus

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
)

// Writing to memory does not fail; encoders of sound images do not either.

func picture(n int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 16+n, 12+n))
	for i := range 16 + n {
		m.Set(i, i%12, color.RGBA{byte(i * 7), byte(n * 31), byte(i * n), 255}) //nolint:gosec // meant to wrap
	}
	return m
}

func pngOf(n int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, picture(n))
	return b.Bytes()
}

func jpegOf(n int) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, picture(n), nil)
	return b.Bytes()
}

func gifOf(n int) []byte {
	var b bytes.Buffer
	_ = gif.Encode(&b, picture(n), nil)
	return b.Bytes()
}

type member struct{ name, content string }

func zipOf(members ...member) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		method := zip.Deflate
		if m.name == "mimetype" {
			method = zip.Store
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: method})
		if err == nil {
			_, _ = io.WriteString(f, m.content)
		}
	}
	_ = w.Close()
	return b.Bytes()
}

func tarOf(headers ...*tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		content := h.Xattrs["content"]              //nolint:staticcheck // a place to keep it
		h.Xattrs, h.Size = nil, int64(len(content)) //nolint:staticcheck // as above
		if w.WriteHeader(h) == nil {
			_, _ = io.WriteString(w, content)
		}
	}
	_ = w.Close()
	return b.Bytes()
}

func tarFile(name, content string) *tar.Header {
	return &tar.Header{Name: name, Typeflag: tar.TypeReg, Xattrs: map[string]string{"content": content}} //nolint:staticcheck // as above
}

func gzipOf(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

func zlibOf(content string, level int) []byte {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err == nil {
		_, _ = io.WriteString(w, content)
		_ = w.Close()
	}
	return b.Bytes()
}

// pdfOf is a page, with more in its catalogue and further objects.
func pdfOf(catalogue string, objects ...string) []byte {
	var b strings.Builder
	b.WriteString("%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R " + catalogue + ">>\nendobj\n" +
		"2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>\nendobj\n")
	for i, o := range objects {
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+4, o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Root 1 0 R /Size %d >>\nstartxref\n0\n%%%%EOF\n", len(objects)+4)
	return []byte(b.String())
}

// objectStream holds one object.
func objectStream(object string, level int) string {
	text := "9 0 " + object
	packed := zlibOf(text, level)
	return fmt.Sprintf("<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream", len(packed), packed)
}

func wavOf(n int) []byte {
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x44\xac\x00\x00\x44\xac\x00\x00\x01\x00\x08\x00data")
	b = binary.LittleEndian.AppendUint32(b, uint32(n)) //nolint:gosec // small
	b = append(b, make([]byte, n)...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8)) //nolint:gosec // small
	return b
}

// oleOf is a compound file whose directory has entries of these names.
func oleOf(names ...string) []byte {
	head := make([]byte, 512)
	copy(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	copy(head[24:], "\x3e\x00\x03\x00\xfe\xff\x09\x00\x06\x00")
	b := bytes.Clone(head)
	for i, name := range append([]string{"Root Entry"}, names...) {
		e := make([]byte, 128)
		for k, c := range []byte(name) {
			e[2*k] = c
		}
		e[64], e[66], e[67] = byte(2*len(name)+2), 1, 1 //nolint:gosec // short names
		if i == 0 {
			e[66] = 5
		}
		b = append(b, e...)
	}
	return append(b, make([]byte, 512)...)
}
