package upload

import (
	"errors"
	"strconv"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// pdfStream decodes a stream of a PDF as far as it could be one of objects, to look
// at the names in them; of any other it only counts what it grows to. What a stream
// is, is told by its bytes: a dictionary can be made to be misread.
type pdfStream struct {
	pdf      *pdf
	declared bool // as a stream of objects, by its dictionary
	params   pdfParams
	layer    *pdfLayer
	names    pdfNames
	found    lookResult
	reached  bool // something is left when all filters are undone
	over     bool
	// opaque says that it is declared, and cannot be read.
	opaque bool
}

const (
	// maxPDFFilters is how many filters may lie on one another.
	maxPDFFilters = 4
	// maxPDFInflaters is how many streams may be inflated at once, of all filters.
	maxPDFInflaters = 3
)

// pdfLayer is a stream's data with some of the filters undone.
type pdfLayer struct {
	stream *pdfStream
	level  int
	head   []byte
	opened bool
	dec    pdfDecoder
	z      *pdfInflate
	next   *pdfLayer
	look   objectsLook
	out    func([]byte) *Refusal // decoded, made once
	inner  error                 // of the layers below, in the write that is under way
}

func (p *pdf) newStream(declared bool, params pdfParams) *pdfStream {
	n := len(p.idle)
	if n == 0 {
		s := &pdfStream{pdf: p, declared: declared, params: params, names: newPDFNames(p.rules)}
		s.layer = &pdfLayer{stream: s}
		return s
	}
	s, idle := p.idle[n-1], p.idle[:n-1]
	p.idle = idle
	layer := s.layer
	*s = pdfStream{pdf: p, declared: declared, params: params, names: s.names.again(p.rules), layer: layer}
	*layer = pdfLayer{stream: s, head: layer.head[:0]}
	return s
}

func (s *pdfStream) write(b []byte) *Refusal {
	if s.over {
		return nil
	}
	done, r, err := s.layer.write(b)
	if r != nil {
		return r
	}
	if errors.Is(err, errTooBig) || errors.Is(err, errBomb) {
		return refuse("GH-PDF-008", "a PDF whose streams inflate beyond "+strconv.FormatInt(s.pdf.env.budget.max, 10)+" bytes")
	}
	if err != nil && s.declared && errors.Is(err, errPDFData) {
		s.opaque = true
	}
	if done || err != nil {
		return s.end()
	}
	if s.found == lookOther {
		if s.layer.z == nil {
			return s.end()
		}
		s.layer.drop()
	}
	return nil
}

// end closes the stream.
func (s *pdfStream) end() *Refusal {
	if s.over {
		return nil
	}
	s.over = true
	r := s.layer.close()
	if s.declared && s.found != lookObjects && !s.plain() && !(s.reached && s.found == lookMore) {
		s.opaque = true
	}
	s.layer.release()
	return r
}

// plain says that the objects stand there without a filter, where they have been
// looked at already.
func (s *pdfStream) plain() bool {
	return s.layer.opened && s.layer.dec == nil && len(s.layer.head) > 0 && s.params.filters[0] == filterNone &&
		(isPDFSpace(s.layer.head[0]) || s.layer.head[0] == '%' || s.layer.head[0] >= '0' && s.layer.head[0] <= '9')
}

// write takes data of the layer.
func (l *pdfLayer) write(b []byte) (bool, *Refusal, error) {
	if !l.opened {
		n := min(pdfGuess-len(l.head), len(b))
		l.head = append(l.head, b[:n]...)
		if b = b[n:]; len(l.head) < pdfGuess {
			return false, nil, nil
		}
		if done, r, err := l.open(); done || r != nil || err != nil {
			return done, r, err
		}
	}
	if len(b) == 0 {
		return false, nil, nil
	}
	return l.pass(b)
}

// open decides what to do with the layer, and passes on its head.
func (l *pdfLayer) open() (bool, *Refusal, error) {
	l.opened = true
	l.choose()
	if l.dec == nil && l.level == 0 {
		l.stream.found = lookOther // as it stands, it is looked at already
		return true, nil, nil
	}
	return l.pass(l.head)
}

func (l *pdfLayer) choose() {
	s := l.stream
	p := s.params
	if l.level >= maxPDFFilters {
		// A surface of one grey is its own hexadecimal, however often.
		s.opaque = s.opaque || guessFilter(l.head, filterNone) != filterNone && strings.Trim(blocks.String(l.head), "3") != ""
		return
	}
	if l.level > 0 && !l.afterPredictor() && (p.predictor >= 10 && l.head[0] <= 4 || p.predictor == 2) {
		if d, ok := newPredicted(p); ok {
			l.dec = d
		}
	}
	if l.dec == nil && l.level > 0 && looksPredicted(l.head) {
		s.opaque = true // made by a predictor that the dictionary seems not to name
	}
	if l.dec == nil {
		switch guessFilter(l.head, p.filters[l.level]) {
		case filterFlate:
			if z := s.pdf.inflater(); z != nil {
				l.z, l.dec = z, z
			}
			s.opaque = s.opaque || l.dec == nil && l.level > 0
		case filterLZW:
			if s.pdf.lzws < 1 {
				s.pdf.lzws++
				l.dec = newLZW(p.earlyChange())
			}
			s.opaque = s.opaque || l.dec == nil && l.level > 0
		case filterHex:
			l.dec = &asciiHex{}
		case filter85:
			l.dec = &ascii85{}
		case filterRun:
			l.dec = &runLength{}
		case filterNone, filterOther:
		}
	}
	if l.dec != nil {
		l.next = &pdfLayer{stream: s, level: l.level + 1}
	}
}

// afterPredictor says that the layer is what a predictor was undone for already.
func (l *pdfLayer) afterPredictor() bool {
	for up := l.stream.layer; up != nil && up != l; up = up.next {
		if _, ok := up.dec.(*predicted); ok {
			return true
		}
	}
	return false
}

func (l *pdfLayer) pass(b []byte) (bool, *Refusal, error) {
	if l.dec == nil {
		return false, l.leaf(b), nil
	}
	if l.out == nil {
		l.out = l.decoded
	}
	l.inner = nil
	done, r, err := l.dec.write(b, l.out)
	if l.z == nil && l.inner != nil {
		return done, r, l.inner // what is inflated goes on being counted
	}
	return done, r, err
}

// decoded hands on what the filter of the layer gives.
func (l *pdfLayer) decoded(out []byte) (r *Refusal) {
	if l.next == nil || l.inner != nil || l.stream.found == lookOther {
		return nil
	}
	_, r, l.inner = l.next.write(out)
	return r
}

// leaf looks at what no filter is left of.
func (l *pdfLayer) leaf(b []byte) *Refusal {
	s := l.stream
	s.reached = true
	if s.found == lookMore {
		n, found := l.look.write(b)
		if s.declared && found == lookOther && l.look.numbers >= 2 {
			found = lookObjects
		}
		s.found = found
		b = b[n:]
	}
	if s.found != lookObjects {
		return nil
	}
	return s.names.write(b)
}

// close passes on what is left at the end.
func (l *pdfLayer) close() *Refusal {
	if !l.opened && len(l.head) > 0 {
		if _, r, _ := l.open(); r != nil {
			return r
		}
	}
	if l.next != nil {
		return l.next.close()
	}
	if l.stream.found == lookObjects {
		return l.stream.names.end()
	}
	return nil
}

// drop goes on with the first filter alone, to count.
func (l *pdfLayer) drop() {
	if l.next != nil {
		l.next.release()
		l.next = nil
	}
	l.z.z.countOnly()
}

// release gives back what is shared.
func (l *pdfLayer) release() {
	if l.next != nil {
		l.next.release()
		l.next = nil
	}
	if l.z != nil {
		l.stream.pdf.spare = append(l.stream.pdf.spare, l.z)
		l.z = nil
	}
	if _, ok := l.dec.(*lzw); ok {
		l.stream.pdf.lzws--
	}
	l.dec = nil
}

// pdfInflate is the Flate filter (7.4.4).
type pdfInflate struct {
	z       *inflater
	skip    int // bytes of zlib's header
	counted int64
	budget  *budget
}

// inflater gives one of the few that there may be, nil if all are at work.
func (p *pdf) inflater() *pdfInflate {
	var z *pdfInflate
	switch n := len(p.spare); {
	case n > 0:
		z, p.spare = p.spare[n-1], p.spare[:n-1]
	case p.inflaters < maxPDFInflaters:
		p.inflaters++
		z = &pdfInflate{z: newInflater(nil), budget: p.env.budget}
		z.z.patient = true
	default:
		return nil
	}
	z.skip, z.counted = 2, 0
	z.z.reset(func([]byte) *Refusal { return nil })
	z.z.limit = p.env.budget.max
	return z
}

func (d *pdfInflate) write(b []byte, out func([]byte) *Refusal) (bool, *Refusal, error) {
	n := min(d.skip, len(b))
	d.skip -= n
	if b = b[n:]; len(b) == 0 {
		return false, nil, nil
	}
	if d.z.window != nil {
		d.z.sink = out
	}
	_, done, r, err := d.z.write(b)
	grown := d.z.produced - d.counted
	d.counted = d.z.produced
	if d.budget.inflated += grown; d.budget.inflated > d.budget.max {
		err = errTooBig
	}
	return done, r, err
}
