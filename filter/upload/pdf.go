package upload

import "gatehouse/filter/upload/internal/blocks"

// pdfSlack is what transports leave behind a PDF's end; readers look for the end
// mark further up if they must.
const pdfSlack = 16 << 10

// pdf looks for active content among the names of a PDF, wherever they stand:
// in plain objects and in object streams, which are inflated. Every byte of the
// file is looked at as if it were of an object, because a table may point
// readers into the middle of anything.
type pdf struct {
	env    env
	tail   tail
	since  int64 // bytes since the last end mark
	blank  bool  // all of them
	ending tail  // where readers look for one, or for what stands before it
	ended  bool
	names  pdfNames

	matched int  // bytes of the keyword "stream"
	before  tail // tells "endstream"
	begins  bool // the keyword was there, its line end is not
	cr      bool // of the line end
	streams []*pdfStream
	last    *pdfStream // begun last, and not said to hold objects
	opaque  bool
	rules   *pdfRules

	spare     []*pdfInflate
	inflaters int
	lzws      int

	idle []*pdfStream // those that are over, for the next ones

	seam    []byte
	size    int64
	code    codeFinder
	others  foreign
	foreign string // what begins behind the last end mark

	own  pdfRules
	room pdfRoom
}

// pdfRoom is the memory of what a PDF always keeps: to ask for each of it costs more
// than to look at a small file.
type pdfRoom struct {
	ending [pdfHead]byte
	recent [pdfContext]byte
	name   [longestPDFName + 4]byte
	carry  [2 * longestForeign]byte
	before [len("endstream")]byte
	tail   [pdfTail]byte
	seam   [2 * pdfTail]byte
}

// pdfTail keeps an end mark that is cut in two.
const pdfTail = len(pdfEnd) - 1

const (
	pdfEnd     = "%%EOF"
	pdfKeyword = "stream"
	// pdfHead is where readers look for the beginning (ISO 32000-1, annex H.3.4.1).
	pdfHead = 1024
	// maxPDFStreams is how many object streams may be open at once: more than
	// one only happens where something pretends to be one inside another.
	maxPDFStreams = 2
)

var pdfEndText, pdfKeywordText = blocks.NewText(pdfEnd), blocks.NewText(pdfKeyword)

func newPDF(e env) checker {
	p := &pdf{env: e, own: pdfRules{policy: e.policy.pdf}}
	p.rules = &p.own
	p.names = newPDFNames(p.rules)
	m := &p.room
	p.tail, p.ending = tail{m.tail[:0], pdfTail}, tail{m.ending[:0], pdfHead}
	p.before, p.names.recent.buf = tail{m.before[:0], len("endstream")}, m.recent[:0]
	p.names.name, p.others.carry, p.seam = m.name[:0], m.carry[:0], m.seam[:0]
	return p
}

func (p *pdf) write(b []byte) *Refusal {
	if r := p.outside(b); r != nil {
		return r
	}
	for len(b) > 0 {
		if p.begins {
			var r *Refusal
			if b, r = p.lineEnd(b); r != nil || p.begins {
				return r
			}
			continue
		}
		n, found := p.keyword(b)
		if r := p.pass(b[:n]); r != nil {
			return r
		}
		b = b[n:]
		if found && blocks.String(p.before.buf) != "endstream" {
			p.begins, p.cr = true, false
		}
	}
	return nil
}

// pass gives bytes to all who look at them.
func (p *pdf) pass(b []byte) *Refusal {
	p.before.write(b)
	if r := p.names.write(b); r != nil {
		return r
	}
	for i := 0; i < len(p.streams); i++ {
		s := p.streams[i]
		if r := s.write(b); r != nil {
			return r
		}
		if s.over {
			p.opaque = p.opaque || s.opaque
			p.streams = append(p.streams[:i], p.streams[i+1:]...)
			p.idle = append(p.idle, s)
			i--
		}
	}
	if p.last != nil {
		return p.last.write(b)
	}
	return nil
}

// keyword finds the end of the next "stream" in b.
func (p *pdf) keyword(b []byte) (n int, found bool) {
	for i := 0; p.matched > 0 && i < len(b); i++ {
		if b[i] != pdfKeyword[p.matched] {
			p.matched = 0
			break
		}
		if p.matched++; p.matched == len(pdfKeyword) {
			p.matched = 0
			return i + 1, true
		}
	}
	if p.matched > 0 {
		return len(b), false
	}
	if i := pdfKeywordText.Index(b); i >= 0 {
		return i + len(pdfKeyword), true
	}
	for k := min(len(pdfKeyword)-1, len(b)); k > 0; k-- {
		if blocks.String(b[len(b)-k:]) == pdfKeyword[:k] {
			p.matched = k
			break
		}
	}
	return len(b), false
}

