package upload

import (
	"strconv"
	"strings"
)

// unescapeXML resolves references to characters, and those names that help to
// hide a script from a reader.
func unescapeXML(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	var out strings.Builder
	for s != "" {
		before, rest, found := strings.Cut(s, "&")
		out.WriteString(before)
		if !found {
			break
		}
		n := referenceName(rest)
		if r, ok := reference(rest[:n]); ok && n < len(rest) && rest[n] == ';' {
			out.WriteRune(r)
			s = rest[n+1:]
			continue
		}
		out.WriteByte('&')
		s = rest
	}
	return out.String()
}

// referenceName is how long the name of a reference is, of which another one is no part:
// so no byte is looked at twice.
func referenceName(s string) int {
	n := 0
	for n < len(s) && (isASCIILetter(s[n]) || s[n] >= '0' && s[n] <= '9' || s[n] == '#') {
		n++
	}
	return n
}

func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	case "colon":
		return ':', true
	case "Tab":
		return '\t', true
	case "NewLine":
		return '\n', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, isHex := strings.CutPrefix(strings.ToLower(digits), "x"); isHex {
		digits, base = hex, 16
	}
	if v, err := strconv.ParseUint(digits, base, 21); ok && err == nil {
		return rune(v), true
	}
	return 0, false
}

// utf16Text turns UTF-16 into bytes, one for each character of ASCII and a
// question mark for any other; all else it leaves alone.
type utf16Text struct {
	begun  bool
	little bool
	big    bool
	head   []byte
	out    []byte
}

func (u *utf16Text) narrow(b []byte) []byte {
	if !u.begun {
		u.head = append(u.head, b...)
		if len(u.head) < 2 {
			return nil
		}
		b, u.begun, u.head = u.head, true, nil
		u.little = b[0] == 0xff && b[1] == 0xfe || b[0] == '<' && b[1] == 0
		u.big = b[0] == 0xfe && b[1] == 0xff || b[0] == 0 && b[1] == '<'
	}
	if !u.little && !u.big {
		return b
	}
	u.out = u.out[:0]
	for _, c := range b {
		if u.head = append(u.head, c); len(u.head) < 2 {
			continue
		}
		low, high := u.head[0], u.head[1]
		if u.big {
			low, high = high, low
		}
		u.head = u.head[:0]
		if high != 0 {
			low = '?'
		}
		u.out = append(u.out, low)
	}
	return u.out
}

// rest is a text that ended within its first two bytes.
func (u *utf16Text) rest() []byte {
	if u.begun {
		return nil
	}
	u.begun = true
	return u.head
}
