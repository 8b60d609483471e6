package upload

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// codeFinder looks for code in what should be media: PHP runs it wherever an
// interpreter is told to read the file, browsers where they are made to guess the
// type. It goes from one "<" to the next, because most of a picture has none.
type codeFinder struct {
	carry []byte
	// tags says that elements of HTML count too, as they do in pictures; lyrics
	// and fonts have some.
	tags bool
	room [2 * codeLook]byte // of carry and what is joined to it
}

// codeLook is how much is seen of what follows a "<". Marks of two or three bytes
// stand in any large picture; what follows them in code is all text.
const (
	codeLook    = 24
	codeCertain = 12
)

func (c *codeFinder) write(b []byte) *Refusal {
	if c.carry == nil {
		c.carry = c.room[:0]
	}
	seam := append(c.carry, b[:min(len(b), codeLook)]...)
	r := c.in(seam)
	if r == nil && len(b) > codeLook {
		r = c.in(b)
	}
	if len(b) >= codeLook {
		c.carry = append(c.carry[:0], b[len(b)-codeLook:]...)
	} else {
		c.carry = append(c.carry[:0], seam[max(0, len(seam)-codeLook):]...)
	}
	return r
}

// end looks at what was too close to the end to be looked at before.
func (c *codeFinder) end() *Refusal {
	return c.in(append(c.carry, codeSpaces...))
}

const codeSpaces = "                        " // codeLook of them

// in looks at each "<" of b that has codeLook bytes behind it.
func (c *codeFinder) in(b []byte) *Refusal {
	for {
		i := codePair.Index(b)
		if i < 0 || len(b)-i <= codeLook {
			return nil
		}
		b = b[i+1:]
		if what := codeMark(b[:codeLook], c.tags); what != "" {
			return unsafe(RuleImageCode, "media that carry <"+what)
		}
	}
}

// codePair is what codeMark begins to read at.
var codePair = blocks.NewPair('<', func(c byte) bool { return strings.IndexByte("?%sShHbBiIoOeEvVaAdDmM", c) >= 0 })

// codeTags are elements that make a browser run or load something, or that make it
// take a file for a page.
var codeTags = []string{"html", "body", "iframe", "svg", "object", "embed", "img", "input", "isindex", "button", "select", "base", "style", "video", "audio", "details", "marquee", "math", "meta"}

// codeMark names what begins behind a "<", "" if it is nothing.
func codeMark(b []byte, tags bool) string {
	switch c := b[0] | 0x20; {
	case b[0] == '?' && hasFold(b, "?php") && isCodeSpace(b[4]):
		return "?php"
	case b[0] == '?' && isShortPHP(b[1:]) && isPrintable(untilClosed(b)):
		return "?"
	case b[0] == '?' && b[1] == '=' && isPrintable(untilClosed(b)) && isStatement(b[2:]) && !assigns(b[2:]):
		return "?="
	case b[0] == '%' && strings.IndexByte("@=! \r\n\t", b[1]) >= 0 && isPrintable(untilClosed(b)) && isStatement(b[2:]):
		return "%"
	case b[0] == '%' && isCall(b[1:]) && isPrintable(untilClosed(b)):
		return "%"
	case c == 's' && hasFold(b, "script") && (isCodeSpace(b[6]) || b[6] == '>' || b[6] == '/'):
		return "script"
	case tags && strings.IndexByte("hbisoevadm", c) >= 0:
		for _, tag := range codeTags {
			if hasFold(b, tag) && (isCodeSpace(b[len(tag)]) || b[len(tag)] == '>' || b[len(tag)] == '/') && isPrintable(b[len(tag):len(tag)+codeCertain]) {
				return tag
			}
		}
	}
	return ""
}

// isShortPHP tells what code of PHP may begin with right behind the short tag, which
// PHP takes unless its settings say otherwise, from instructions of XML and their names,
// and from pixels.
func isShortPHP(b []byte) bool {
	spaced := isCodeSpace(b[0])
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return false
	}
	switch b[0] {
	case '`':
		return spaced
	case '$':
		n := wordLength(b[1:])
		return n > 0 && len(b) > 1+n && strings.IndexByte("=([-;", b[1+n]) >= 0
	case '@':
		n := wordLength(b[1:])
		return n > 2 && len(b) > 1+n && b[1+n] == '('
	}
	n := wordLength(b)
	rest := bytes.TrimLeft(b[n:], " \t\r\n")
	if n == 0 || len(rest) == 0 {
		return false
	}
	switch rest[0] {
	case '(':
		return n > 2 && (spaced || len(b[n:]) == len(rest))
	case '"', '\'', '$', '`':
		return spaced && takesValue(blocks.String(b[:n]))
	}
	return false
}

func wordLength(b []byte) int {
	n := 0
	for n < len(b) && (isLetter(b[n]) || n > 0 && b[n] >= '0' && b[n] <= '9') {
		n++
	}
	return n
}

// takesValue tells the words of PHP that need no parenthesis.
func takesValue(word string) bool {
	return strings.EqualFold(word, "echo") || strings.EqualFold(word, "print") || strings.EqualFold(word, "include") || strings.EqualFold(word, "require")
}

// untilClosed is b up to the end of its tag, if that can be seen.
func untilClosed(b []byte) []byte {
	if i := bytes.IndexByte(b, '>'); i >= 0 {
		return b[:i]
	}
	return b
}

