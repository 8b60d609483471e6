package upload

import "strings"

// jsonText reads a file by the grammar of RFC 8259: what is cut off, or is no JSON,
// is refused. Several values are taken, one a line (NDJSON); so is a byte order mark,
// which writers leave.
type jsonText struct {
	php   text
	stack []byte // the brackets that are open
	state jsonTextState
	word  string // what is left of a literal
	hex   int    // digits of an escape that are to come
	mark  []byte // the byte order mark, as far as it was read
	begun bool
	seen  bool // a value
	line  bool // the last value's line has ended
	wide  utf16Text
}

type jsonTextState uint8

const (
	jsonTextValue jsonTextState = iota
	jsonTextFirst               // or the end of the array
	jsonTextFirstName
	jsonTextName
	jsonTextColon
	jsonTextAfter // a value: a comma, or the end of what it is in
	jsonTextInName
	jsonTextInString
	jsonTextWord
	// Of a number, what was there last (RFC 8259, section 6).
	jsonTextMinus
	jsonTextZero
	jsonTextWhole
	jsonTextPoint
	jsonTextFraction
	jsonTextPower
	jsonTextPowerSign
	jsonTextExponent
)

// maxJSONDepth: parsers give up between 500 and 10,000.
const maxJSONDepth = 1000

func newJSON(env) checker { return &jsonText{} }

func (j *jsonText) write(b []byte) *Refusal {
	if r := j.php.write(b); r != nil {
		return r
	}
	return j.read(j.wide.narrow(b))
}

func (j *jsonText) read(b []byte) *Refusal {
	for i := 0; i < len(b); i++ {
		if !j.begun {
			if j.skipMark(b[i]) {
				continue
			}
		}
		if i += j.run(b[i:]); i == len(b) {
			return nil
		}
		if r := j.char(b[i]); r != nil {
			return r
		}
	}
	return nil
}

// run goes as far into b as what programs write most: it is char, without what may be
// wrong.
func (j *jsonText) run(b []byte) int {
	for n := 0; n < len(b); n++ {
		c := b[n]
		switch j.state {
		case jsonTextInString, jsonTextInName:
			for j.hex == 0 && !jsonTextTelling[c] {
				if n++; n == len(b) {
					return n
				}
				c = b[n]
			}
			if c != '"' || j.hex > 0 {
				return n
			}
			j.closeString()
		case jsonTextWhole, jsonTextFraction:
			if c-'0' >= 10 {
				return n
			}
		case jsonTextName, jsonTextFirstName:
			if c != '"' {
				return n
			}
			j.state = jsonTextInName
		case jsonTextColon:
			if c != ':' {
				return n
			}
			j.state = jsonTextValue
		case jsonTextValue:
			if c != '"' {
				return n
			}
			j.state, j.seen, j.line = jsonTextInString, true, false
		case jsonTextAfter:
			if c != ',' || len(j.stack) == 0 {
				return n
			}
			j.comma()
		default:
			return n
		}
	}
	return len(b)
}

func (j *jsonText) closeString() {
	if j.state == jsonTextInName {
		j.state = jsonTextColon
	} else {
		j.state = jsonTextAfter
	}
}

func (j *jsonText) comma() {
	if j.state = jsonTextValue; j.stack[len(j.stack)-1] == '}' {
		j.state = jsonTextName
	}
}

// jsonTextTelling has the bytes that mean something in a string.
var jsonTextTelling = func() (is [256]bool) {
	for c := range ' ' {
		is[c] = true
	}
	is['"'], is['\\'] = true, true
	return is
}()

// skipMark passes over a byte order mark; of that of UTF-16, a "?" is left.
func (j *jsonText) skipMark(c byte) bool {
	const utf8Mark = "\xef\xbb\xbf"
	if (j.wide.little || j.wide.big) && len(j.mark) == 0 {
		j.begun = true
		return c == '?'
	}
	if len(j.mark) < len(utf8Mark) && c == utf8Mark[len(j.mark)] {
		j.mark = append(j.mark, c)
		return true
	}
	j.begun = true
	return false
}

func badJSONText(why string) *Refusal { return truncated("a JSON " + why) }

func (j *jsonText) char(c byte) *Refusal {
	switch j.state {
	case jsonTextInString, jsonTextInName:
		return j.inString(c)
	case jsonTextWord:
		return j.inWord(c)
	case jsonTextMinus, jsonTextZero, jsonTextWhole, jsonTextPoint, jsonTextFraction, jsonTextPower, jsonTextPowerSign, jsonTextExponent:
		if used, r := j.inNumber(c); used || r != nil {
			return r
		}
	}
	switch {
	case c > ' ':
		return j.structure(c)
	case c == '\n' || c == '\r':
		j.line = true
		return nil
	case c == ' ' || c == '\t':
		return nil
	}
	return j.structure(c)
}

