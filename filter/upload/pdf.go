package upload

import "bytes"

// pdfSlack is what transports leave behind a PDF's end; readers look for the end
// mark further up if they must.
const pdfSlack = 16 << 10

// pdf looks for active content among the names of a PDF, wherever they stand:
// in plain objects and in object streams, which are inflated. Every byte of the
// file is looked at as if it were of an object, because a table may point
// readers into the middle of anything.
type pdf struct {
	env   env
	tail  tail
	since int64 // bytes since the last end mark
	ended bool
	names pdfNames

	matched int  // bytes of the keyword "stream"
	before  tail // tells "endstream"
	begins  bool // the keyword was there, its line end is not
	cr      bool // of the line end
	streams []*pdfStream
	counter *pdfStream
	opaque  bool
}

// pdfTail keeps an end mark that is cut in two.
const pdfTail = len(pdfEnd) - 1

const (
	pdfEnd     = "%%EOF"
	pdfKeyword = "stream"
	// maxPDFStreams is how many object streams may be open at once: more than
	// one only happens where something pretends to be one inside another.
	maxPDFStreams = 2
)

func newPDF(e env) checker {
	return &pdf{env: e, tail: tail{max: pdfTail}, before: tail{max: len("endstream")}}
}

func (p *pdf) write(b []byte) *Refusal {
	p.findEnd(b)
	for len(b) > 0 {
		if p.begins {
			if b = p.lineEnd(b); p.begins {
				return nil
			}
			continue
		}
		n, found := p.keyword(b)
		if r := p.pass(b[:n]); r != nil {
			return r
		}
		b = b[n:]
		if found && string(p.before.buf) != "endstream" {
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
			i--
		}
	}
	if p.counter != nil {
		return p.counter.write(b)
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
	if i := bytes.Index(b, []byte(pdfKeyword)); i >= 0 {
		return i + len(pdfKeyword), true
	}
	for k := min(len(pdfKeyword)-1, len(b)); k > 0; k-- {
		if string(b[len(b)-k:]) == pdfKeyword[:k] {
			p.matched = k
			break
		}
	}
	return len(b), false
}

// lineEnd passes over what follows the keyword (ISO 32000-2, 7.3.8.1), and over
// the spaces that some writers leave there.
func (p *pdf) lineEnd(b []byte) []byte {
	for i, c := range b {
		switch {
		case c == '\n':
			p.begin()
			return b[i+1:]
		case p.cr:
			p.begin()
			return b[i:]
		case c == '\r':
			p.cr = true
		case c != ' ':
			p.begins = false // the word, not the keyword
			return b[i:]
		}
	}
	return nil
}

// begin opens what follows as a stream, whose dictionary has just been read.
func (p *pdf) begin() {
	p.begins = false
	seen := p.names.seen
	p.names.seen = pdfSeen{encrypted: seen.encrypted}
	s := &pdfStream{pdf: p, objects: seen.objectStream || seen.first && seen.n, declared: seen.objectStream}
	if s.objects {
		p.streams = append(p.streams, s)
		return
	}
	if p.counter == nil {
		p.counter = &pdfStream{pdf: p}
	}
	p.counter.again()
}

func (p *pdf) findEnd(b []byte) {
	seam := append(p.tail.buf[:len(p.tail.buf):len(p.tail.buf)], b[:min(len(b), pdfTail)]...)
	p.since += int64(len(b))
	if bytes.Contains(seam, []byte(pdfEnd)) {
		p.ended, p.since = true, int64(len(b))
	}
	if i := bytes.LastIndex(b, []byte(pdfEnd)); i >= 0 {
		p.ended, p.since = true, int64(len(b)-i-len(pdfEnd))
	}
	p.tail.write(b)
}

func (p *pdf) end(int64) *Refusal {
	if r := p.names.end(); r != nil {
		return r
	}
	for _, s := range p.streams {
		p.opaque = p.opaque || s.opaque
	}
	switch {
	case p.opaque && !p.names.seen.encrypted:
		return refuse("GH-PDF-009", "a PDF with an object stream that cannot be read")
	case p.opaque && p.env.policy.rejectUncertain:
		return refuse("GH-PDF-009", "an encrypted PDF, whose objects nobody can see")
	}
	p.env.budget.uncertain = p.env.budget.uncertain || p.opaque || p.names.seen.encrypted
	switch {
	case !p.ended || p.since > pdfSlack:
		return truncated("a PDF without %%EOF at its end")
	}
	return nil
}
