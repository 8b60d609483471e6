package uploadpaths

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"gatehouse/e2e/pack"
)

// wheres are refusals at the first byte, in the midst and at the last one, each at a
// size that fits into one read and at one that does not.
func wheres() []sample {
	const small, large = 8_000, 700_000
	return []sample{
		program(small).refused("at the first byte, small", 415),
		program(large).refused("at the first byte, large", 415),
		program(large).inForm("a.pdf").refused("at the first byte of a file in a form", 415),
		pdf(small, "/OpenAction << /S /JavaScript /JS (x) >>").refused("in the midst, small", 422),
		pdf(large, "/OpenAction << /S /JavaScript /JS (x) >>").refused("in the midst, large", 422),
		pdf(large, "/OpenAction << /S /JavaScript /JS (x) >>").inForm("a.pdf").refused("in the midst of a file in a form", 422),
		cut(png(small, "")).refused("at the last byte, small", 422),
		cut(png(large, "")).refused("at the last byte, large", 422),
		cut(png(large, "")).inForm("a.png").refused("at the end of a file in a form", 422),
		behind(png(large, "").inForm("a.png")).refused("behind the last boundary", 422),
	}
}

func cut(s sample) sample {
	s.body = s.body[:len(s.body)-1]
	return s
}

func behind(s sample) sample {
	s.body += "x"
	return s
}

func expectNothingCompleteThatWasRefused(t *testing.T, e *edge) {
	t.Helper()
	client := pack.HTTP2()
	t.Cleanup(client.CloseIdleConnections)
	for _, path := range []string{toHTTP1, toHTTP2} {
		for _, how := range endings {
			t.Run(how.name+" to "+path, func(t *testing.T) {
				for _, s := range wheres() {
					e.expectRefused(t, client, how, path, s)
				}
				for _, s := range []sample{png(700_000, ""), film(900_000), film(3_000_000), pdf(300_000, "").inForm("a.pdf"), text(5_000)} {
					e.expectWhole(t, client, how, path, s)
				}
			})
		}
	}
	e.expectNoStreams(t)
	e.envoy.MustRun(t)
}

func (e *edge) expectRefused(t *testing.T, client *http.Client, how ending, path string, s sample) {
	t.Helper()
	mark := pack.NewMark()
	status, err := e.send(t.Context(), client, how, path, s, mark)
	if err != nil || status != s.status {
		t.Errorf("%s: status %d, not %d (%v)", s.name, status, s.status, err)
	}
	for _, seen := range e.app.Requests(t, mark) {
		if seen.Complete {
			t.Errorf("%s: the upstream took %d bytes for a complete request", s.name, seen.BodyBytes)
		}
	}
}

// expectWhole wants an honest upload to arrive as it was sent.
func (e *edge) expectWhole(t *testing.T, client *http.Client, how ending, path string, s sample) {
	t.Helper()
	mark := pack.NewMark()
	status, err := e.send(t.Context(), client, how, path, s, mark)
	if err != nil || status != 200 {
		t.Errorf("%s: status %d (%v)", s.name, status, err)
		return
	}
	sum := sha256.Sum256([]byte(s.body))
	seen := e.app.Requests(t, mark)
	if len(seen) != 1 || !seen[0].Complete || seen[0].SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%s: the upstream got something else than the %d bytes sent: %+v", s.name, len(s.body), seen)
	}
}

// expectNoScanWithoutGate: a policy scans, and Envoy's configuration has the filter
// only once. Files would pass unscanned; they must not pass.
func expectNoScanWithoutGate(t *testing.T, e *edge) {
	t.Helper()
	client := pack.HTTP2()
	t.Cleanup(client.CloseIdleConnections)
	for _, how := range endings {
		t.Run(how.name, func(t *testing.T) {
			e.expectRefused(t, client, how, toHTTP1+scanning, text(5_000).refused("a text that nobody would scan", http.StatusServiceUnavailable))
		})
	}
}
