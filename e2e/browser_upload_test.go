package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"gatehouse/e2e/chromium"
	"gatehouse/e2e/pack"
)

var browserUploads = strings.Replace(tlsConfig, "routes:\n", `  upload:
    headers: {preset: strict}
    session: none
    uploads: {allow: [pdf], max_file_size: 8MiB, max_request_size: 8MiB}
routes:
  - {name: upload, path_prefix: /upload, upstream: app, policy: upload}
`, 1)

// uploadScript sends a body that begins as a file does and has so many bytes behind that:
// in a form, as it is, or as a stream, of which the browser tells no length.
const uploadScript = `(async (how, begins, size, ends) => {
  const file = new Blob([begins, 'x'.repeat(size), ends], {type: 'application/pdf'});
  const form = new FormData();
  form.append('file', file, 'a.pdf');
  const init = {method: 'POST', body: how === 'form' ? form : how === 'stream' ? file.stream() : file};
  if (how === 'stream') Object.assign(init, {duplex: 'half', headers: {'content-type': 'application/pdf'}});
  performance.clearResourceTimings();
  const r = await fetch('/upload', init), answer = await r.json();
  const protocol = performance.getEntriesByType('resource').at(-1).nextHopProtocol;
  const length = (answer.header || {})['Content-Length'];
  return {status: r.status, protocol, bytes: answer.body_bytes || 0, complete: answer.complete || false, length: length ? +length[0] : -1, problem: answer.title || ''};
})`

// TestUploadsOverHTTP2OfAPageInChromium does what people do: a browser's frames, windows
// and lengths, and the listener that control renders.
func TestUploadsOverHTTP2OfAPageInChromium(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: browserUploads})
	tab := chromium.Start(t, 2*time.Minute, nil)
	chromium.Call(t, tab, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
	chromium.Do(t, tab, chromedp.Navigate(p.TLSURL("/public/page")))
	const begins, ends = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%", "\ntrailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
	for _, how := range []string{"form", "file", "stream"} {
		for _, size := range []int{10, 20_000, 120_000, 140_000, 5_000_000} {
			for _, c := range []struct {
				begins, ends string
				status       int
			}{{begins, ends, 200}, {"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00", ends, 415}, {begins, "", 422}} {
				name := fmt.Sprintf("%s of %d bytes, for %d", how, size, c.status)
				arguments, err := json.Marshal([]any{how, c.begins, size, c.ends})
				if err != nil {
					t.Fatal(err)
				}
				type answer struct {
					Status, Bytes, Length int
					Protocol, Problem     string
					Complete              bool
				}
				got, err := chromedp.Run(tab, chromedp.Evaluate[answer](uploadScript+"(..."+string(arguments)+")", chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got.Status != c.status || got.Protocol != "h2" {
					t.Errorf("%s: %+v", name, got)
				}
				if passes := c.status == 200; got.Complete != passes || passes && got.Bytes < size || passes && (got.Length >= 0) != (how != "stream") {
					t.Errorf("%s: what the application took: %+v", name, got)
				}
			}
		}
	}
}
