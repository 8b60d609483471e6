package verdict

import (
	"strconv"
	"unicode/utf8"
)

// The JSON is written by hand because encoding/json adds 1 MB to the Wasm
// module, and every further worker pays for the module's size.

// AppendJSON appends the verdict's JSON form to b.
func (v *Verdict) AppendJSON(b []byte) []byte {
	b = append(b, `{"decision":`...)
	b = AppendString(b, string(v.Decision))
	b = appendField(b, "policy", v.Policy)
	b = appendField(b, "version", v.Version)
	b = appendField(b, "feature", string(v.Feature))
	b = appendField(b, "rule", v.Rule)
	b = appendField(b, "rule_id", v.RuleID)
	b = appendField(b, "reason", v.Reason)
	if v.Problem != NoProblem {
		b = append(b, `,"status":`...)
		b = appendInt(b, int64(v.Problem.Status()))
	}
	if len(v.Files) > 0 {
		b = append(b, `,"files":[`...)
		for i := range v.Files {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.Files[i].appendJSON(b)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (f *File) appendJSON(b []byte) []byte {
	b = append(b, `{"size":`...)
	b = appendInt(b, f.Size)
	b = appendField(b, "name", f.Name)
	b = appendField(b, "sent", f.Sent)
	b = appendField(b, "declared", f.Declared)
	b = appendField(b, "detected", f.Detected)
	if f.SHA256 != "" {
		b = appendField(b, "sha256", f.SHA256)
		b = appendInt(append(b, `,"hashed":`...), f.Hashed)
		b = appendInt(append(b, `,"offset":`...), f.Offset)
	}
	return append(b, '}')
}

func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ',')
	b = AppendString(b, name)
	b = append(b, ':')
	return AppendString(b, value)
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// AppendString appends s as a JSON string (RFC 8259 section 7). Bytes that are
// not UTF-8 become U+FFFD, so that the result is always valid JSON.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		if n := plain(s[i:]); n > 0 {
			b = append(b, s[i:i+n]...)
			i += n
			continue
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		if c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
	}
	return append(b, '"')
}

// plain is how many bytes at the beginning stand for themselves.
func plain(s string) int {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}
