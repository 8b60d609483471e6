package upload

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// scanOf is a JPEG whose scan has that size, with something in it, or behind its end.
func scanOf(size, at int, what, behind string) []byte {
	b := []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" +
		"\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00")
	b = append(b, bytes.Repeat([]byte{'o'}, size-len(b))...)
	copy(b[at:], what)
	return append(append(b, "\xff\xd9"...), behind...)
}

func TestWithMediaTypeAPictureIsJudgedByItsBeginningAndAsAnArchive(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFileSize: 3 << 20, Media: MediaType})
	zipEnd := "PK\x05\x06" + strings.Repeat("\x00", 18)
	const size = typeLook + 1<<20
	for name, test := range map[string]struct {
		content     []byte
		contentType string
		want        string
		unseen      bool
	}{
		"an honest picture":                    {scanOf(size, 0, "", ""), "image/jpeg", "", true},
		"a picture with code in its beginning": {scanOf(size, 5000, "<?php x", ""), "image/jpeg", RuleImageCode, true},
		"one with code just in reach":          {scanOf(size, typeLook-30, "<?php x", ""), "image/jpeg", RuleImageCode, true},
		"one with code in its pixels":          {scanOf(size, typeLook+30, "<?php x", ""), "image/jpeg", "", true},
		"one that ends as an archive":          {scanOf(size, 0, "", zipEnd), "image/jpeg", RulePolyglot, true},
		"one that is none":                     {append([]byte("MZ\x90\x00"), make([]byte, size)...), "image/jpeg", RuleMismatch, true},
		"one of too many pixels":               {[]byte(strings.Replace(string(scanOf(size, 0, "", "")), "\x08\x00\x10\x00\x10", "\x08\xff\xff\xff\xff", 1)), "image/jpeg", "image_too_large", true},
		"one larger than may be":               {scanOf(3<<20+1, 0, "", ""), "image/jpeg", RuleFileSize, true},
		"a small one without its end":          {scanOf(5000, 0, "", "")[:5000], "image/jpeg", RuleTruncated, false},
		"a film with code behind that":         {film(mediaLook, typeLook, "<?php x"), "video/mp4", "", true},
		"a drawing that runs a script":         {[]byte("<svg>" + strings.Repeat("<g></g>", typeLook/7) + "<script/></svg>"), "image/svg+xml", "unsafe_svg", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(7, 8))
			for _, length := range []int64{-1, int64(len(test.content))} {
				whole := judged(t, p, test.contentType, test.content, length, false, func() int { return len(test.content) })
				if whole != test.want {
					t.Fatalf("%q, not %q", whole, test.want)
				}
				got := judged(t, p, test.contentType, test.content, length, test.unseen, func() int { return 1 + r.IntN(64<<10) })
				if got != whole {
					t.Errorf("with length %d: %q in pieces, %q as a whole", length, got, whole)
				}
			}
		})
	}
}

func TestMediaIsContentOrType(t *testing.T) {
	t.Parallel()
	for media, want := range map[string]bool{"": true, MediaContent: true, MediaType: true, "none": false} {
		if _, err := Compile(Config{Allow: []string{"image"}, Media: media}); (err == nil) != want {
			t.Errorf("%q: %v", media, err)
		}
	}
}
