package e2e

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

const uploadsConfig = preamble + `
policies:
  upload:
    uploads: {allow: [pdf], max_file_size: 300MiB, max_request_size: 310MiB}
routes:
  - {path: /upload, methods: [POST], upstream: app, policy: upload}
`

const (
	bigFile = 200 << 20
	// memoryBound is the issue's own.
	memoryBound = 30 << 20
)

// transports are the three ways in which a body may end.
var transports = []struct {
	name   string
	client func() *http.Client
	length bool
}{
	{"HTTP/1.1 with Content-Length", pack.HTTP1, true},
	{"HTTP/1.1 chunked", pack.HTTP1, false},
	{"HTTP/2 with content-length", pack.HTTP2, true},
	{"HTTP/2 without content-length", pack.HTTP2, false},
}

func TestABigUploadStreamsThroughAndItsTailIsJudgedAsItsHead(t *testing.T) {
	p := pack.Start(t, pack.Options{Config: uploadsConfig})
	// One small upload first, so that what is paid once is not counted.
	send(t, p, pack.HTTP1(), newForm(pdfFile("small.pdf", 4096)), true, pack.NewMark())
	before := p.EnvoyMemory(t)

	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			t.Run("an honest file arrives whole", func(t *testing.T) {
				form, mark := newForm(pdfFile("honest.pdf", bigFile)), pack.NewMark()
				peak := p.WatchMemory(t)
				seen := send(t, p, transport.client(), form, transport.length, mark).Seen(t)
				expectWithin(t, "during the upload", before, peak())
				expectWithin(t, "after the upload", before, p.EnvoyMemory(t))
				if want := form.sha256(t); seen.SHA256 != want || seen.BodyBytes != form.size() || !seen.Complete {
					t.Errorf("upstream got %d bytes, SHA-256 %s; sent %d, %s", seen.BodyBytes, seen.SHA256, form.size(), want)
				}
			})
			t.Run("a lying last file is refused", func(t *testing.T) {
				form, mark := newForm(pdfFile("honest.pdf", bigFile), exeFile("report.pdf", 4096)), pack.NewMark()
				r := send(t, p, transport.client(), form, transport.length, mark)
				expectRefusedUpload(t, p, r, mark)
				expectWithin(t, "after the refusal", before, p.EnvoyMemory(t))
			})
			t.Run("a small file that lies from its first byte is refused", func(t *testing.T) {
				form, mark := newForm(exeFile("invoice.pdf", 4096)), pack.NewMark()
				r := send(t, p, transport.client(), form, transport.length, mark)
				expectRefusedUpload(t, p, r, mark)
				for _, seen := range p.App.Requests(t, mark) {
					t.Errorf("%d bytes of the file reached the upstream", seen.BodyBytes)
				}
			})
		})
	}
	t.Run("a big file that lies from its first byte is refused at once", func(t *testing.T) {
		form, mark := newForm(exeFile("invoice.pdf", bigFile)), pack.NewMark()
		head := fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: shop.example\r\n%s: %s\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n",
			pack.MarkHeader, mark, boundary, form.size())
		expectRefusedUpload(t, p, p.Stream(t, head, form.reader()), mark)
		for _, seen := range p.App.Requests(t, mark) {
			t.Errorf("%d bytes of the file reached the upstream", seen.BodyBytes)
		}
	})
	p.Envoy.MustRun(t)
}

func expectRefusedUpload(t *testing.T, p *pack.Pack, r pack.Response, mark string) {
	t.Helper()
	expectStatus(t, r, http.StatusUnsupportedMediaType)
	r.Problem(t)
	for _, seen := range p.App.Requests(t, mark) {
		if seen.Complete {
			t.Errorf("the upstream took %d bytes for a complete request", seen.BodyBytes)
		}
	}
}

func expectWithin(t *testing.T, when string, before, now pack.Memory) {
	t.Helper()
	resident, allocated := now.Resident-before.Resident, now.Allocated-before.Allocated
	t.Logf("%s: resident %+.1f MiB, allocated %+.1f MiB", when, float64(resident)/(1<<20), float64(allocated)/(1<<20))
	if resident > memoryBound || allocated > memoryBound {
		t.Errorf("Envoy's memory grew by more than %d MiB %s", memoryBound>>20, when)
	}
}

func send(t *testing.T, p *pack.Pack, c *http.Client, f form, length bool, mark string) pack.Response {
	t.Helper()
	defer c.CloseIdleConnections()
	r := pack.Request(t, http.MethodPost, p.URL("/upload"), io.NopCloser(f.reader()),
		pack.Marked(mark), pack.With("Content-Type", "multipart/form-data; boundary="+boundary))
	r.ContentLength = -1
	if length {
		r.ContentLength = f.size()
	}
	return pack.Do(t, c, r)
}

const boundary = "gatehouse-test-boundary"

// form is a multipart body that is made while it is read, as often as needed.
type form []file

// file is a part: what stands before the filler, the filler's length, and what
// stands after it.
type file struct {
	name, head string
	filler     int64
	tail       string
	media      string // application/pdf unless it says otherwise
}

func newForm(files ...file) form { return files }

// pdfFile is a well-formed PDF with one long stream.
func pdfFile(name string, size int64) file {
	head := "%PDF-1.7\n1 0 obj\n<< /Length " + fmt.Sprint(size) + " >>\nstream\n"
	tail := "\nendstream\nendobj\n2 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 2 0 R >>\nstartxref\n0\n%%EOF\n"
	return file{name: name, head: head, filler: size - int64(len(head)+len(tail)), tail: tail}
}

// exeFile is a Windows program under a document's name.
func exeFile(name string, size int64) file {
	return file{name: name, head: "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff", filler: size, tail: "\x00"}
}

func (f file) start() string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + f.name +
		"\"\r\nContent-Type: " + cmp.Or(f.media, "application/pdf") + "\r\n\r\n" + f.head
}

func (f form) end() string { return "--" + boundary + "--\r\n" }

func (f form) reader() io.Reader {
	var parts []io.Reader
	for _, file := range f {
		parts = append(parts, strings.NewReader(file.start()), &filler{left: file.filler}, strings.NewReader(file.tail+"\r\n"))
	}
	return io.MultiReader(append(parts, strings.NewReader(f.end()))...)
}

func (f form) size() int64 {
	n := int64(len(f.end()))
	for _, file := range f {
		n += int64(len(file.start())+len(file.tail)+2) + file.filler
	}
	return n
}

func (f form) sha256(t *testing.T) string {
	t.Helper()
	sum := sha256.New()
	if _, err := io.Copy(sum, f.reader()); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// nearMiss looks like the boundary for as long as it can.
var nearMiss = bytes.Repeat([]byte("\r\n--gatehouse-test-boundarx 0123456789 abcdefghijklmnopqrstuvwxyz\n"), 512)

// filler repeats nearMiss left bytes long, the same however it is read.
type filler struct {
	left int64
	at   int
}

func (f *filler) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	n := 0
	for n < len(p) {
		copied := copy(p[n:], nearMiss[f.at:])
		f.at = (f.at + copied) % len(nearMiss)
		n += copied
	}
	f.left -= int64(n)
	return n, nil
}

func TestTheFillerNeverHoldsTheBoundary(t *testing.T) {
	content, err := io.ReadAll(&filler{left: 1 << 16})
	if err != nil || len(content) != 1<<16 || bytes.Contains(content, []byte(boundary)) {
		t.Fatalf("%d bytes, error %v", len(content), err)
	}
}
