package upload

import (
	"strconv"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// xmlHandler is told what an XML text holds. Names are local and in lower case.
type xmlHandler interface {
	element(name string) *Refusal
	attribute(element, name, value string) *Refusal
	text(element string, b []byte) *Refusal
	// heeded says that such an element must be told, and the one that follows it. One at
	// the root is told always.
	// watched says that every attribute of such an element, or of such a name, must
	// be told; of any other only those whose value, as it stands, has one of the
	// suspicious bytes, if there are any. read says that the element's text must be
	// told. All are asked once for many. A value is good only as long as it is told.
	heeded(element string) bool
	watched(name string) bool
	suspicious() (set [4]byte, any bool)
	read(element string) bool
	// comment is told that one begins.
	comment() *Refusal
	// declared gets a declaration or processing instruction without its brackets.
	declared(text string) *Refusal
}

// xmlScanner tokenizes XML as it streams past (XML 1.0, section 3). It is more
// lenient than a parser: what it takes for markup is at least what one does.
type xmlScanner struct {
	handler xmlHandler
	state   xmlState
	token   []byte // name, value or declaration being read, cut at maxXMLToken
	names   xmlNames
	element *xmlKnown
	attr    *xmlKnown
	quote   byte
	depth   int
	rooted  bool
	closing bool // the tag being read closes an element
	slash   bool
	match   int // how much of the closing sequence has been seen
	heeded  bool
	wide    utf16Text

	// within is the element whose text must be told, from its tag on: what stands
	// between other elements in it is its text, too.
	within      *xmlKnown
	withinDepth int
	later       bool // of a value that is longer than what is kept, more than its beginning

	suspicious [4]byte
	suspects   bool // of any
	usual      byte // the quote that values were in last
}

func newXMLScanner(h xmlHandler) xmlScanner {
	none := &xmlKnown{}
	x := xmlScanner{handler: h, element: none, attr: none}
	x.suspicious, x.suspects = h.suspicious()
	return x
}

type xmlState uint8

const (
	xmlText xmlState = iota
	xmlOpen
	xmlName
	xmlInTag
	xmlAttr
	xmlAfterAttr
	xmlBeforeValue
	xmlValue
	xmlBareValue
	xmlBang
	xmlComment
	xmlCDATA
	xmlDeclaration
	xmlInstruction
)

const (
	maxXMLToken = 4096
	maxXMLDepth = 4096
	// xmlOverlap is how much of a long value is looked at twice, because what is looked
	// for may stand where it is cut.
	xmlOverlap = 128
	// minXMLAddress is how many of the first maxXMLToken bytes of a value that goes on
	// must be more than blanks, which browsers drop from addresses.
	minXMLAddress = 256
)

func (x *xmlScanner) write(b []byte) *Refusal {
	b = x.wide.narrow(b)
	for len(b) > 0 {
		n, r := x.step(b)
		if r != nil {
			return r
		}
		b = b[n:]
	}
	return nil
}

func (x *xmlScanner) step(b []byte) (int, *Refusal) {
	switch x.state {
	case xmlText:
		return x.stepText(b)
	case xmlOpen, xmlInTag:
		if n, r := x.rush(b); n > 0 {
			return n, r
		}
	case xmlComment:
		return x.until(b, "-->")
	case xmlCDATA:
		return x.stepCDATA(b)
	case xmlValue:
		return x.stepValue(b)
	case xmlName, xmlAttr:
		if n := blocks.NameRun(b); n > 0 {
			x.slash = x.slash && x.state == xmlName
			x.keep(b[:n])
			return n, nil
		}
	}
	return 1, x.char(b[0])
}

func (x *xmlScanner) stepText(b []byte) (int, *Refusal) {
	i := blocks.IndexByte(b, '<')
	n := i + 1
	if i < 0 {
		i, n = len(b), len(b)
	} else {
		x.state = xmlOpen
	}
	if i == 0 {
		return n, nil
	}
	return n, x.text(b[:i])
}

// text tells of text, if the element is one whose text matters.
func (x *xmlScanner) text(b []byte) *Refusal {
	switch {
	case x.within != nil:
		return x.handler.text(x.within.name, b)
	case x.element.read:
		return x.handler.text(x.element.name, b)
	}
	return nil
}

// until skips to the end of a closing sequence.
func (x *xmlScanner) until(b []byte, end string) (int, *Refusal) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case x.match == 0 && c != end[0]:
			if i = blocks.IndexByteFrom(b, i, end[0]); i == len(b) {
				return i, nil
			}
			x.match = 1
		case c == end[x.match]:
			x.match++
		case x.match == 2 && c == end[0]: // "--->" and "]]]>"
		case c == end[0]:
			x.match = 1
		default:
			x.match = 0
		}
		if x.match == len(end) {
			x.match, x.state = 0, xmlText
			return i + 1, nil
		}
	}
	return len(b), nil
}

