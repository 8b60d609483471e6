package uploadpaths

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
)

// sample is an upload and what must become of it.
type sample struct {
	name, contentType, body string
	status                  int // 200, or that of the refusal
}

const boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW1"

// inForm makes the one file of a form of a sample.
func (s sample) inForm(file string) sample {
	s.body = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + file + "\"\r\nContent-Type: " +
		s.contentType + "\r\n\r\n" + s.body + "\r\n--" + boundary + "--\r\n"
	s.contentType = "multipart/form-data; boundary=" + boundary
	return s
}

// noise is n bytes that no scanner finds anything in.
func noise(n int) string {
	r := rand.New(rand.NewPCG(9, uint64(n))) //nolint:gosec // the same in each run
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32()) | 0x80
	}
	return string(b)
}

// png of about n bytes, with something before its end: a picture of 1024 by 1024
// pixels, which may have no more than three million.
func png(n int, inside string) sample {
	const sum = "sums"
	body := "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x04\x00\x00\x00\x04\x00\x08\x02\x00\x00\x00" + sum
	data := noise(n) + inside
	body += string(binary.BigEndian.AppendUint32(nil, uint32(len(data)))) + "IDAT" + data + sum //nolint:gosec // a few MB
	return sample{name: "a PNG", contentType: "image/png", body: body + "\x00\x00\x00\x00IEND" + sum, status: 200}
}

// pdf of about n bytes, with something in its midst.
func pdf(n int, inside string) sample {
	filler := "3 0 obj\n<< /Length " + "1 >>\nstream\n" + strings.Repeat("x", n/2) + "\nendstream\nendobj\n"
	return sample{name: "a PDF", contentType: "application/pdf", status: 200,
		body: "%PDF-1.7\n" + filler + "1 0 obj\n<< /Type /Catalog " + inside + ">>\nendobj\n" + filler + "trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"}
}

func text(n int) sample {
	return sample{name: "a text", contentType: "text/plain", status: 200, body: strings.Repeat("All is well that ends well.\n", n/28+1)}
}

func film(n int) sample {
	return sample{name: "a film", contentType: "video/mp4", status: 200,
		body: "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x00mdat" + noise(n)}
}

func program(n int) sample {
	return sample{name: "a program called PDF", contentType: "application/pdf", status: 415,
		body: "MZ\x90\x00\x03\x00\x00\x00" + strings.Repeat("\x00", 0x34) + "\x40\x00\x00\x00PE\x00\x00" + noise(n)}
}

// refused makes a sample one that is to be refused.
func (s sample) refused(as string, status int) sample {
	s.name, s.status = as, status
	return s
}
