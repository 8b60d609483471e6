package upload

import (
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// rtf looks at the control words of a Rich Text Format document (RTF 1.9.1) for
// objects, fields and templates that do something. What the words stand for in a
// field is put together as a reader does: letters may be given by their codes.
type rtf struct {
	state rtfState
	word  []byte
	param int
	minus bool
	hex   []byte // of a \'hh
	field []byte
	instr bool
	// settled says that the field is none that is refused, whatever follows.
	settled bool
	// template says that the group tells where the template is.
	template bool
	depth    int
	level    int       // of the field's instruction, or of the template
	skip     int       // characters that stand for the one before
	unicode  [32]uint8 // how many do, less one, by the depth of the group
	bin      int       // bytes of data in which braces are none
	star     bool      // what a reader need not know is to come
	ignored  int       // the depth from which nobody knows what the text is for, 0 if there is none
	over     bool
	behind   raster // looks at what follows the end
}

type rtfState uint8

const (
	rtfText rtfState = iota
	rtfSlash
	rtfWord
	rtfParam
	rtfHex
)

// rtfVerb is within how many characters a field says what it does.
const rtfVerb = 32

func newRTF(env) checker { return &rtf{behind: raster{image: image{codeFinder{tags: true}}}} }

func (f *rtf) write(b []byte) *Refusal {
	was := f.over
	if r := f.read(b); r != nil {
		return r
	}
	if was {
		return f.after(b)
	}
	return nil
}

// after looks for other things behind the end of the outermost group.
func (f *rtf) after(b []byte) *Refusal {
	if f.behind.write(b) != nil {
		return unsafe(RulePolyglot, "an RTF with code or another file behind its end")
	}
	return nil
}

func (f *rtf) read(b []byte) *Refusal {
	for i := 0; i < len(b); i++ {
		for f.state == rtfText && f.skip == 0 && f.bin == 0 && !f.instr && !f.template && !rtfTelling[b[i]] { // letters that nobody keeps
			if i++; i == len(b) {
				return nil
			}
		}
		was := f.over
		if r := f.char(b[i]); r != nil {
			return r
		}
		if f.over && !was {
			if r := f.after(b[i+1:]); r != nil {
				return r
			}
		}
	}
	return nil
}

// rtfTelling has the bytes that plain asks for.
var rtfTelling = [256]bool{'\\': true, '{': true, '}': true}

func (f *rtf) char(c byte) *Refusal {
	if f.bin > 0 {
		return f.data(c)
	}
	return f.step(c)
}

// data takes a byte of binary data, in which readers find neither groups nor the
// beginning of what stands behind; to some it is text like any other.
func (f *rtf) data(c byte) (r *Refusal) {
	if c != '{' && c != '}' {
		r = f.step(c)
	}
	if f.bin--; f.bin == 0 {
		f.state = rtfText
	}
	return r
}

func (f *rtf) step(c byte) *Refusal {
	switch f.state {
	case rtfSlash:
		return f.slash(c)
	case rtfWord, rtfParam:
		used, r := f.inWord(c)
		if used || r != nil {
			return r
		}
	case rtfHex:
		if f.hex = append(f.hex, c); len(f.hex) < 2 {
			return nil
		}
		f.state = rtfText
		if v, ok := unhex(f.hex[0], f.hex[1]); ok {
			return f.letter(v)
		}
		return nil
	case rtfText:
	}
	return f.plain(c)
}

func (f *rtf) slash(c byte) *Refusal {
	switch {
	case isLetter(c):
		f.state, f.word, f.param, f.minus = rtfWord, append(f.word[:0], c|0x20), 0, false
	case c == '\'':
		f.state, f.hex = rtfHex, f.hex[:0]
	default:
		f.state = rtfText
		f.star = c == '*'
		if c == '\\' || c == '{' || c == '}' {
			return f.letter(c)
		}
	}
	return nil
}

// inWord takes a byte of a control word or of its number; false means that it is
// none.
func (f *rtf) inWord(c byte) (bool, *Refusal) {
	switch {
	case f.state == rtfWord && c != '_' && isLetter(c):
		if len(f.word) < 32 {
			f.word = append(f.word, c|0x20)
		}
		return true, nil
	case c >= '0' && c <= '9':
		f.state = rtfParam
		f.param = min(f.param*10+int(c-'0'), maxRTFParam)
		return true, nil
	case f.state == rtfWord && c == '-':
		f.state, f.minus = rtfParam, true
		return true, nil
	}
	f.state = rtfText
	inData := f.bin > 0
	r := f.control(blocks.String(f.word))
	if c != ' ' && f.bin > 0 && !inData && r == nil {
		return true, f.data(c) // which begin at once
	}
	return c == ' ', r
}

// maxRTFParam is more than any word's number has to be, and than any data's length.
const maxRTFParam = 1 << 27

func (f *rtf) plain(c byte) *Refusal {
	switch c {
	case '\\':
		f.state = rtfSlash
	case '{':
		f.depth++
		f.unicode[f.depth&31] = f.unicode[(f.depth-1)&31]
	case '}':
		if f.depth--; f.depth < f.ignored {
			f.ignored = 0
		}
		f.over = f.over || f.depth == 0
		if f.depth < f.level && f.template && leadsOut(string(f.field)) {
			return refuse("GH-OFF-002", "an RTF whose template is elsewhere")
		}
		if f.depth < f.level && (f.instr || f.template) {
			f.instr, f.template = false, false
			return fieldInstruction(f.field)
		}
	case '\r', '\n', 0:
	default:
		return f.letter(c)
	}
	return nil
}

// letter is a character of the text.
func (f *rtf) letter(c byte) *Refusal {
	if f.skip > 0 {
		f.skip--
		return nil
	}
	if !f.instr && !f.template || len(f.field) >= maxInstruction || f.ignored > 0 {
		return nil
	}
	f.field = append(f.field, c)
	if f.template {
		if len(f.field) > 8 && !hasFold(f.field, "file:") && leadsOut(string(f.field)) {
			return refuse("GH-OFF-002", "an RTF whose template is elsewhere")
		}
		return nil
	}
	if len(f.field) <= rtfVerb && !f.settled && isDDE(f.field) {
		return refuse("GH-OFF-003", "an RTF with a DDE field")
	}
	if (c == ' ' || c == '"') && !f.settled {
		r := fieldInstruction(f.field)
		f.settled = r == nil && fieldSettled(f.field)
		return r
	}
	return nil
}

func (f *rtf) control(word string) *Refusal {
	star := f.star
	f.star = false
	switch word {
	case "objdata", "objupdate", "objautlink", "objocx", "objlink", "objemb", "objhtml":
		return refuse("GH-OFF-004", "an RTF with an embedded object, "+word)
	case "fldinst":
		f.instr, f.settled, f.field, f.level = true, false, f.field[:0], f.depth
	case "template":
		f.template, f.field, f.level = true, f.field[:0], f.depth
	case "bin":
		if f.bin == 0 && !f.minus {
			f.bin = f.param
		}
	case "uc":
		f.unicode[f.depth&31] = uint8(min(f.param, 9)) - 1 // #nosec G115 -- small; wraps, and back
	case "u":
		f.skip = 0
		if f.minus {
			f.param = -f.param
		}
		if f.param &= 0xffff; f.param > 0x7f {
			f.param = '?'
		}
		r := f.letter(byte(f.param)) // #nosec G115 -- at most 0x7f
		f.skip = int(f.unicode[f.depth&31] + 1)
		return r
	default:
		if star && (f.instr || f.template) && f.depth > f.level && f.ignored == 0 {
			f.ignored = f.depth // a destination of its own, whose text is none of the field's
		}
	}
	if strings.HasPrefix(word, "ddeauto") {
		return refuse("GH-OFF-003", "an RTF with a DDE field")
	}
	return nil
}

func (f *rtf) end(int64) *Refusal {
	if f.depth > 0 {
		return truncated("an RTF whose groups are not all closed")
	}
	if f.behind.code.end() != nil {
		return unsafe(RulePolyglot, "an RTF with code behind its end")
	}
	return nil
}
