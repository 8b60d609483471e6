package e2e

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/authz/event"
	"gatehouse/e2e/pack"
)

// scanConfig has a route for each way of scanning; %s is the scanner.
func scanConfig(scanner string) string {
	return preamble + "control: {scanner: " + scanner + "}\n" + `
policies:
  each:
    uploads: {allow: [pdf, 7z], max_file_size: 30MiB, max_request_size: 70MiB, scan: {when: always, timeout: 3s}}
  lenient:
    extends: each
    uploads: {scan: {on_timeout: accept, on_error: accept}}
  held:
    extends: each
    uploads: {max_file_size: 4MiB, max_request_size: 20MiB, scan: {hold: body, max_hold: 6MiB}}
  opaque:
    uploads: {allow: [pdf, 7z], max_file_size: 30MiB, on_uncertain: scan, scan: {timeout: 3s}}
  report:
    extends: each
    uploads: {mode: report}
routes:
  - {path: /each, upstream: app, policy: each}
  - {path: /lenient, upstream: app, policy: lenient}
  - {path: /held, upstream: app, policy: held}
  - {path: /opaque, upstream: app, policy: opaque}
  - {path: /report, upstream: app, policy: report}
`
}

func clamdAt(address string) string { return fmt.Sprintf("{kind: clamd, address: %q}", address) }

// infected is a PDF with the signature at its end.
func infected(c *pack.Clamd, size int64) file {
	f := pdfFile("infected.pdf", size)
	f.tail = "\n" + c.Signature + f.tail
	return f
}

// sevenZip is of a type that nobody here sees into.
func sevenZip(size int64, tail string) file {
	head := []byte("7z\xbc\xaf\x27\x1c\x00\x04\x00\x00\x00\x00")
	// The directory stands at the end, and is empty.
	head = binary.LittleEndian.AppendUint64(head, uint64(size)+uint64(len(tail))) // #nosec G115 -- of this test
	head = append(head, make([]byte, 12)...)
	return file{name: "files.7z", media: "application/x-7z-compressed", head: string(head), filler: size, tail: tail}
}

func sendTo(t *testing.T, p *pack.Pack, path string, c *http.Client, f form, length bool, mark string) pack.Response {
	t.Helper()
	defer c.CloseIdleConnections()
	r := pack.Request(t, http.MethodPost, p.URL(path), f.reader(), pack.Marked(mark), pack.With("Content-Type", "multipart/form-data; boundary="+boundary))
	r.ContentLength = -1
	if length {
		r.ContentLength = f.size()
	}
	return pack.Do(t, c, r)
}

func expectScanned(t *testing.T, p *pack.Pack, r pack.Response, mark string, status int) {
	t.Helper()
	expectStatus(t, r, status)
	r.Problem(t)
	for _, seen := range p.App.Requests(t, mark) {
		if seen.Complete {
			t.Errorf("the upstream took %d bytes for a complete request", seen.BodyBytes)
		}
	}
}

func expectWhole(t *testing.T, r pack.Response, f form) {
	t.Helper()
	expectStatus(t, r, http.StatusOK)
	if seen := r.Seen(t); seen.SHA256 != f.sha256(t) || !seen.Complete {
		t.Errorf("upstream got %d bytes, complete %v; sent %d", seen.BodyBytes, seen.Complete, f.size())
	}
}

func TestFilesAreScannedByClamdWhileTheyStream(t *testing.T) {
	clamd := pack.StartClamd(t)
	p := pack.Start(t, pack.Options{Config: scanConfig(clamdAt(clamd.Socket))})
	for _, transport := range transports {
		for _, size := range []int64{2000, 300 << 10, 5 << 20} {
			t.Run(fmt.Sprintf("%s, %d bytes", transport.name, size), func(t *testing.T) {
				mark, honest := pack.NewMark(), newForm(pdfFile("honest.pdf", size))
				expectWhole(t, sendTo(t, p, "/each", transport.client(), honest, transport.length, mark), honest)
				mark = pack.NewMark()
				expectScanned(t, p, sendTo(t, p, "/each", transport.client(), newForm(infected(clamd, size)), transport.length, mark), mark, 422)
				mark = pack.NewMark()
				expectScanned(t, p, sendTo(t, p, "/each", transport.client(), newForm(pdfFile("a.pdf", 2000), infected(clamd, size), pdfFile("b.pdf", size)), transport.length, mark), mark, 422)
			})
		}
		t.Run(transport.name+", several files and a field", func(t *testing.T) {
			mark, honest := pack.NewMark(), newForm(pdfFile("a.pdf", 2000), pdfFile("b.pdf", 600<<10), pdfFile("c.pdf", 3000))
			expectWhole(t, sendTo(t, p, "/each", transport.client(), honest, transport.length, mark), honest)
		})
		t.Run(transport.name+", held as a whole", func(t *testing.T) {
			mark, honest := pack.NewMark(), newForm(pdfFile("a.pdf", 3<<20))
			expectWhole(t, sendTo(t, p, "/held", transport.client(), honest, transport.length, mark), honest)
			mark = pack.NewMark()
			expectScanned(t, p, sendTo(t, p, "/held", transport.client(), newForm(infected(clamd, 3<<20)), transport.length, mark), mark, 422)
			if seen := p.App.Requests(t, mark); len(seen) > 0 {
				t.Errorf("%d bytes of a held body reached the upstream", seen[0].BodyBytes)
			}
			mark = pack.NewMark()
			expectScanned(t, p, sendTo(t, p, "/held", transport.client(), newForm(pdfFile("a.pdf", 3<<20), pdfFile("b.pdf", 3500<<10)), transport.length, mark), mark, 413)
		})
		t.Run(transport.name+", only what nobody can see into", func(t *testing.T) {
			mark, opaque := pack.NewMark(), newForm(sevenZip(300<<10, "the end"))
			expectWhole(t, sendTo(t, p, "/opaque", transport.client(), opaque, transport.length, mark), opaque)
			mark = pack.NewMark()
			expectScanned(t, p, sendTo(t, p, "/opaque", transport.client(), newForm(sevenZip(300<<10, clamd.Signature)), transport.length, mark), mark, 422)
			mark, seen := pack.NewMark(), newForm(infected(clamd, 300<<10))
			expectWhole(t, sendTo(t, p, "/opaque", transport.client(), seen, transport.length, mark), seen)
		})
	}
	e := p.AwaitEvent(t, "the signature's name", func(e event.Event) bool {
		return e.Type == event.FileUploadRejected && strings.Contains(e.Reason, pack.SignatureName)
	})
	if e.Rule != "scanner_found" || !strings.Contains(e.Reason, "GH-SCAN-001") {
		t.Errorf("%+v", e)
	}
	t.Run("report lets through and records", func(t *testing.T) {
		mark, bad := pack.NewMark(), newForm(infected(clamd, 300<<10))
		expectWhole(t, sendTo(t, p, "/report", pack.HTTP1(), bad, true, mark), bad)
	})
	p.Envoy.MustRun(t)
}

