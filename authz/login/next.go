package login

import "strings"

const maxNext = 2048

// localPath says whether next is a path on this very host to which a browser
// may be sent. Browsers read "\" as "/" and drop tabs and line breaks (WHATWG
// URL section 4.4), so that "//", "/\" and every control character could lead
// elsewhere; what is no plain ASCII must be percent-encoded.
func localPath(next string) bool {
	if next == "" || len(next) > maxNext || next[0] != '/' || strings.HasPrefix(next, "//") {
		return false
	}
	for i := range len(next) {
		if c := next[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}
