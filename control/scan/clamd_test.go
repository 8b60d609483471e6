package scan

import (
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
	"gatehouse/filter/scan"
)

func feed(t *testing.T, s Scanner, content string, silence time.Duration) scan.Finding {
	t.Helper()
	f, err := s.Begin(t.Context(), "pdf", silence)
	if err != nil {
		return failure(err)
	}
	defer f.Close()
	for len(content) > 0 {
		n := min(len(content), 32<<10)
		if f.Write([]byte(content[:n])) {
			break
		}
		content = content[n:]
	}
	return f.Finish()
}

func TestClamdSaysWhatItFound(t *testing.T) {
	t.Parallel()
	clamd := pack.StartClamd(t, "StreamMaxLength 1M")
	tests := []struct {
		name, content string
		want          scan.Outcome
		text          string
	}{
		{"nothing", "an honest text", scan.Clean, ""},
		{"nothing in much", strings.Repeat("an honest text\n", 60_000), scan.Clean, ""},
		{"a signature", "before " + clamd.Signature + " after", scan.Malicious, pack.SignatureName},
		{"a signature at the end of much", strings.Repeat("an honest text\n", 60_000) + clamd.Signature, scan.Malicious, pack.SignatureName},
		{"more than it takes", strings.Repeat("an honest text\n", 200_000), scan.TooLarge, "INSTREAM size limit exceeded. ERROR"},
	}
	for _, address := range []string{clamd.Address, clamd.Socket} {
		s, err := New(Config{Kind: Clamd, Address: address})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests {
			start := time.Now()
			if got := feed(t, s, tt.content, 10*time.Second); got.Outcome != tt.want || got.Text != tt.text {
				t.Errorf("%s at %s: %v %q, want %v %q", tt.name, address, got.Outcome, got.Text, tt.want, tt.text)
			}
			t.Log(tt.name, time.Since(start))
		}
	}
}
