package upload

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The searches that every byte of a body goes through. WebAssembly as Go writes it
// has no vector instructions, and a loop over bytes costs a nanosecond for each: so
// these look at eight bytes at once, or at one place in many.

const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// hasZero has the high bit of each byte that is zero; a byte above one that is
// zero may be marked as well, so what is found is looked at.
func hasZero(x uint64) uint64 { return (x - eachByte) &^ x & highBits }

// indexByte is bytes.IndexByte, twice as fast there.
func indexByte(b []byte, c byte) int {
	le, want := binary.LittleEndian, uint64(c)*eachByte
	at := 0
	for ; len(b)-at >= 32; at += 32 {
		s := b[at : at+32]
		x0, x1, x2, x3 := le.Uint64(s)^want, le.Uint64(s[8:])^want, le.Uint64(s[16:])^want, le.Uint64(s[24:])^want
		if ((x0-eachByte)&^x0|(x1-eachByte)&^x1|(x2-eachByte)&^x2|(x3-eachByte)&^x3)&highBits == 0 {
			continue
		}
		switch { // the lowest mark of a word is always true
		case hasZero(x0) != 0:
			return at + bits.TrailingZeros64(hasZero(x0))/8
		case hasZero(x1) != 0:
			return at + 8 + bits.TrailingZeros64(hasZero(x1))/8
		case hasZero(x2) != 0:
			return at + 16 + bits.TrailingZeros64(hasZero(x2))/8
		default:
			return at + 24 + bits.TrailingZeros64(hasZero(x3))/8
		}
	}
	if i := bytes.IndexByte(b[at:], c); i >= 0 {
		return at + i
	}
	return -1
}

// indexPair is where the first c stands that one of some bytes follows, or -1. In what
// is compressed, one byte in 256 is c, and a call for each would cost more than the
// search.
func indexPair(b []byte, c byte, next *[256]bool) int {
	le, want := binary.LittleEndian, uint64(c)*eachByte
	at := 0
	for ; len(b)-at > 32; at += 32 {
		s := b[at : at+33]
		x0, x1, x2, x3 := le.Uint64(s)^want, le.Uint64(s[8:])^want, le.Uint64(s[16:])^want, le.Uint64(s[24:])^want
		if ((x0-eachByte)&^x0|(x1-eachByte)&^x1|(x2-eachByte)&^x2|(x3-eachByte)&^x3)&highBits == 0 {
			continue
		}
		for word := 0; word < 32; word += 8 {
			for m := hasZero(le.Uint64(s[word:]) ^ want); m != 0; m &= m - 1 {
				if i := word + bits.TrailingZeros64(m)/8; s[i] == c && next[s[i+1]] {
					return at + i
				}
			}
		}
	}
	for ; at+1 < len(b); at++ {
		if b[at] == c && next[b[at+1]] {
			return at
		}
	}
	return -1
}

// indexByteFrom is where c stands in b from a place on, or len(b).
func indexByteFrom(b []byte, from int, c byte) int {
	if i := indexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// hasAnyOf tells whether any of four bytes stands in b.
func hasAnyOf(b []byte, set [4]byte) bool {
	le := binary.LittleEndian
	c0, c1, c2, c3 := uint64(set[0])*eachByte, uint64(set[1])*eachByte, uint64(set[2])*eachByte, uint64(set[3])*eachByte
	for len(b) >= 8 {
		x := le.Uint64(b)
		if hasZero(x^c0)|hasZero(x^c1)|hasZero(x^c2)|hasZero(x^c3) != 0 {
			return true
		}
		b = b[8:]
	}
	for _, c := range b {
		if c == set[0] || c == set[1] || c == set[2] || c == set[3] {
			return true
		}
	}
	return false
}

// grams is how many bytes a probe looks at.
const grams = 4

// needle looks for a text of twenty bytes or more by looking at one place in as
// many: wherever the text stands, a probe falls on four bytes of it. What looks
// like four such bytes is searched byte by byte, for a stretch of twice the text's
// length, so that nothing costs more than a constant for each byte.
type needle struct {
	text  []byte
	known [1 << 12 / 64]uint64 // by hash, the runs of four bytes in the text
}

const shortNeedle = 20

func newNeedle(text []byte) *needle {
	n := &needle{text: text}
	for i := 0; i+grams <= len(text); i++ {
		h := gramHash(binary.LittleEndian.Uint32(text[i:]))
		n.known[h/64] |= 1 << (h % 64)
	}
	return n
}

func gramHash(v uint32) uint32 { return v * 0x9e3779b1 >> 20 }

// index is bytes.Index.
func (n *needle) index(b []byte) int {
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

// sieve finds where one of some short texts may begin, by looking at one place in as
// many as the shortest has runs of three bytes: what it points at is to be looked at,
// and what it passes over holds none.
type sieve struct {
	stride int
	known  [1 << 12 / 64]uint64 // by hash, the runs of three bytes that begin the texts
}

const gramOfThree = 1<<24 - 1

func newSieve(texts ...string) *sieve {
	s := &sieve{stride: len(texts[0]) - 2}
	for _, t := range texts {
		s.stride = min(s.stride, len(t)-2)
	}
	for _, t := range texts {
		for i := range s.stride {
			h := gramHash(uint32(t[i]) | uint32(t[i+1])<<8 | uint32(t[i+2])<<16)
			s.known[h/64] |= 1 << (h % 64)
		}
	}
	return s
}

// next is the first place from one on where a text may begin; found says that it is
// one of the stride places from there, and not only that too few bytes follow.
func (s *sieve) next(b []byte, from int) (place int, found bool) {
	stride, known := s.stride, &s.known
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
func (s *sieve) index(b []byte, text string) int {
	for from := 0; ; from += s.stride {
		place, found := s.next(b, from)
		window := b[place:]
		if found {
			window = window[:min(len(window), s.stride-1+len(text))]
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
