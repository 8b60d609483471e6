package upload

import (
	"math/bits"

	"gatehouse/filter/upload/internal/blocks"
)

// The fastest half of the XML scanner: tags of which nobody has to be told anything,
// because their names are remembered as meaning nothing and no value has a suspicious
// byte. It calls nothing that allocates, so that TinyGo keeps no list of its pointers.

// skimRoom is what has to follow for a name, a sign of equality, a quote and a block
// of the value to be looked at.
const skimRoom = longXMLName + 2 + len(blocks.Block{})

// skimLook is what values are looked at for, the same for all of a chunk.
type skimLook struct {
	suspicious [4]byte
	quote      byte
}

// skim reads on from where rush does, and stops before what somebody has to be told
// of, or is not simple; it returns how much it has read. By itself it has the
// processor's registers for itself.
//
//go:noinline
func (x *xmlScanner) skim(b []byte) int {
	at, look := 0, skimLook{x.suspicious, x.usual}
	for len(b)-at >= skimRoom {
		if x.state == xmlOpen {
			n := x.skimName((*blocks.Piece)(b[at:]), (*blocks.Piece)(b[at+1:]))
			if n == 0 {
				return at
			}
			at, x.state = at+n, xmlInTag
		}
		n, whole := x.skimTag(b[at:], look)
		if at += n; !whole || len(b)-at < skimRoom {
			return at
		}
		// Behind the tag, mostly at once.
		if b[at] == '<' || b[at+1] == '<' {
			if at++; b[at-1] != '<' {
				at++
			}
			x.state = xmlOpen
			continue
		}
		m := blocks.Marks((*blocks.Block)(b[at:]), '<')
		for m == 0 {
			if at += len(blocks.Block{}); len(b)-at < skimRoom {
				return at
			}
			m = blocks.Marks((*blocks.Block)(b[at:]), '<')
		}
		at, x.state = at+bits.TrailingZeros64(m)+1, xmlOpen
	}
	return at
}

// skimName reads the name of a tag; next is what begins a byte further on.
func (x *xmlScanner) skimName(b, next *blocks.Piece) int {
	if b[0] == '/' {
		n := blocks.NamePiece(next)
		if n == 0 || n == longXMLName || next[n] != '>' {
			return 0
		}
		x.closing = true
		return n + 1
	}
	known, n := x.names.expected(b, endsTagName)
	if known == nil {
		n = blocks.NamePiece(b)
		if uint(n-1) >= longXMLName-1 || !endsTagName(b[n%longXMLName]) { // #nosec G115 -- zero is too large then
			return 0
		}
		known = x.names.short(b, n)
	}
	if known == nil || !isASCIILetter(b[0]) || known.heeded || x.heeded || x.depth == 0 {
		return 0
	}
	x.element, x.rooted, x.closing, x.slash = known, true, false, false
	return n
}

func endsTagName(c byte) bool { return c == '>' || c == '/' || isXMLSpace(c) }

// skimTag reads the rest of a tag, and tells whether it has.
func (x *xmlScanner) skimTag(b []byte, look skimLook) (int, bool) {
	at := 0
	for len(b)-at >= skimRoom {
		switch c := b[at]; {
		case c == ' ' || c == '\n':
			at++
		case c == '>':
			if x.depth >= maxXMLDepth || x.element.read {
				return at, false
			}
			x.skimClose()
			return at + 1, true
		case c == '/':
			x.slash = true
			at++
		default:
			n := x.skimAttribute(b[at:], look)
			if n == 0 {
				return at, false
			}
			at += n
		}
	}
	return at, false
}

// skimClose is closeTag where the depth has room.
func (x *xmlScanner) skimClose() {
	x.state, x.token = xmlText, x.token[:0]
	switch {
	case x.closing:
		x.depth--
	case !x.slash:
		x.depth++
	}
}

// skimAttribute reads an attribute of skimRoom bytes or less, or any whose value ends in b.
func (x *xmlScanner) skimAttribute(b []byte, look skimLook) int {
	name := (*blocks.Piece)(b)
	known, n := x.names.expected(name, func(c byte) bool { return c == '=' })
	if known == nil {
		n = blocks.NamePiece(name)
		if uint(n-1) >= longXMLName-1 || name[n%longXMLName] != '=' { // #nosec G115 -- zero is too large then
			return 0
		}
		known = x.names.short(name, n)
	}
	if known == nil || known.watched || x.element.watched {
		return 0
	}
	if b[n+1] != look.quote {
		if b[n+1] == '"' || b[n+1] == '\'' {
			x.usual = b[n+1]
		}
		return 0
	}
	// Most values are short: the first sixteen bytes cost a fifth of a block.
	ends, odd := blocks.QuotedPiece((*blocks.Piece)(b[n+2:]), look.quote, look.suspicious)
	if ends != 0 {
		if x.suspects && odd&(ends&-ends-1) != 0 {
			return 0
		}
		x.slash, x.attr = false, known
		return n + 2 + bits.TrailingZeros32(ends) + 1
	}
	for at := n + 2; len(b)-at >= len(blocks.Block{}); at += len(blocks.Block{}) {
		value := (*blocks.Block)(b[at:])
		ends := blocks.Marks(value, look.quote)
		if x.suspects && blocks.MarksOf(value, look.suspicious)&(ends&-ends-1) != 0 {
			return 0
		}
		if ends != 0 {
			x.slash, x.attr = false, known
			return at + bits.TrailingZeros64(ends) + 1
		}
	}
	return 0
}
