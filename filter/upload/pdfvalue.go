package upload

// maxPDFNumber is where numbers stop growing: above what readers take for an
// object's (ISO 32000-1, annex C: 8,388,607), and a further digit still fits
// an int of 32 bits.
const maxPDFNumber = 1 << 27

// pdfValue reads what follows a name as far as it tells whether it matters.
type pdfValue struct {
	kind   pdfValueKind
	target *int // of a number
	n      int
	state  pdfValueState
}

// pdfValueKind says of what name the value is.
type pdfValueKind uint8

const (
	valueNone   pdfValueKind = iota
	valueJS                  // a script: a string, or a reference to a stream
	valueEF                  // a dictionary of embedded files
	valueAuto                // what is done without asking
	valueNumber              // of a filter's parameter
)

type pdfValueState uint8

const (
	valueBefore pdfValueState = iota
	valueDigits
	valueGap
	valueGeneration
	valueLetter
	valueBracket
)

// pdfValueIs is what the value turned out to be.
type pdfValueIs uint8

const (
	valueWaits     pdfValueIs = iota
	valueElse                 // nothing that matters
	valueOpens                // a string, a dictionary, a comment that hides one
	valueReference            // n is the object's number
)

func (v *pdfValue) write(c byte) pdfValueIs {
	digit := c >= '0' && c <= '9'
	switch v.state {
	case valueBefore:
		return v.begin(c, digit)
	case valueDigits, valueGeneration:
		switch {
		case digit:
			if v.state == valueDigits && v.n < maxPDFNumber {
				v.n = v.n*10 + int(c-'0')
			}
		case v.kind == valueNumber:
			*v.target = v.n
			return valueElse
		case isPDFSpace(c):
			v.state++
		default:
			return v.odd(c)
		}
	case valueGap, valueLetter:
		switch {
		case isPDFSpace(c):
		case digit && v.state == valueGap:
			v.state = valueGeneration
		case c == 'R' && v.state == valueLetter:
			return valueReference
		default:
			return v.odd(c)
		}
	case valueBracket:
		if c == '<' {
			return valueOpens
		}
		return valueElse
	}
	return valueWaits
}

func (v *pdfValue) begin(c byte, digit bool) pdfValueIs {
	switch {
	case isPDFSpace(c):
		return valueWaits
	case digit:
		v.state, v.n = valueDigits, int(c-'0')
		return valueWaits
	case v.kind == valueJS && (c == '(' || c == '<'):
		return valueOpens
	case c == '<':
		v.state = valueBracket
		return valueWaits
	}
	return v.odd(c)
}

// odd is a byte that no value has there. A comment between a script's name and its
// value has no honest reason.
func (v *pdfValue) odd(c byte) pdfValueIs {
	if c == '%' && (v.kind == valueJS || v.kind == valueEF) {
		return valueOpens
	}
	return valueElse
}

// pdfAuto follows the dictionary of an action that nobody is asked about, to its
// end, and notes the objects that it refers to.
type pdfAuto struct {
	depth   int
	parens  int
	escaped bool
	hex     bool // between single brackets
	angle   byte // the bracket before, if it could be one of two
	ref     pdfValue
}

func (a *pdfAuto) write(c byte, rules *pdfRules) {
	if a.parens > 0 {
		a.inString(c)
		return
	}
	angle := a.angle
	a.angle = 0
	switch {
	case a.hex && angle != '<':
		a.hex = c != '>'
	case c == '<' && angle == '<':
		a.depth, a.hex = a.depth+1, false
	case c == '>' && angle == '>':
		a.depth--
	case c == '<':
		a.angle, a.hex = c, true
	case c == '>':
		a.angle = c
		a.hex = false
	case c == '(':
		a.parens = 1
	default:
		if angle == '<' {
			a.hex = true
		}
	}
	switch a.ref.write(c) {
	case valueReference:
		rules.opens(a.ref.n)
		a.ref = pdfValue{}
	case valueElse, valueOpens:
		a.ref = pdfValue{}
	case valueWaits:
	}
}

func (a *pdfAuto) inString(c byte) {
	switch {
	case a.escaped:
		a.escaped = false
	case c == '\\':
		a.escaped = true
	case c == '(':
		a.parens++
	case c == ')':
		a.parens--
	}
}
