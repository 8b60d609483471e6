package upload

import "gatehouse/filter/upload/internal/blocks"

// The fast half of the XML scanner: tags as programs write them, of which all that
// is needed stands in one chunk. Whatever is cut, long or odd is left to the slow
// half, byte by byte; both leave the scanner in the same state.

// xmlKnown is a name of an element or an attribute as it is written, then local and in
// lower case, and what the handler thinks of it. It is never written to.
type xmlKnown struct {
	written, name string
	watched, read bool
}

// xmlNames remembers names: documents have few.
type xmlNames [64]*xmlKnown

// maxXMLName is how long a name may be that is remembered.
const maxXMLName = 48

func (x *xmlNames) of(b []byte, h xmlHandler) *xmlKnown {
	n := len(b)
	if n == 0 || n > maxXMLName {
		return newXMLKnown(b, h)
	}
	slot := &x[(uint(b[0])*3+uint(b[n-1])*7+uint(b[n/2])*5+uint(n))%64]
	if *slot == nil || (*slot).written != blocks.String(b) {
		*slot = newXMLKnown(b, h)
	}
	return *slot
}

func newXMLKnown(b []byte, h xmlHandler) *xmlKnown {
	name := localName(b)
	return &xmlKnown{written: string(b), name: name, watched: h.watched(name), read: h.read(name)}
}

// nameByte has the bytes that only go on with a name.
var nameByte = [256]bool{
	'a': true, 'b': true, 'c': true, 'd': true, 'e': true, 'f': true, 'g': true, 'h': true, 'i': true, 'j': true, 'k': true, 'l': true, 'm': true,
	'n': true, 'o': true, 'p': true, 'q': true, 'r': true, 's': true, 't': true, 'u': true, 'v': true, 'w': true, 'x': true, 'y': true, 'z': true,
	'A': true, 'B': true, 'C': true, 'D': true, 'E': true, 'F': true, 'G': true, 'H': true, 'I': true, 'J': true, 'K': true, 'L': true, 'M': true,
	'N': true, 'O': true, 'P': true, 'Q': true, 'R': true, 'S': true, 'T': true, 'U': true, 'V': true, 'W': true, 'X': true, 'Y': true, 'Z': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true, ':': true, '-': true,
}

// nameRun is how many bytes of b only go on with the name of an element or an
// attribute: letters, nearly always.
func nameRun(b []byte) int {
	for i, c := range b {
		if !nameByte[c] {
			return i
		}
	}
	return len(b)
}

// rush reads as much of a tag as is simple, from behind its bracket or in it.
func (x *xmlScanner) rush(b []byte) (int, *Refusal) {
	at := 0
	if x.state == xmlOpen {
		n, r := x.rushName(b)
		if n == 0 || r != nil {
			return n, r
		}
		at = n
	}
	for at < len(b) {
		switch c := b[at]; {
		case c == '>':
			at++
			if r := x.closeTag(); r != nil || len(b)-at < 2 || b[at] != '<' {
				return at, r
			}
			at, x.state = at+1, xmlOpen // the next tag adjoins
			n, r := x.rushName(b[at:])
			if at += n; n == 0 || r != nil {
				return at, r
			}
		case c == '/':
			x.slash = true
			at++
		case isXMLSpace(c):
			at++
		default:
			n, r := x.rushAttribute(b[at:])
			at += n
			if n == 0 || r != nil {
				return at, r
			}
		}
	}
	return at, nil
}

// rushName reads the name of a tag, up to where it ends; 0 leaves it.
func (x *xmlScanner) rushName(b []byte) (int, *Refusal) {
	from := 0
	if b[0] == '/' {
		from = 1
	} else if !isASCIILetter(b[0]) {
		return 0, nil
	}
	n := from + nameRun(b[from:])
	if n == len(b) || n == from || n > maxXMLName || b[n] != '>' && b[n] != '/' && !isXMLSpace(b[n]) {
		return 0, nil
	}
	x.token, x.closing, x.slash = x.token[:0], from == 1, false
	return n, x.named(b[from:n])
}

// rushAttribute reads an attribute, with its value in quotes; 0 leaves it.
func (x *xmlScanner) rushAttribute(b []byte) (int, *Refusal) {
	n := nameRun(b)
	if n == 0 || n > maxXMLName || len(b)-n < 3 || b[n] != '=' || b[n+1] != '"' && b[n+1] != '\'' {
		return 0, nil
	}
	value, quote := b[n+2:], b[n+1]
	end := blocks.IndexByte(value, quote)
	if end < 0 || end > maxXMLToken {
		return 0, nil
	}
	x.slash, x.attr = false, x.names.of(b[:n], x.handler)
	return n + 2 + end + 1, x.valued(value[:end])
}
