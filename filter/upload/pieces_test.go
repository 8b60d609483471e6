package upload

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// whole are bodies that end, honest and not.
func whole(t *testing.T) map[string]string {
	t.Helper()
	zipped := sampleZIP(t, "c.zip="+sampleZIP(t, "a.pdf="+samplePDF("/OpenAction << /S /JavaScript /JS (x) >>")))
	return map[string]string{
		"a JPEG":                       inForm("a.jpg", "image/jpeg", largeJPEG(60_000)),
		"a PNG":                        inForm("a.png", "image/png", largePNG(60_000)),
		"a PNG with code":              inForm("a.png", "image/png", strings.Replace(largePNG(60_000), "IENDsums", "IEND<?php ", 1)),
		"a PDF":                        inForm("a.pdf", "application/pdf", samplePDF(strings.Repeat("/Type /Page ", 2500))),
		"a PDF with a script":          inForm("a.pdf", "application/pdf", samplePDF(strings.Repeat("/Type /Page ", 2500)+"/J#53 (x)")),
		"a PDF with one in archives":   inForm("a.zip", "application/zip", zipped),
		"a document":                   inForm("a.docx", "application/octet-stream", sampleDOCX(t, "word/a.xml="+strings.Repeat("to be or not to be ", 2500))),
		"a text":                       inForm("a.txt", "text/plain", strings.Repeat("All is well. ", 2500)),
		"a text with code":             inForm("a.txt", "text/plain", strings.Repeat("All is well. ", 2500)+"<?PHP"),
		"a drawing":                    inForm("a.svg", "image/svg+xml", "<svg>"+strings.Repeat("<path d='M1 2'/>", 2500)+"</svg>"),
		"a drawing with a handler":     inForm("a.svg", "image/svg+xml", "<svg>"+strings.Repeat("<path d='M1 2'/>", 2500)+"<a onclick='x'/></svg>"),
		"a program":                    inForm("a.pdf", "application/pdf", sampleEXE()),
		"what looks like the boundary": inForm("a.txt", "text/plain", strings.Repeat("\r\n--"+longBoundary[:len(longBoundary)-1], 3000)),
		"the boundary inside":          inForm("a.txt", "text/plain", strings.Repeat("x", 40_000)+"\n--"+longBoundary+"y"),
		"no last boundary":             strings.TrimSuffix(inForm("a.txt", "text/plain", strings.Repeat("x", 40_000)), "--\r\n"),
		"something behind the last":    inForm("a.txt", "text/plain", strings.Repeat("x", 40_000)) + "x",
	}
}

// inPieces judges a body whose pieces all land in the same memory, as a host's do.
func inPieces(t *testing.T, p *Policy, body string, length int64, memory []byte, piece func() int) string {
	t.Helper()
	i, refusal := p.Inspect(Request{Method: "POST", ContentType: "multipart/form-data; boundary=" + longBoundary, ContentLength: length})
	for at := 0; refusal == nil && at < len(body); {
		n := copy(memory[:min(piece(), len(memory))], body[at:])
		_, refusal = i.Write(memory[:n])
		for k := range memory[:n] {
			memory[k] = '<'
		}
		at += n
	}
	if refusal == nil {
		refusal = i.Close()
	}
	if refusal == nil {
		return ""
	}
	return refusal.Rule + ": " + refusal.Reason
}

func TestNoCutAndNoMemoryThatIsUsedAgainChangesAVerdict(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFileSize: 64 << 20})
	for name, body := range whole(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			memory, r := make([]byte, 1<<20), rand.New(rand.NewPCG(3, uint64(len(body))))
			want := inPieces(t, p, body, -1, memory, func() int { return len(body) })
			for _, size := range []int{1, 50, 4096, 64 << 10} {
				for name, piece := range map[string]func() int{
					"pieces of":    func() int { return size },
					"pieces up to": func() int { return 1 + r.IntN(size) },
				} {
					for _, length := range []int64{-1, int64(len(body))} {
						if got := inPieces(t, p, body, length, memory, piece); got != want {
							t.Errorf("%s %d, length %d: %q, not %q", name, size, length, got, want)
						}
					}
				}
			}
		})
	}
}