// lineEnd passes over what follows the keyword (ISO 32000-2, 7.3.8.1), and over
// the spaces that some writers leave there.
func (p *pdf) lineEnd(b []byte) ([]byte, *Refusal) {
	for i, c := range b {
		switch {
		case c == '\n':
			return b[i+1:], p.begin()
		case p.cr:
			return b[i:], p.begin()
		case c == '\r':
			p.cr = true
		case c != ' ':
			p.begins = false // the word, not the keyword
			return b[i:], nil
		}
	}
	return nil, nil
}

// begin opens what follows as a stream, whose dictionary has just been read.
func (p *pdf) begin() *Refusal {
	p.begins = false
	seen := p.names.seen
	p.names.seen = pdfSeen{encrypted: seen.encrypted}
	p.names.value = pdfValue{}
	if last := p.last; last != nil {
		p.last = nil
		if last.found == lookOther || last.over {
			if r := last.end(); r != nil {
				return r
			}
			p.opaque = p.opaque || last.opaque
			p.idle = append(p.idle, last)
		} else {
			p.streams = append(p.streams, last) // it may hold objects, and the keyword
		}
	}
	s := p.newStream(seen.objectStream, seen.params)
	if s.declared || seen.first && seen.n {
		p.streams = append(p.streams, s)
	} else {
		p.last = s
	}
	if len(p.streams) > maxPDFStreams {
		return refuse("GH-PDF-009", "a PDF with object streams inside object streams")
	}
	return nil
}

// outside looks for the end marks, and for other things before the beginning and
// behind the end: that a PDF may have bytes there makes it a good wrapping.
func (p *pdf) outside(b []byte) *Refusal {
	head := b[:max(0, min(int64(len(b)), pdfHead-p.size))]
	p.size += int64(len(b))
	if r := p.code.write(head); len(head) > 0 && r != nil {
		return r
	}
	p.findEnd(b)
	if !p.ended {
		return nil
	}
	if p.since < int64(len(b)) {
		b = b[int64(len(b))-p.since:]
		p.others.again()
		p.foreign = ""
		p.code.carry = p.code.carry[:0]
	}
	if r := p.code.write(b); r != nil {
		p.foreign = "code"
	}
	if is := p.others.write(b); is != "" && is != "pdf" {
		p.foreign = is
	}
	return nil
}

func (p *pdf) findEnd(b []byte) {
	seam := append(append(p.seam[:0], p.tail.buf...), b[:min(len(b), pdfTail)]...)
	p.seam = seam
	p.since += int64(len(b))
	if blocks.Contains(blocks.String(seam), pdfEnd) {
		p.ended, p.since = true, int64(len(b))
	}
	for rest := b; ; {
		i := pdfEndText.Index(rest)
		if i < 0 {
			break
		}
		rest = rest[i+len(pdfEnd):]
		p.ended, p.since = true, int64(len(rest))
	}
	p.tail.write(b)
	if p.blank = p.blank && p.since > int64(len(b)) || p.since <= int64(len(b)); p.blank {
		p.blank = isBlank(b[max(0, int64(len(b))-p.since):])
	}
	p.ending.write(b)
}

// isBlank tells padding, to the end of a block or of what was set aside for a file.
func isBlank(b []byte) bool {
	for _, c := range b {
		if !isPDFSpace(c) {
			return false
		}
	}
	return true
}

// endless tells a file that ends before the mark, but behind what matters.
func (p *pdf) endless() bool {
	return !blocks.Contains(blocks.String(p.ending.buf), "startxref") && !blocks.Contains(blocks.String(p.ending.buf), "trailer")
}

func (p *pdf) end(int64) *Refusal {
	if r := p.names.end(); r != nil {
		return r
	}
	if r := p.rules.end(); r != nil {
		return r
	}
	for _, s := range append(p.streams, p.last) {
		if s == nil {
			continue
		}
		if r := s.end(); r != nil {
			return r
		}
		p.opaque = p.opaque || s.opaque
	}
	if p.foreign == "" && p.code.end() != nil {
		p.foreign = "code"
	}
	switch {
	case p.foreign != "":
		return unsafe(RulePolyglot, "a PDF with a "+p.foreign+" behind its end")
	case p.opaque && !p.names.seen.encrypted:
		return refuse("GH-PDF-009", "a PDF with an object stream that cannot be read")
	case p.opaque && p.env.policy.rejectUncertain:
		return refuse("GH-PDF-009", "an encrypted PDF, whose objects nobody can see")
	}
	p.env.budget.uncertain = p.env.budget.uncertain || p.opaque || p.names.seen.encrypted
	if (!p.ended || p.since > pdfSlack && !p.blank) && p.endless() {
		return truncated("a PDF without %%EOF at its end")
	}
	return nil
}