func (x *xmlScanner) stepCDATA(b []byte) (int, *Refusal) {
	n, _ := x.until(b, "]]>")
	return n, x.text(b[:n])
}

func (x *xmlScanner) stepValue(b []byte) (int, *Refusal) {
	i := blocks.IndexByte(b, x.quote)
	n := i + 1
	if i < 0 {
		i, n = len(b), len(b)
	}
	for rest := b[:i]; ; {
		k := min(len(rest), maxXMLToken-len(x.token))
		x.keep(rest[:k])
		if rest = rest[k:]; len(rest) == 0 {
			break
		}
		if r := x.told(x.token, false); r != nil {
			return 0, r
		}
		x.token, x.later = x.token[:copy(x.token, x.token[maxXMLToken-xmlOverlap:])], true
	}
	if n == i {
		return n, nil // it goes on
	}
	x.state = xmlInTag
	return n, x.value()
}

func (x *xmlScanner) keep(b []byte) {
	x.token = append(x.token, b[:min(len(b), maxXMLToken-len(x.token))]...)
}

func (x *xmlScanner) value() *Refusal {
	r := x.told(x.token, true)
	x.token, x.later = x.token[:0], false
	return r
}

// valued tells the handler of a whole value.
func (x *xmlScanner) valued(b []byte) *Refusal {
	for len(b) > maxXMLToken {
		if r := x.told(b[:maxXMLToken], false); r != nil {
			return r
		}
		b, x.later = b[maxXMLToken-xmlOverlap:], true
	}
	r := x.told(b, true)
	x.later = false
	return r
}

// told tells the handler of an attribute, if it is one that matters. Of those that are
// asked for by their names the beginning tells all, but for a style.
func (x *xmlScanner) told(b []byte, ends bool) *Refusal {
	named := x.element.watched || x.attr.watched && x.attr.name != "style"
	if named && x.later {
		return nil
	}
	if !x.element.watched && !x.attr.watched && !(x.suspects && blocks.HasAnyOf(b, x.suspicious)) {
		return nil
	}
	value := unescapeXML(blocks.String(b))
	if named && !ends && len(squeeze(value)) < minXMLAddress {
		return truncated("an XML with an attribute that begins with thousands of blanks")
	}
	return x.handler.attribute(x.element.name, x.attr.name, value)
}

func isXMLSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

func (x *xmlScanner) char(c byte) *Refusal {
	switch x.state {
	case xmlOpen:
		x.open(c)
	case xmlName:
		return x.nameChar(c)
	case xmlBang:
		return x.bang(c)
	case xmlDeclaration, xmlInstruction:
		return x.declaration(c)
	default:
		return x.tagChar(c)
	}
	return nil
}

func (x *xmlScanner) open(c byte) {
	x.token, x.closing, x.slash = x.token[:0], false, false
	switch {
	case c == '!':
		x.state = xmlBang
	case c == '?':
		x.state, x.match = xmlInstruction, 0
	case c == '/':
		x.state, x.closing = xmlName, true
	case isXMLSpace(c) || c == '<' || c == '>' || c >= '0' && c <= '9' || c == '=':
		x.state = xmlText
	default:
		x.state = xmlName
		x.keep([]byte{c})
	}
}

func (x *xmlScanner) nameChar(c byte) *Refusal {
	if !isXMLSpace(c) && c != '>' && c != '/' {
		x.keep([]byte{c})
		return nil
	}
	r := x.named(x.token)
	x.token = x.token[:0]
	if r != nil {
		return r
	}
	return x.tagChar(c)
}

