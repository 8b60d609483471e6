package upload

import (
	"encoding/hex"
	"strings"
)

// param is one parameter of a header field's value.
type param struct {
	name, value string
	at, end     int // of the value in what was parsed, without its quotes
	quoted      bool
}

// parseParams reads `value; name=token; name="quoted"` (RFC 9110 section 5.6.6),
// strictly: where servers read a value in different ways (a backslash in quotes,
// a parameter twice, something after the quotes), it is not ok.
func parseParams(s string) (value string, params []param, reason string) {
	return parseParamsInto(make([]param, 0, maxParams), s)
}

// maxParams is how many parameters headers have, mostly.
const maxParams = 3

// parseParamsInto appends to params, which is empty.
func parseParamsInto(params []param, s string) (value string, _ []param, reason string) {
	value, rest, found := strings.Cut(s, ";")
	value = lowerToken(strings.Trim(value, " \t"))
	if kind, sub, both := strings.Cut(value, "/"); !isToken(kind) || both && !isToken(sub) {
		return "", nil, "the value is none (RFC 9110 section 5.6.6)"
	}
	for found {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return value, params, ""
		}
		var p param
		p, rest, found, reason = parseParam(rest)
		if reason != "" {
			return "", nil, reason
		}
		for _, q := range params {
			if q.name == p.name {
				return "", nil, "parameter " + p.name + " stands twice: servers disagree about which one counts"
			}
		}
		p.at, p.end = len(s)+p.at, len(s)+p.at+len(p.value)
		params = append(params, p)
	}
	return value, params, ""
}

// parseParam's at counts from the end of the whole value, and so is negative.
func parseParam(s string) (p param, rest string, more bool, reason string) {
	name, after, ok := strings.Cut(s, "=")
	if !ok || !isToken(name) {
		return p, "", false, "a parameter is not name=value"
	}
	p.name = lowerToken(name)
	if strings.IndexByte(p.name, '*') >= 0 && p.name != "filename*" {
		return p, "", false, "parameter " + p.name + " is continued or extended (RFC 2231), which few servers read"
	}
	if !strings.HasPrefix(after, `"`) {
		p.value, rest, more = strings.Cut(after, ";")
		p.value, p.at = strings.TrimRight(p.value, " \t"), -len(after)
		if strings.HasPrefix(p.value, "'") {
			return p, "", false, "parameter " + p.name + " is in single quotes, which some servers take for quotes"
		}
		if !isToken(p.value) {
			return p, "", false, "parameter " + p.name + " has characters that need quotes"
		}
		return p, rest, more, ""
	}
	end := strings.IndexByte(after[1:], '"')
	if end < 0 {
		return p, "", false, "parameter " + p.name + " has no closing quote"
	}
	p.value, p.at, p.quoted = after[1:1+end], 1-len(after), true
	if strings.IndexByte(p.value, '\\') >= 0 {
		return p, "", false, "parameter " + p.name + " has a backslash, which servers read in two ways"
	}
	rest = strings.TrimLeft(after[end+2:], " \t")
	if rest == "" {
		return p, "", false, ""
	}
	if rest[0] != ';' {
		return p, "", false, "something follows the quotes of parameter " + p.name
	}
	return p, rest[1:], true, ""
}

// tokens has the bytes that a token is made of (RFC 9110 section 5.6.2).
var tokens = setOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

// isToken tells whether s is a token.
func isToken(s string) bool { return s != "" && tokens.hasAll(s) }

// lowerToken is strings.ToLower, which takes longer to find that there is nothing to do.
func lowerToken(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(s)
		}
	}
	return s
}

// decodeExtended reads an RFC 8187 value: UTF-8'lang'percent-encoded.
func decodeExtended(s string) (string, bool) {
	charset, rest, ok := strings.Cut(s, "'")
	if !ok || !strings.EqualFold(charset, "utf-8") {
		return "", false
	}
	_, encoded, ok := strings.Cut(rest, "'")
	if !ok {
		return "", false
	}
	out := make([]byte, 0, len(encoded))
	for i := 0; i < len(encoded); i++ {
		if encoded[i] != '%' {
			out = append(out, encoded[i])
			continue
		}
		if i+2 >= len(encoded) {
			return "", false
		}
		decoded, ok := unhex(encoded[i+1], encoded[i+2])
		if !ok {
			return "", false
		}
		out = append(out, decoded)
		i += 2
	}
	return string(out), true
}

func unhex(high, low byte) (byte, bool) {
	var out [1]byte
	_, err := hex.Decode(out[:], []byte{high, low})
	return out[0], err == nil
}

// boundary takes the boundary out of a multipart Content-Type (RFC 2046 section
// 5.1.1). Some servers look for the word in the whole value and take what follows
// it first: it may stand in no other parameter.
func boundary(params []param) (string, bool) {
	found := ""
	for _, p := range params {
		if p.name != "boundary" {
			if strings.Contains(p.name, "boundary") || strings.Contains(strings.ToLower(p.value), "boundary") {
				return "", false
			}
			continue
		}
		if p.value == "" || len(p.value) > 70 || p.value[len(p.value)-1] == ' ' || p.value[0] == ' ' {
			return "", false
		}
		for i := range len(p.value) {
			c := p.value[i]
			if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("'()+_,-./:=? ", c) < 0 {
				return "", false
			}
		}
		found = p.value
	}
	return found, found != ""
}

// charsetMistake refuses the charsets in which ASCII stands for other letters, or
// other letters for ASCII: a server that honours them (as Django, Tomcat and
// ASP.NET do) reads other names and values than were judged.
func charsetMistake(params []param) *Refusal {
	for _, p := range params {
		if p.name == "charset" && !keepsASCII(p.value) {
			return refuse("GH-FRM-005", "charset "+quote(p.value[:min(len(p.value), 40)]))
		}
	}
	return nil
}

func keepsASCII(charset string) bool {
	charset = strings.ToLower(charset)
	switch charset {
	case "utf-8", "utf8", "us-ascii", "ascii", "macintosh", "tis-620":
		return true
	}
	for _, family := range [...]string{"iso-8859-", "iso8859-", "windows-125", "cp125", "koi8-", "euc-"} {
		if rest, ok := strings.CutPrefix(charset, family); ok {
			return rest != ""
		}
	}
	return false
}