func TestAScannerThatFailsIsWhatThePolicySays(t *testing.T) {
	clamd := pack.StartClamd(t, "StreamMaxLength 1M")
	p := pack.Start(t, pack.Options{Config: scanConfig(clamdAt(clamd.Address))})
	outcome := func(t *testing.T, size int64, status int, rule string) {
		t.Helper()
		for _, transport := range transports {
			mark, f := pack.NewMark(), newForm(pdfFile("a.pdf", size))
			expectScanned(t, p, sendTo(t, p, "/each", transport.client(), f, transport.length, mark), mark, status)
		}
		p.AwaitEvent(t, "the refusal", func(e event.Event) bool { return e.Rule == rule })
		mark, f := pack.NewMark(), newForm(pdfFile("a.pdf", size))
		expectWhole(t, sendTo(t, p, "/lenient", pack.HTTP1(), f, true, mark), f)
		p.AwaitEvent(t, "what the policy let pass", func(e event.Event) bool {
			return e.Rule == rule && strings.Contains(e.Reason, "the policy lets it pass")
		})
	}
	t.Run("a file larger than it takes", func(t *testing.T) { outcome(t, 3<<20, 413, "scanner_too_large") })
	t.Run("killed in the midst of a file", func(t *testing.T) {
		mark := pack.NewMark()
		killed := newForm(pdfFile("a.pdf", 900<<10))
		body := &interrupted{Reader: killed.reader(), after: 500 << 10, do: func() { clamd.Kill(t) }}
		r := pack.Request(t, http.MethodPost, p.URL("/each"), body, pack.Marked(mark), pack.With("Content-Type", "multipart/form-data; boundary="+boundary))
		expectScanned(t, p, pack.Do(t, pack.HTTP1(), r), mark, 503)
	})
	t.Run("gone", func(t *testing.T) { outcome(t, 300<<10, 503, "scanner_unavailable") })
	clamd.Start(t)
	t.Run("silent", func(t *testing.T) {
		clamd.Freeze(t)
		defer clamd.Thaw(t)
		mark, f := pack.NewMark(), newForm(pdfFile("a.pdf", 300<<10))
		expectScanned(t, p, sendTo(t, p, "/each", pack.HTTP1(), f, true, mark), mark, 503)
		p.AwaitEvent(t, "the time-out", func(e event.Event) bool { return strings.Contains(e.Reason, "GH-SCAN-002") })
		expectWhole(t, sendTo(t, p, "/lenient", pack.HTTP2(), f, true, pack.NewMark()), f)
	})
	t.Run("back again", func(t *testing.T) {
		f := newForm(pdfFile("a.pdf", 300<<10))
		expectWhole(t, sendTo(t, p, "/each", pack.HTTP1(), f, true, pack.NewMark()), f)
	})
	t.Run("control is silent", func(t *testing.T) {
		p.Control.Freeze(t)
		defer p.Control.Thaw(t)
		mark, f := pack.NewMark(), newForm(pdfFile("a.pdf", 300<<10))
		expectScanned(t, p, sendTo(t, p, "/each", pack.HTTP1(), f, true, mark), mark, 503)
	})
	p.Control.Kill(t)
	t.Run("control is gone", func(t *testing.T) {
		mark, f := pack.NewMark(), newForm(pdfFile("a.pdf", 300<<10))
		expectScanned(t, p, sendTo(t, p, "/each", pack.HTTP1(), f, true, mark), mark, 503)
		expectWhole(t, sendTo(t, p, "/lenient", pack.HTTP2(), f, true, pack.NewMark()), f)
	})
	p.Envoy.MustRun(t)
}

// interrupted does something in the midst of a body.
type interrupted struct {
	io.Reader
	after int
	do    func()
}

func (r *interrupted) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if r.after -= n; r.after <= 0 && r.do != nil {
		r.do()
		r.do = nil
	}
	return n, err
}