// named takes the whole name of a tag.
func (x *xmlScanner) named(name []byte) *Refusal {
	x.state = xmlInTag
	if x.closing {
		return nil
	}
	x.element, x.rooted = x.names.of(name, x.handler), true
	if x.depth > 0 && !x.element.heeded && !x.heeded {
		return nil
	}
	x.heeded = x.element.heeded
	return x.handler.element(x.element.name)
}

func localName(b []byte) string {
	name := strings.ToLower(string(b[:min(len(b), 256)]))
	return name[strings.LastIndexByte(name, ':')+1:]
}

func (x *xmlScanner) tagChar(c byte) *Refusal {
	switch {
	case x.state == xmlBareValue && !isXMLSpace(c) && c != '>':
		x.keep([]byte{c})
		return nil
	case x.state == xmlBareValue:
		x.state = xmlInTag
		if r := x.value(); r != nil {
			return r
		}
	case x.state == xmlBeforeValue && isXMLSpace(c):
		return nil
	case x.state == xmlBeforeValue && (c == '"' || c == '\''):
		x.state, x.quote, x.token = xmlValue, c, x.token[:0]
		return nil
	case x.state == xmlBeforeValue && c != '>':
		x.state, x.token = xmlBareValue, append(x.token[:0], c)
		return nil
	}
	switch {
	case c == '>':
		return x.closeTag()
	case c == '/':
		x.slash, x.state = true, xmlInTag
	case c == '=' && (x.state == xmlAttr || x.state == xmlAfterAttr):
		x.attr, x.state = x.names.of(x.token, x.handler), xmlBeforeValue
	case isXMLSpace(c):
		if x.state == xmlAttr {
			x.state = xmlAfterAttr
		}
	default:
		if x.state != xmlAttr {
			x.state, x.token = xmlAttr, x.token[:0]
		}
		x.slash = false
		x.keep([]byte{c})
	}
	return nil
}

func (x *xmlScanner) closeTag() *Refusal {
	x.state, x.token = xmlText, x.token[:0]
	switch {
	case x.closing:
		if x.depth--; x.depth < x.withinDepth {
			x.within = nil
		}
	case !x.slash:
		if x.depth++; x.depth > maxXMLDepth {
			return refuse("GH-XML-001", "elements nested more than "+strconv.Itoa(maxXMLDepth)+" deep")
		}
		if x.element.read && x.within == nil {
			x.within, x.withinDepth = x.element, x.depth
		}
	}
	return nil
}

// bang tells comments, CDATA sections and declarations apart.
func (x *xmlScanner) bang(c byte) *Refusal {
	x.keep([]byte{c})
	switch s := blocks.String(x.token); {
	case s == "--":
		x.state, x.match = xmlComment, 0
		return x.handler.comment()
	case s == "[CDATA[":
		x.state, x.match = xmlCDATA, 0
	case !strings.HasPrefix("--", s) && !strings.HasPrefix("[CDATA[", s):
		x.state, x.quote = xmlDeclaration, 0
	}
	return nil
}

// declaration gathers <!...> and <?...>. A document type with an internal subset
// ends here at its bracket, so that each declaration inside is seen for itself.
func (x *xmlScanner) declaration(c byte) *Refusal {
	instruction := x.state == xmlInstruction
	switch {
	case x.quote != 0 && !instruction:
		if c == x.quote {
			x.quote = 0
		}
	case !instruction && (c == '"' || c == '\''):
		x.quote = c
	case c == '>' && (!instruction || len(x.token) > 0 && x.token[len(x.token)-1] == '?'), c == '[' && !instruction:
		text := string(x.token)
		x.state, x.token, x.quote = xmlText, x.token[:0], 0
		return x.handler.declared(text)
	}
	if len(x.token) >= maxXMLToken { // keep the last byte: it may be a question mark
		x.token[len(x.token)-1] = c
		return nil
	}
	x.keep([]byte{c})
	return nil
}

// complete tells whether every element that was opened has been closed.
func (x *xmlScanner) complete() bool { return x.rooted && x.depth == 0 && x.state == xmlText }
