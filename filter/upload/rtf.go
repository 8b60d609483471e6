package upload

import "strings"

// rtf looks at the control words of a Rich Text Format document (RTF 1.9.1) for
// objects and fields that do something.
type rtf struct {
	in    bool
	word  []byte
	field []byte
	instr bool
	depth int
	level int // of the field's instruction
}

func newRTF(env) checker { return &rtf{} }

func (f *rtf) write(b []byte) *Refusal {
	for _, c := range b {
		if f.in && (c|0x20 >= 'a' && c|0x20 <= 'z') {
			if len(f.word) < 32 {
				f.word = append(f.word, c|0x20)
			}
			continue
		}
		if f.in {
			if r := f.control(string(f.word)); r != nil {
				return r
			}
		}
		f.in, f.word = c == '\\', f.word[:0]
		switch c {
		case '{':
			f.depth++
		case '}':
			if f.depth--; f.instr && f.depth < f.level {
				f.instr = false
			}
		}
		if f.instr && c > ' ' && c != '{' && c != '}' && c != '\\' && len(f.field) < maxInstruction {
			if f.field = append(f.field, c); isDDE(f.field) {
				return refuse("GH-OFF-003", "an RTF with a DDE field")
			}
		}
	}
	return nil
}

func (f *rtf) control(word string) *Refusal {
	switch word {
	case "objdata", "objupdate", "objautlink", "objocx", "objlink":
		return refuse("GH-OFF-004", "an RTF with an embedded object, "+word)
	case "objemb", "objhtml":
		return refuse("GH-OFF-004", "an RTF with an embedded object, "+word)
	case "fldinst":
		f.instr, f.field, f.level = true, f.field[:0], f.depth
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
	return nil
}
