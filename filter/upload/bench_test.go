package upload

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// noisy is n bytes as compression leaves them; stuffed as in a JPEG's scan.
func noisy(n int, stuffed bool) string {
	r := rand.New(rand.NewPCG(7, 8))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
		if stuffed && i > 0 && b[i-1] == 0xff {
			b[i] = 0
		}
	}
	b[n-1] = 0
	return string(b)
}

func largeJPEG(n int) string {
	return "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" +
		"\xff\xc0\x00\x0b\x08\x0c\x00\x10\x00\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + noisy(n, true) + "\xff\xd9"
}

func largePNG(n int) string {
	chunk := string(binary.BigEndian.AppendUint32(nil, 8192)) + "IDAT" + noisy(8192, false) + "sums"
	return "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x10\x00\x00\x00\x10\x00\x08\x02\x00\x00\x00sums" +
		strings.Repeat(chunk, n/len(chunk)) + "\x00\x00\x00\x00IENDsums"
}

func inForm(name, media, content string) string {
	return fmt.Sprintf("--%s\r\nContent-Disposition: form-data; name=\"f\"; filename=%q\r\nContent-Type: %s\r\n\r\n%s\r\n--%s--\r\n",
		longBoundary, name, media, content, longBoundary)
}

const longBoundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW1"

// BenchmarkInspector is what the inspector itself costs, without a host.
func BenchmarkInspector(b *testing.B) {
	const form = "multipart/form-data; boundary=" + longBoundary
	p := policyOf(b, Config{MaxFileSize: 64 << 20})
	for _, test := range []struct{ name, contentType, body string }{
		{"a JPEG of 8 MB", "image/jpeg", largeJPEG(8 << 20)},
		{"a PNG of 8 MB in a form", form, inForm("a.png", "image/png", largePNG(8<<20))},
		{"an MP4 of 8 MB in a form", form, inForm("a.mp4", "video/mp4", string(film(8<<20, 4<<20, noisy(4<<20, false))))},
		{"a PDF of 8 MB", "application/pdf", samplePDF(strings.Repeat("/Type /Page /MediaBox [0 0 612 792] ", 8<<20/36))},
		{"a text of 8 MB", "text/plain", strings.Repeat("It was the best of times.\n", 8<<20/26)},
		{"a JPEG of 20 kB in a form", form, inForm("a.jpg", "image/jpeg", largeJPEG(20_000))},
		{"a text of 4 kB in a form", form, inForm("a.txt", "text/plain", strings.Repeat("It was the best of times.\n", 160))},
		{"a PDF of 4 kB in a form", form, inForm("a.pdf", "application/pdf", samplePDF(strings.Repeat("/Type /Page ", 340)))},
	} {
		b.Run(test.name, func(b *testing.B) {
			body := []byte(test.body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				i, refusal := p.Inspect(Request{Method: "POST", ContentType: test.contentType, ContentLength: int64(len(body))})
				for at := 0; refusal == nil && at < len(body); at += 64 << 10 {
					_, refusal = i.Write(body[at:min(len(body), at+64<<10)])
				}
				if refusal == nil {
					refusal = i.Close()
				}
				if refusal != nil {
					b.Fatal(refusal.Reason)
				}
			}
		})
	}
}

func BenchmarkXML(b *testing.B) {
	p := policyOf(b, Config{MaxFileSize: 64 << 20})
	shape := `<path d="M10.5 20.25 L30.75 40 C50 60.5 70.25 80 90 100 Z" fill="#aabbcc" stroke-width="2"/>` + "\n"
	content := `<svg xmlns="http://www.w3.org/2000/svg">` + strings.Repeat(shape, 1<<20/len(shape)) + "</svg>"
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Sniff(strings.NewReader(content), "a.svg", "")
		if err != nil || !r.Accepted {
			b.Fatal(err, r)
		}
	}
}
