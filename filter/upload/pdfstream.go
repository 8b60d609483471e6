package upload

import (
	"errors"
	"strconv"
)

// pdfStream inflates a stream of a PDF, if it is compressed: one of objects to
// look at the names in it, any other only to count what it grows to. What a
// stream is told by its first bytes, not by the filters that a dictionary names,
// because a dictionary can be made to be misread.
type pdfStream struct {
	pdf      *pdf
	objects  bool
	declared bool // as a stream of objects, by its type
	head     []byte
	z        *inflater
	counted  int64
	begun    bool // the inflated text has been looked at
	names    pdfNames
	over     bool
	opaque   bool // cannot be read
}

// again makes the counter ready for the next stream.
func (s *pdfStream) again() {
	s.head, s.over, s.counted = s.head[:0], false, 0
	if s.z != nil {
		s.z.reset(nil)
	}
}

func (s *pdfStream) write(b []byte) *Refusal {
	if s.over {
		return nil
	}
	if len(s.head) < 2 {
		n := min(2-len(s.head), len(b))
		s.head = append(s.head, b[:n]...)
		if b = b[n:]; len(s.head) < 2 {
			return nil
		}
		if r := s.open(); r != nil || s.over {
			return r
		}
	}
	_, done, r, err := s.z.write(b)
	if r != nil {
		return r
	}
	if r := s.count(err); r != nil {
		return r
	}
	if err != nil && s.z.produced == 0 {
		s.opaque = s.declared
	}
	s.over = done || err != nil
	return nil
}

// open decides by a stream's first two bytes (RFC 1950 section 2.2).
func (s *pdfStream) open() *Refusal {
	cmf, flg := s.head[0], s.head[1]
	if cmf&0x0f != 8 || (uint(cmf)<<8|uint(flg))%31 != 0 || flg&0x20 != 0 {
		s.over = true
		s.opaque = s.declared && !isPDFSpace(cmf) && (cmf < '0' || cmf > '9') && cmf != '%'
		return nil
	}
	if s.objects && len(s.pdf.streams) > maxPDFStreams {
		return refuse("GH-PDF-009", "a PDF with object streams inside object streams")
	}
	if s.z == nil {
		s.z = newInflater(nil)
	}
	if s.objects {
		s.z.reset(s.inflated)
	}
	s.z.limit = s.pdf.env.budget.max
	return nil
}

func (s *pdfStream) count(err error) *Refusal {
	grown := s.z.produced - s.counted
	s.counted = s.z.produced
	budget := s.pdf.env.budget
	if budget.inflated += grown; errors.Is(err, errTooBig) || errors.Is(err, errBomb) || budget.inflated > budget.max {
		return refuse("GH-PDF-008", "a PDF whose streams inflate beyond "+strconv.FormatInt(budget.max, 10)+" bytes")
	}
	return nil
}

// inflated looks at the text of objects. It begins with a number (ISO 32000-2,
// 7.5.7): whatever else there is hides behind a second filter.
func (s *pdfStream) inflated(b []byte) *Refusal {
	if s.declared && !s.begun {
		for len(b) > 0 && isPDFSpace(b[0]) {
			b = b[1:]
		}
		if len(b) == 0 {
			return nil
		}
		s.begun = true
		if (b[0] < '0' || b[0] > '9') && b[0] != '%' {
			return refuse("GH-PDF-009", "a PDF with an object stream behind unusual filters")
		}
	}
	return s.names.write(b)
}
