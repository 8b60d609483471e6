package uploadpaths

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

// randomUploads are sent by each test, in frames of random sizes.
const randomUploads = 200

// expectFramesToMakeNoDifference sends forms over HTTP/2 in frames of random sizes, on
// paths where the router keeps bodies and others, while the filter behind keeps some
// requests for some milliseconds: what is honest arrives as it was sent, and nothing else
// is ever complete.
func expectFramesToMakeNoDifference(t *testing.T, e *edge) {
	t.Helper()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 6)) // #nosec G404 -- said when something fails
	client := pack.HTTP2()
	t.Cleanup(client.CloseIdleConnections)
	for range randomUploads {
		s := randomForm(r)
		how := endings[3+r.IntN(len(endings)-3)] // of HTTP/2
		path := []string{toHTTP1, toHTTP2, toHTTP1 + rewriting, toHTTP2 + rewriting, toHTTP1 + retried}[r.IntN(5)]
		mark := pack.NewMark()
		status, err := e.sendFramed(t.Context(), client, how, path, s, mark, r)
		if err != nil || status != s.status {
			t.Fatalf("seed %d: %s, %s to %s: status %d, not %d (%v)", seed, s.name, how.name, path, status, s.status, err)
		}
		sum := sha256.Sum256([]byte(s.body))
		seen := e.app.Requests(t, mark)
		whole := len(seen) == 1 && seen[0].Complete && seen[0].SHA256 == hex.EncodeToString(sum[:])
		if whole != (s.status == http.StatusOK) || len(seen) > 0 && seen[0].Complete != whole {
			t.Fatalf("seed %d: %s, %s to %s: of %d bytes the upstream got %+v", seed, s.name, how.name, path, len(s.body), seen)
		}
	}
	e.expectNoStreams(t)
}

// randomForm is a form of honest files, with a program behind them every other time.
func randomForm(r *rand.Rand) sample {
	var sizes []int
	for range 1 + r.IntN(4) {
		sizes = append(sizes, []int{10, 500, 5000, 20_000, 90_000, 300_000}[r.IntN(6)])
	}
	s := films(sizes...)
	switch r.IntN(4) {
	case 0:
		s = pdf(1000+r.IntN(200_000), "").inForm("a.pdf")
	case 1:
		s = text(100 + r.IntN(20_000)).inForm("a.txt")
	}
	s.status = http.StatusOK
	if r.IntN(2) == 0 {
		const end = "\r\n--" + boundary + "--\r\n"
		honest, _, _ := strings.Cut(s.body, end)
		s.body = honest + "\r\n" + program(10+r.IntN(30_000)).inForm("b.pdf").body
		s.name, s.status = s.name+" and a program", http.StatusUnsupportedMediaType
	}
	return s
}

// sendFramed uploads a sample in frames of random sizes and returns the answer's status.
func (e *edge) sendFramed(ctx context.Context, client *http.Client, how ending, path string, s sample, mark string, r *rand.Rand) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.addr+path, io.NopCloser(&frames{strings.NewReader(s.body), rand.New(rand.NewPCG(r.Uint64(), 6))})) // #nosec G404 -- as above
	if err != nil {
		return 0, err
	}
	if r.IntN(2) == 0 {
		request.Header.Set("X-Envoy-Fault-Delay-Request", strconv.Itoa(1+r.IntN(30)))
	}
	return ask(client, request, how, s, mark)
}

// frames gives a body in pieces, each of which becomes a frame.
type frames struct {
	rest *strings.Reader
	r    *rand.Rand
}

func (f *frames) Read(b []byte) (int, error) {
	most := []int{40, 400, 5000, 70_000}[f.r.IntN(4)]
	return f.rest.Read(b[:min(1+f.r.IntN(most), len(b))])
}
