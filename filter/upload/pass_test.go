package upload

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// film is an MP4 of that size, with something in it.
func film(size int, at int, what string) []byte {
	b := []byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x00mdat")
	b = append(b, make([]byte, size-len(b))...)
	copy(b[at:], what)
	return b
}

// judged sends a raw body in pieces, and passes what need not be shown if it may.
// What was written is overwritten at once, as a host does.
func judged(t *testing.T, p *Policy, contentType string, content []byte, length int64, pass bool, piece func() int) string {
	t.Helper()
	i, refusal := p.Inspect(Request{Method: "PUT", ContentType: contentType, ContentLength: length})
	passed := 0
	for rest := content; refusal == nil && len(rest) > 0; {
		n := min(len(rest), piece())
		ahead := 0
		if pass {
			if ahead = i.Ahead(n); ahead > 0 {
				passed += ahead
				if _, refusal = i.Pass(ahead); refusal != nil {
					break
				}
			}
		}
		shown := append([]byte(nil), rest[ahead:n]...)
		_, refusal = i.Write(shown)
		clear(shown)
		rest = rest[n:]
	}
	if refusal == nil {
		refusal = i.Close()
	}
	if pass && refusal == nil && passed < len(content)/4 {
		t.Errorf("only %d of %d bytes were passed", passed, len(content))
	}
	if refusal == nil {
		return ""
	}
	return refusal.Rule
}

func TestBytesThatNobodyLooksAtChangeNoVerdict(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFileSize: 3 << 20})
	zipEnd := "PK\x05\x06" + strings.Repeat("\x00", 18)
	const size = mediaLook + 1<<20
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"an honest film":                 {film(size, size, ""), ""},
		"a film with code at its head":   {film(size, 5000, "<?php x"), RuleImageCode},
		"one with code just in reach":    {film(size, mediaLook-7, "<?php x"), RuleImageCode},
		"one with code in the recording": {film(size, mediaLook, "<?php x"), ""},
		"one that ends as an archive":    {film(size, size-len(zipEnd), zipEnd), RulePolyglot},
		"one larger than may be":         {film(3<<20+1, 5000, ""), RuleFileSize},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(5, 6))
			for _, length := range []int64{-1, int64(len(test.content))} {
				whole := judged(t, p, "video/mp4", test.content, length, false, func() int { return len(test.content) })
				if whole != test.want {
					t.Fatalf("%q, not %q", whole, test.want)
				}
				for range 4 {
					got := judged(t, p, "video/mp4", test.content, length, true, func() int { return 1 + r.IntN(64<<10) })
					if got != whole {
						t.Errorf("with length %d: %q in pieces, %q as a whole", length, got, whole)
					}
				}
			}
		})
	}
}

func TestWhatIsPassedCountsAsWritten(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFileSize: 8 << 20})
	i, refusal := p.Inspect(Request{Method: "PUT", ContentType: "video/mp4", ContentLength: 4 << 20})
	if refusal != nil || i.Ahead(1000) != 0 {
		t.Fatal("passes before the type is decided", refusal)
	}
	if hold, refusal := i.Write(film(mediaLook, 5000, "")); hold || refusal != nil {
		t.Fatal(hold, refusal)
	}
	n := i.Ahead(100 << 20)
	if n != 3<<20-finalStretch {
		t.Fatalf("%d may be passed", n)
	}
	if hold, refusal := i.Pass(n); !hold || refusal != nil {
		t.Fatal("the end is not held back", refusal)
	}
	if i.Ahead(finalStretch) != 0 {
		t.Error("the end is passed too")
	}
	if files := i.Files(); len(files) != 1 || files[0].Size != 4<<20-finalStretch {
		t.Errorf("%+v", files)
	}
}
