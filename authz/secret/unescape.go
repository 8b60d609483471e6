package secret

import "strings"

// unescaped is text with the percent-encoding of URLs undone (RFC 3986 section
// 2.1) as far as it is one; ok is false if nothing was.
func unescaped(text string) (_ string, ok bool) {
	if strings.IndexByte(text, '%') < 0 {
		return text, false
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			high, low := hexDigit(text[i+1]), hexDigit(text[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low)) // #nosec G115 -- two digits of four bits
				i += 2
				ok = true
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return strings.ToValidUTF8(b.String(), "\ufffd"), ok
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
