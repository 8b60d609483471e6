package uploadcorpus

import (
	"bytes"
	"io"
	"testing"

	"gatehouse/filter/upload"
)

func policyOf(t testing.TB) *upload.Policy {
	t.Helper()
	p, err := upload.Compile(upload.Config{Allow: upload.KnownGroups(), MaxFileSize: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// chunks gives n bytes at a time.
type chunks struct {
	io.Reader
	n int
}

func (c chunks) Read(b []byte) (int, error) { return c.Reader.Read(b[:min(c.n, len(b))]) }

func judge(t testing.TB, p *upload.Policy, f File, n int) upload.Result {
	t.Helper()
	r, err := p.Sniff(chunks{bytes.NewReader(f.Content), n}, f.Name, f.Declared)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNoMaliciousFileIsAcceptedAndNoHonestOneRefused(t *testing.T) {
	t.Parallel()
	p := policyOf(t)
	files := append(Files(), Found()...)
	if len(files) < 400 {
		t.Fatalf("only %d files", len(files))
	}
	for _, f := range files {
		if r := judge(t, p, f, 64<<10); r.Accepted == f.Malicious {
			t.Errorf("%s: %s (%s): %+v", f.Category, f.What, f.Name, r)
		}
	}
	t.Logf("%d files, of which %d were found in the Go distribution", len(files), len(Found()))
}

func TestCuttingAFileAnywhereChangesNoVerdict(t *testing.T) {
	t.Parallel()
	p := policyOf(t)
	for _, f := range append(Files(), Found()...) {
		whole := judge(t, p, f, 64<<10)
		for _, n := range []int{1, 2, 3, 17, 512, 1000, 4096, 8191} {
			if len(f.Content)/n > 100_000 {
				continue // a bomb, byte by byte
			}
			if r := judge(t, p, f, n); r.Accepted != whole.Accepted || r.Rule != whole.Rule {
				t.Errorf("%s: in pieces of %d %+v, whole %+v", f.What, n, r, whole)
			}
		}
	}
}