// structure takes a character outside of strings, numbers and literals.
func (j *jsonText) structure(c byte) *Refusal {
	switch j.state {
	case jsonTextColon:
		if c != ':' {
			return badJSONText("with a name that has no colon")
		}
		j.state = jsonTextValue
		return nil
	case jsonTextName, jsonTextFirstName:
		if c == '}' && j.state == jsonTextFirstName {
			return j.closeBracket(c)
		}
		if c != '"' {
			return badJSONText("with something that is no name")
		}
		j.state, j.hex = jsonTextInName, 0
		return nil
	case jsonTextAfter:
		return j.after(c)
	case jsonTextFirst:
		if c == ']' {
			return j.closeBracket(c)
		}
	}
	return j.value(c)
}

func (j *jsonText) after(c byte) *Refusal {
	switch {
	case len(j.stack) == 0:
		if !j.line {
			return badJSONText("with something behind its end")
		}
		return j.value(c)
	case c == '}' || c == ']':
		return j.closeBracket(c)
	case c != ',':
		return badJSONText("with values that no comma parts")
	}
	j.comma()
	return nil
}

// value takes the first character of one.
func (j *jsonText) value(c byte) *Refusal {
	j.seen, j.line = true, false
	switch {
	case c == '"':
		j.state, j.hex = jsonTextInString, 0
	case c == '{':
		return j.openBracket('}', jsonTextFirstName)
	case c == '[':
		return j.openBracket(']', jsonTextFirst)
	case c == '-':
		j.state = jsonTextMinus
	case c == '0':
		j.state = jsonTextZero
	case c >= '1' && c <= '9':
		j.state = jsonTextWhole
	case c == 't':
		j.state, j.word = jsonTextWord, "true"[1:]
	case c == 'f':
		j.state, j.word = jsonTextWord, "false"[1:]
	case c == 'n':
		j.state, j.word = jsonTextWord, "null"[1:]
	case c == '}' || c == ']':
		return badJSONText("whose brackets do not match")
	default:
		return badJSONText("with something that is no value")
	}
	return nil
}

func (j *jsonText) openBracket(closing byte, next jsonTextState) *Refusal {
	if j.stack = append(j.stack, closing); len(j.stack) > maxJSONDepth {
		return truncated("a JSON nested more than 1000 deep")
	}
	j.state = next
	return nil
}

func (j *jsonText) closeBracket(c byte) *Refusal {
	if len(j.stack) == 0 || j.stack[len(j.stack)-1] != c {
		return badJSONText("whose brackets do not match")
	}
	j.stack, j.state = j.stack[:len(j.stack)-1], jsonTextAfter
	return nil
}

// jsonTextEscape stands in hex for a backslash whose letter is to come.
const jsonTextEscape = 5

func (j *jsonText) inString(c byte) *Refusal {
	switch {
	case j.hex == jsonTextEscape:
		j.hex = 0
		if c == 'u' {
			j.hex = 4
		} else if strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return badJSONText("with an escape that there is not")
		}
	case j.hex > 0:
		if _, ok := unhex('0', c); !ok {
			return badJSONText("with an escape that there is not")
		}
		j.hex--
	case c == '\\':
		j.hex = jsonTextEscape
	case c == '"':
		j.closeString()
	case c < ' ':
		return badJSONText("with a control character in a string")
	}
	return nil
}

func (j *jsonText) inWord(c byte) *Refusal {
	if c != j.word[0] {
		return badJSONText("with something that is no value")
	}
	if j.word = j.word[1:]; j.word == "" {
		j.state = jsonTextAfter
	}
	return nil
}

// inNumber takes a character of a number; false means that it ended before.
func (j *jsonText) inNumber(c byte) (bool, *Refusal) {
	if j.whole() && (c == ',' || c == '}' || c == ']') {
		j.state = jsonTextAfter
		return false, nil
	}
	next, digit := j.state, c >= '0' && c <= '9'
	switch {
	case c == '0' && j.state == jsonTextMinus:
		next = jsonTextZero
	case digit && j.state == jsonTextMinus:
		next = jsonTextWhole
	case digit && (j.state == jsonTextPoint || j.state == jsonTextFraction):
		next = jsonTextFraction
	case digit && j.state >= jsonTextPower:
		next = jsonTextExponent
	case digit && j.state == jsonTextWhole:
	case c == '.' && (j.state == jsonTextZero || j.state == jsonTextWhole):
		next = jsonTextPoint
	case c|0x20 == 'e' && (j.state == jsonTextZero || j.state == jsonTextWhole || j.state == jsonTextFraction):
		next = jsonTextPower
	case (c == '+' || c == '-') && j.state == jsonTextPower:
		next = jsonTextPowerSign
	case digit || !j.whole():
		return false, badJSONText("with a number that is none")
	default:
		j.state = jsonTextAfter
		return false, nil
	}
	j.state = next
	return true, nil
}

// whole tells whether the number may end here.
func (j *jsonText) whole() bool {
	return j.state == jsonTextZero || j.state == jsonTextWhole || j.state == jsonTextFraction || j.state == jsonTextExponent
}

func (j *jsonText) end(int64) *Refusal {
	if r := j.php.end(0); r != nil {
		return r
	}
	if r := j.read(j.wide.rest()); r != nil {
		return r
	}
	if !j.seen || len(j.stack) > 0 || j.state != jsonTextAfter && !j.whole() {
		return truncated("a JSON that is cut off")
	}
	return nil
}
