package upload

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// heads are what the magics look for, whole and with another byte somewhere.
func heads(t *testing.T, r *rand.Rand) (out []string) {
	t.Helper()
	starts := []string{"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", "\xff\xd8\xff\xe0", "GIF89a", "RIFF....WEBPVP8 ", "\xff\x0a\x00", "\x00\x00\x00\x0cJXL \r\n\x87\n",
		"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00mif1miaf", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1", "....ftypqt  ", "\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp41", "....moov",
		"BM............\x28\x00\x00\x00............", "\x00\x00\x01\x00\x10\x00....\x00............", "II*\x00", "MM\x00*", "%PDF-1.7", "\xef\xbb\xbf%PDF-1.7", "PK\x03\x04", "PK\x05\x06", "BZh91AY&SY",
		"FORM....AIFF", "\x00\x00\x01\xba", "\x00\x01\x00\x00\x00\x0a......", "true\x00\x0a......", "ttcf\x00", "OTTO\x00\x0a......", "FWS\x05\x00", "CWS\x05\x00", "ZWS\x05\x00", "\x1aE\xdf\xa3..webm", "\x1aE\xdf\xa3..matroska",
		"\xff\xf1\x50", "ID3\x03", "\xff\xfb\x90\x00", "MZ\x90\x00", "\xcf\xfa\xed\xfe", "\xfe\xed\xfa\xcf", "\xca\xfe\xba\xbe", "all is well", "{\\rtf1", ""}
	for i := range magics {
		if first := magics[i].first; first != "" {
			starts = append(starts, first[:1])
		}
	}
	for _, s := range starts {
		long := s + strings.Repeat("\x00", 30+r.IntN(600))
		out = append(out, s, long)
		for range 200 {
			b := []byte(long)
			b[r.IntN(min(len(b), 32))] = byte(r.Uint32()) // #nosec G115 -- any byte
			out = append(out, string(b))
		}
	}
	return append(out, sampleTAR())
}

func TestTheFirstByteRulesOutNoTypeThatMatches(t *testing.T) {
	t.Parallel()
	if len(magics) > 64 {
		t.Fatalf("%d magics do not fit into the bits of magicsOf", len(magics))
	}
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range heads(t, r) {
		head := []byte(s)
		want := ""
		for i := range magics {
			if len(head) > 0 && magics[i].matches(head) && !isProseAbout(magics[i].id, head) {
				want = magics[i].id
				break
			}
		}
		if got := detectMagic(head); got != want {
			t.Errorf("%.40q: %q, but asking all of them says %q", s, got, want)
		}
	}
}

func FuzzProse(f *testing.F) {
	for _, s := range []string{"a < b", "a <?php", "a <?PHP x", "a <script> <job>", "a <SCRIPT <package", "[1, 2] < 3", "{ <s", "ID;P", "id; p", "a\u212a <\u017fcript", "a <", "é <?php"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := proseKind(b); got != "" && got != textKind(b) {
			t.Errorf("%q is %s for prose, but %s", b, got, textKind(b))
		}
	})
}

// FuzzQuickNames holds what is done about most names and heads to what is done about
// all of them.
func FuzzQuickNames(f *testing.F) {
	for _, s := range []string{"a.txt", "con", "CON.txt", "com1.x", "com\u00b9", "co\u0131n$", "conout$", " a", "a ", "a.", "..", "a/b", "é.txt", "A-b_c (1).PDF", "Content-Type", "content-disposition", "a\r\nb\r\n", "a\rb\nc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := nameMistake(s), oddNameMistake(s); got != want {
			t.Errorf("name %q: %q, not %q", s, got, want)
		}
		if got, want := deviceMistake(s) != "", isDevice(strings.ToUpper(strings.TrimRight(upToDot(s), " "))); got != want {
			t.Errorf("device %q: %v", s, got)
		}
		if got, want := isToken(s), s != "" && !strings.ContainsFunc(s, func(c rune) bool {
			return c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
		}); got != want {
			t.Errorf("token %q: %v", s, got)
		}
		if got := lowerToken(s); got != strings.ToLower(s) {
			t.Errorf("lower %q: %q", s, got)
		}
		if got := lowerHeader(s); got != strings.ToLower(s) {
			t.Errorf("header %q: %q", s, got)
		}
		line, rest, more := cutLine(s)
		if wantLine, wantRest, wantMore := strings.Cut(s, "\r\n"); line != wantLine || rest != wantRest || more != wantMore {
			t.Errorf("line %q: %q, %q, %v", s, line, rest, more)
		}
	})
}

func upToDot(s string) string { base, _, _ := strings.Cut(s, "."); return base }
