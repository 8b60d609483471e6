package upload

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Edit says that bytes of the body go on as others, as many.
type Edit struct {
	At    int64 // in the body, from its first byte
	Bytes []byte
}

// renamed writes the part's head anew with the name that the sink chose. It keeps
// its length, so that a Content-Length stays true: what the name is shorter by
// becomes white space before the value of Content-Disposition, where all readers
// drop it. Only names that cannot be made harmless without more room are refused.
func (m *multipartReader) renamed(head string, p *part) *Refusal {
	var out strings.Builder
	at := 0
	for i, s := range p.names {
		if i == 0 {
			out.WriteString(head[:p.value])
			at = p.value
		}
		out.WriteString(head[at:s.at])
		switch {
		case s.extended:
			out.WriteString("UTF-8''" + encodeExtended(p.rename))
		case s.token && !isToken(p.rename):
			return unsafe(RuleName, "a name without quotes, which cannot be rewritten")
		default:
			out.WriteString(p.rename)
		}
		at = s.end
	}
	out.WriteString(head[at:])
	room := len(head) - out.Len()
	if room < 0 {
		return unsafe(RuleName, "a name that would be longer if it were harmless")
	}
	text := out.String()
	padded := text[:p.value] + strings.Repeat(" ", room) + text[p.value:]
	m.edits = append(m.edits, Edit{At: m.at, Bytes: []byte(padded)})
	return nil
}

// encodeExtended writes a name as RFC 8187 wants it, behind its charset.
func encodeExtended(name string) string {
	var out strings.Builder
	for i := range len(name) {
		c := name[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			out.WriteByte(c)
			continue
		}
		const digits = "0123456789ABCDEF"
		out.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return out.String()
}

// normalMistake: names that are not in normal form C are equal on one system and
// different on another (Unicode Standard Annex 15).
func normalMistake(name string) *Refusal {
	if isASCII(name) || norm.NFC.IsNormalString(name) {
		return nil
	}
	return refuse("GH-NAM-002", "the name is not in Unicode's normal form C")
}

// harmlessName makes of a name one that nameMistake and hidesProgram have nothing
// against: its last segment, in normal form C, without invisible characters and
// with underscores for what is special or looks like it. An extension stays what
// it was: the type is judged by it.
func harmlessName(name string) string {
	// What is left of a name may look harmful again: %2e with something invisible
	// in it. Each round takes something out or puts an underscore.
	for range 8 {
		safe := lessHarmful(name)
		if safe == name {
			break
		}
		name = safe
	}
	return name
}

func lessHarmful(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if isOption(name) {
		name = "_" + name[1:]
	}
	if substitutes(name) {
		name = strings.NewReplacer("`", "_", "$", "_").Replace(name)
	}
	var out []byte
	for rest := name; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case isJoiner(r) && lastRune(string(out)) >= joinedFrom && firstRune(rest[n:]) >= joinedFrom:
			out = append(out, rest[:n]...)
		case r == utf8.RuneError && n == 1, strings.ContainsRune(`:;*?"<>|`, r), isLookalike(r), hidesByPercent(rest):
			out = append(out, '_')
		case runeMistake(r) != "":
		default:
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	out = norm.NFC.Bytes(out)
	// Normal forms of some characters are others that may not stand.
	safe := strings.TrimFunc(string(bytes.ToValidUTF8(out, nil)), func(r rune) bool { return isNameSpace(r) })
	safe = strings.TrimRight(safe, ". ")
	if hidesProgram(safe) {
		last := strings.LastIndexByte(safe, '.')
		safe = strings.ReplaceAll(safe[:last], ".", "_") + safe[last:]
	}
	safe = shortened(safe)
	if base, _, _ := strings.Cut(safe, "."); isDevice(strings.ToUpper(strings.TrimRight(base, " "))) {
		safe = "_" + safe[1:]
	}
	if safe == "" {
		return "_"
	}
	return safe
}

// shortened cuts a name that is too long before its extension.
func shortened(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i < 32 {
		name, ext = name[:i], name[i:]
	}
	name = name[:maxName-len(ext)]
	for name != "" && !utf8.ValidString(name) {
		name = name[:len(name)-1]
	}
	return strings.TrimRight(name, ". ") + ext
}
