package blocks

import (
	"bytes"
	"encoding/binary"
)

// grams is how many bytes a probe looks at.
const grams = 4

// Needle looks for a text of twenty bytes or more by looking at one place in as
// many: wherever the text stands, a probe falls on four bytes of it. What looks
// like four such bytes is searched byte by byte, for a stretch of twice the text's
// length, so that nothing costs more than a constant for each byte.
type Needle struct {
	text  []byte
	short *Text                // for one of fewer bytes
	known [1 << 12 / 64]uint64 // by hash, the runs of four bytes in the text
}

const shortNeedle = 20

// NewNeedle makes the search for a text.
func NewNeedle(text []byte) *Needle {
	n := &Needle{}
	n.Reset(text)
	return n
}

// Reset makes the search one for another text, which must not change while it is
// looked for.
func (n *Needle) Reset(text []byte) {
	n.text, n.short = text, nil
	if len(text) >= 3 && len(text) < shortNeedle {
		n.short = NewText(string(text))
		return
	}
	clear(n.known[:])
	for i := 0; i+grams <= len(text); i++ {
		h := gramHash(binary.LittleEndian.Uint32(text[i:]))
		n.known[h/64] |= 1 << (h % 64)
	}
}

func gramHash(v uint32) uint32 { return v * 0x9e3779b1 >> 20 }

// Index is bytes.Index.
func (n *Needle) Index(b []byte) int {
	if n.short != nil {
		return n.short.Index(b)
	}
	if len(n.text) < shortNeedle {
		return bytes.Index(b, n.text)
	}
	stride := len(n.text) - grams + 1
	for at := stride - 1; at+grams <= len(b); at += stride {
		h := gramHash(binary.LittleEndian.Uint32(b[at:]))
		if n.known[h/64]>>(h%64)&1 == 0 {
			continue
		}
		from := at - stride + 1
		if i := bytes.Index(b[from:min(len(b), at+len(n.text))], n.text); i >= 0 {
			return from + i
		}
	}
	return -1
}

// Sieve finds where one of some short texts may begin, by looking at one place in as
// many as the shortest has runs of three bytes: what it points at is to be looked at,
// and what it passes over holds none.
type Sieve struct {
	Stride int
	known  [1 << 12 / 64]uint64 // by hash, the runs of three bytes that begin the texts
}

const gramOfThree = 1<<24 - 1

// NewSieve makes one for texts of three bytes or more.
func NewSieve(texts ...string) *Sieve {
	s := &Sieve{Stride: len(texts[0]) - 2}
	for _, t := range texts {
		s.Stride = min(s.Stride, len(t)-2)
	}
	for _, t := range texts {
		for i := range s.Stride {
			h := gramHash(uint32(t[i]) | uint32(t[i+1])<<8 | uint32(t[i+2])<<16)
			s.known[h/64] |= 1 << (h % 64)
		}
	}
	return s
}

// Next is the first place from one on where a text may begin; found says that it is
// one of the stride places from there, and not only that too few bytes follow.
func (s *Sieve) Next(b []byte, from int) (place int, found bool) {
	stride, known := s.Stride, &s.known
	at := from + stride - 1
	for ; len(b)-at >= grams; at += stride {
		h := gramHash(binary.LittleEndian.Uint32(b[at:]) & gramOfThree)
		if known[h/64]>>(h%64)&1 != 0 {
			return at - stride + 1, true
		}
	}
	return min(at-stride+1, len(b)), false
}

// index is bytes.Index for the one text that the sieve is of.
func (s *Sieve) index(b []byte, text string) int {
	for from := 0; ; from += s.Stride {
		place, found := s.Next(b, from)
		window := b[place:]
		if found {
			window = window[:min(len(window), s.Stride-1+len(text))]
		}
		if i := bytes.Index(window, []byte(text)); i >= 0 || !found {
			if i >= 0 {
				i += place
			}
			return i
		}
		from = place
	}
}
