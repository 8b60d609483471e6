package accesslog

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what comes from a client, in bytes.
const (
	maxHost   = 255
	maxPath   = 1024
	maxID     = 128
	maxName   = 128
	maxReason = 512
)

// clean makes s safe to stand in a line of a log, whatever reads it: bytes that
// are no UTF-8, control and format characters (terminal escapes, line breaks,
// text that runs backwards) become U+FFFD, and more than limit bytes are cut off
// at a character.
func clean(s string, limit int) string {
	if len(s) <= limit && isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// withoutQuery cuts what may hold tokens and search words.
func withoutQuery(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i]
	}
	return path
}
