package upload

import "gatehouse/filter/upload/internal/blocks"

// The fast half of the XML scanner: tags as programs write them, of which all that
// is needed stands in one chunk. Whatever is cut, long or odd is left to the slow
// half, byte by byte; both leave the scanner in the same state.

// rush reads as much as is simple, from behind a tag's bracket or in a tag.
func (x *xmlScanner) rush(b []byte) (int, *Refusal) {
	at := 0
	for at < len(b) {
		if n := x.skimmed(b[at:]); n > 0 {
			if at += n; x.state == xmlText || at == len(b) {
				return at, nil
			}
		}
		if x.state == xmlOpen {
			n, r := x.rushName(b[at:])
			if at += n; n == 0 || r != nil {
				return at, r
			}
		}
		n, r := x.rushTag(b[at:])
		if at += n; r != nil || x.state != xmlText || x.element.read || x.within != nil || at == len(b) {
			return at, r
		}
		if b[at] != '<' {
			i := blocks.IndexByte(b[at:], '<')
			if i < 0 {
				return len(b), nil
			}
			at += i
		}
		at, x.state = at+1, xmlOpen
	}
	return at, nil
}

// skimmed is skim where no text needs to be told.
func (x *xmlScanner) skimmed(b []byte) int {
	if x.within != nil {
		return 0
	}
	return x.skim(b)
}

// rushTag reads what follows the name of a tag, up to its end or to what is not simple.
func (x *xmlScanner) rushTag(b []byte) (int, *Refusal) {
	at := 0
	for at < len(b) {
		switch c := b[at]; {
		case c == '>':
			return at + 1, x.closeTag()
		case c == '/':
			x.slash = true
			at++
		case isXMLSpace(c):
			at++
		default:
			n, r := x.rushAttribute(b[at:])
			if at += n; n == 0 || r != nil {
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
	n := from + blocks.NameRun(b[from:])
	if n == len(b) || n == from || n > maxXMLName || b[n] != '>' && b[n] != '/' && !isXMLSpace(b[n]) {
		return 0, nil
	}
	x.token, x.closing, x.slash = x.token[:0], from == 1, false
	return n, x.named(b[from:n])
}

// rushAttribute reads an attribute, with its value in quotes; 0 leaves it.
func (x *xmlScanner) rushAttribute(b []byte) (int, *Refusal) {
	n := blocks.NameRun(b)
	if n == 0 || n > maxXMLName || len(b)-n < 3 || b[n] != '=' || b[n+1] != '"' && b[n+1] != '\'' {
		return 0, nil
	}
	attr, value := x.names.of(b[:n], x.handler), b[n+2:]
	var end int
	tell := x.element.watched || attr.watched
	if tell || !x.suspects {
		end = blocks.IndexByte(value, b[n+1])
	} else {
		end, tell = blocks.Quoted(value, b[n+1], x.suspicious)
	}
	if end < 0 {
		return 0, nil
	}
	x.slash, x.attr = false, attr
	if !tell {
		return n + 2 + end + 1, nil
	}
	return n + 2 + end + 1, x.valued(value[:end])
}