// isStatement tells what code of PHP, ASP or JSP begins with: a variable, a command
// in backquotes, or a word with a parenthesis, a dot, a quote or a sign of equality
// behind it. Pixels that are not compressed have much that is printable.
func isStatement(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) > 1 && (b[0] == '`' || b[0] == '$' && isLetter(b[1])) {
		return true
	}
	n := 0
	for n < len(b) && isLetter(b[n]) {
		n++
	}
	rest := bytes.TrimLeft(b[n:], " ")
	return n >= 3 && len(rest) > 0 && (strings.IndexByte("(.=\"", rest[0]) >= 0 || len(b[n:]) > len(rest) && isLetter(rest[0]))
}

// isCall tells what ASP runs a text by (the shortest shells there are), right behind
// the tag.
func isCall(b []byte) bool {
	for _, name := range [...]string{"eval", "execute", "executeglobal", "response.", "server.", "request", "createobject", "set "} {
		if hasFold(b, name) {
			return name[len(name)-1] == '.' || name == "set " || strings.IndexByte(" (.\t\r\n", b[len(name)]) >= 0
		}
	}
	return false
}

// assigns tells a word that something is assigned to: after "<?=" that is a constant,
// which no PHP compiles, and pixels may be.
func assigns(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	n := 0
	for n < len(b) && isLetter(b[n]) {
		n++
	}
	rest := bytes.TrimLeft(b[n:], " ")
	return n > 0 && len(rest) > 1 && rest[0] == '=' && rest[1] != '=' && rest[1] != '>'
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

// hasFold wants its second argument in lower case.
func hasFold(b []byte, lower string) bool {
	if len(b) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func isCodeSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v'
}

func isPrintable(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return !isCodeSpace(c) && (c < ' ' || c > '~') })
}

// foreign looks for the beginnings of other files, of which one of a kind that
// runs or unpacks is refused wherever it hides. Each mark is of six bytes at least,
// so that no picture has one by chance.
type foreign struct{ carry []byte }

const longestForeign = 12

func (f *foreign) write(b []byte) string {
	seam := append(f.carry, b[:min(len(b), longestForeign)]...)
	found := foreignIn(seam)
	if found == "" && len(b) > longestForeign {
		found = foreignIn(b)
	}
	if len(b) >= longestForeign {
		f.carry = append(f.carry[:0], b[len(b)-longestForeign+1:]...)
	} else {
		f.carry = append(f.carry[:0], seam[max(0, len(seam)-longestForeign+1):]...)
	}
	return found
}

func (f *foreign) again() { f.carry = f.carry[:0] }

// foreignMarks go by their first byte.
var foreignMarks = [...]struct{ mark, is string }{
	{"PE\x00\x00\x4c\x01", "program"}, {"PE\x00\x00\x64\x86", "program"}, {"\x7fELF\x01\x01\x01", "program"}, {"\x7fELF\x02\x01\x01", "program"},
	{"%PDF-1.", "pdf"}, {"PK\x05\x06\x00\x00\x00\x00", "zip"}, {"Rar!\x1a\x07", "rar"}, {"7z\xbc\xaf\x27\x1c", "7z"}, {"#!/bin/", "script"}, {"#!/usr/bin/", "script"},
}

var foreignSieve = func() *blocks.Sieve {
	texts := make([]string, len(foreignMarks))
	for i, m := range foreignMarks {
		texts[i] = m.mark
	}
	return blocks.NewSieve(texts...)
}()

func foreignIn(b []byte) string {
	for from := 0; ; from += foreignSieve.Stride {
		place, found := foreignSieve.Next(b, from)
		if !found {
			return foreignAt(b, place, len(b))
		}
		if is := foreignAt(b, place, place+foreignSieve.Stride); is != "" {
			return is
		}
		from = place
	}
}

// foreignAt looks for a mark that begins between two places.
func foreignAt(b []byte, from, to int) string {
	for ; from < to; from++ {
		switch b[from] {
		case 'P', 0x7f, '%', 'R', '7', '#':
			for _, m := range foreignMarks {
				if at(b, from, m.mark) {
					return m.is
				}
			}
		}
	}
	return ""
}

// raster judges pictures and media whose end is not told by their structure: whatever
// else begins in them is refused.
type raster struct {
	image
	others foreign
	head   []byte // where a BMP states its size
}

func newRaster(e env) checker { return &raster{image: imageOf(e)} }

func (p *raster) write(b []byte) *Refusal {
	if len(p.head) < bmpHead {
		p.head = append(p.head, b[:min(len(b), bmpHead-len(p.head))]...)
	}
	if is := p.others.write(b); is != "" {
		return unsafe(RulePolyglot, "media with a "+is+" in them")
	}
	return p.image.write(b)
}

func (p *raster) end(size int64) *Refusal {
	if at(p.head, 0, "BM/*") && len(p.head) >= 6 && int64(binary.LittleEndian.Uint32(p.head[2:])) != size {
		return unsafe(RulePolyglot, "a BMP that is a script too")
	}
	if at(p.head, 0, "BM") && size < bmpRows(p.head) {
		return truncated("a BMP without its last rows")
	}
	return p.image.end(size)
}

// bmpHead is as much of a BMP as tells where its rows begin and how long they are.
const bmpHead = 34

// bmpRows is what a BMP of rows that are not compressed has at least, but for the last
// one: readers make do without its padding.
func bmpRows(head []byte) int64 {
	le := binary.LittleEndian
	if len(head) < bmpHead || le.Uint32(head[14:]) < 40 || le.Uint32(head[30:]) != 0 {
		return 0
	}
	width, height, bits := magnitude(le.Uint32(head[18:])), magnitude(le.Uint32(head[22:])), int64(le.Uint16(head[28:]))
	if bits > 64 {
		return 0
	}
	return int64(le.Uint32(head[10:])) + (width*bits+31)/32*4*max(0, height-1)
}
