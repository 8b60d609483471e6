package blocks

import (
	"math/bits"
)

// Pair is a byte and what may follow it. What is compressed has each byte one time
// in 256, and a call for each would cost more than the search.
type Pair struct {
	first     byte
	low, span byte // of all that may follow
	next      [256]bool
}

// NewPair makes one of a byte and of those that may follow it, at least one.
func NewPair(first byte, next func(c byte) bool) *Pair {
	p := &Pair{first: first}
	low, high := -1, 0
	for c := range p.next {
		if p.next[c] = next(byte(c)); p.next[c] { // #nosec G115 -- below 256
			if high = c; low < 0 {
				low = c
			}
		}
	}
	p.low, p.span = byte(max(low, 0)), byte(high-max(low, 0)) // #nosec G115 -- below 256
	return p
}

// mayHold tells whether the first byte stands in a block, and one of those between
// the lowest and the highest that may follow it behind it, which begins the other.
func (p *Pair) mayHold(b, behind *[size]byte) bool {
	first, low, span := p.first, p.low, p.span
	var hit uint8
	for i := range b {
		hit |= bit(b[i] == first) & bit(behind[i]-low <= span)
	}
	return hit != 0
}

// Index is where the pair first stands in b, or -1.
func (p *Pair) Index(b []byte) int { return p.index(b, vectors) }

func (p *Pair) index(b []byte, vectors bool) int {
	if vectors && len(b) > size {
		return p.inBlocks(b)
	}
	at := 0
	want := uint64(p.first) * eachByte
	for ; len(b)-at > half; at += half {
		s := (*[half + 1]byte)(b[at:])
		x0, x1, x2, x3 := words((*[half]byte)(s[:]), want)
		if ((x0-eachByte)&^x0|(x1-eachByte)&^x1|(x2-eachByte)&^x2|(x3-eachByte)&^x3)&highBits == 0 {
			continue
		}
		for word, x := range [...]uint64{x0, x1, x2, x3} {
			if i := p.inWord(s[:], word*8, x); i >= 0 {
				return at + i
			}
		}
	}
	for ; at+1 < len(b); at++ {
		if b[at] == p.first && p.next[b[at+1]] {
			return at
		}
	}
	return -1
}

// inWord finds the pair in eight bytes of b, of which x is zero where the first may be.
func (p *Pair) inWord(b []byte, word int, x uint64) int {
	for m := hasZero(x); m != 0; m &= m - 1 {
		if i := word + bits.TrailingZeros64(m)/8; b[i] == p.first && p.next[b[i+1]] {
			return i
		}
	}
	return -1
}

// inBlocks is of more than 64 bytes; the last block overlaps the one before it.
func (p *Pair) inBlocks(b []byte) int {
	at := 0
	for len(b)-at > size {
		if p.mayHold((*[size]byte)(b[at:]), (*[size]byte)(b[at+1:])) {
			if i := p.among((*[size + 1]byte)(b[at:])); i >= 0 {
				return at + i
			}
		}
		at += size
	}
	at = len(b) - size - 1
	if i := p.among((*[size + 1]byte)(b[at:])); i >= 0 {
		return at + i
	}
	return -1
}

// among finds the pair in a block and the byte behind it.
func (p *Pair) among(b *[size + 1]byte) int {
	for m := p.marks((*[size]byte)(b[:]), (*[size]byte)(b[1:])); m != 0; m &= m - 1 {
		if i := first(m); p.next[b[i+1]] {
			return i
		}
	}
	return -1
}

// marks has a bit where the pair may stand.
func (p *Pair) marks(b, behind *[size]byte) uint64 {
	return marks(b, p.first) & marksIn(behind, p.low, p.span)
}

// Triple is a pair and what may follow it, by its second byte.
type Triple struct {
	pair  *Pair
	third *[256][256 / 64]uint64
}

// NewTriple makes one of a byte, and of those that may follow it and each other.
func NewTriple(first byte, third *[256][256 / 64]uint64) *Triple {
	return &Triple{NewPair(first, func(c byte) bool { return third[c] != [256 / 64]uint64{} }), third}
}

// Index is where the three first stand in b, or -1.
func (t *Triple) Index(b []byte) int { return t.index(b, vectors) }

func (t *Triple) index(b []byte, vectors bool) int {
	at := 0
	for vectors && len(b)-at >= size+2 {
		m := t.pair.marks((*[size]byte)(b[at:]), (*[size]byte)(b[at+1:]))
		for ; m != 0; m &= m - 1 {
			if i := at + first(m); t.follow(b[i+1], b[i+2]) {
				return i
			}
		}
		at += size
	}
	for len(b)-at > 2 {
		i := t.pair.index(b[at:len(b)-1], vectors)
		if i < 0 {
			break
		}
		if at += i; t.follow(b[at+1], b[at+2]) {
			return at
		}
		at++
	}
	return -1
}

func (t *Triple) follow(second, third byte) bool {
	return t.third[second][third/64]>>(third%64)&1 != 0
}
