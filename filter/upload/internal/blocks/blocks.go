// Package blocks has the searches that every byte of a body goes through.
//
// It promises the very results of the plain loops that its tests hold it to, for
// all lengths, places and contents, and time that grows with the length of what is
// searched. It promises no speed for what is found at every other byte: it is made
// for what is rare.
//
// A search asks of 64 bytes at a time whether there could be anything, in a loop
// without an exit, of which LLVM (TinyGo) makes vector instructions; only where
// the answer is yes it looks for the place. Go's own compiler makes none, and
// takes eight bytes at a time instead: vectors says which. Both are in every build,
// so that the tests see both.
package blocks

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// size is that of a block, half that of one without vectors.
const (
	size = 64
	half = 32
	// quarter is that of one vector.
	quarter = 16
)

const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// hasZero has the high bit of each byte that is zero; a byte above one that is
// zero may be marked as well, so what is found is looked at.
func hasZero(x uint64) uint64 { return (x - eachByte) &^ x & highBits }

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// String is the text in b, without a copy: it is good as long as b is not written
// to, and must not be kept. TinyGo copies string(b) even to compare it.
func String(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } // #nosec G103 -- as said

// hasByte tells whether c stands in a block.
func hasByte(p *[size]byte, c byte) bool {
	var hit uint8
	for _, x := range p {
		hit |= bit(x == c)
	}
	return hit != 0
}

// IndexByte is bytes.IndexByte.
func IndexByte(b []byte, c byte) int {
	return indexByte(b, c, vectors)
}

func indexByte(b []byte, c byte, vectors bool) int {
	if vectors && len(b) >= size {
		return indexInBlocks(b, c)
	}
	want, at := uint64(c)*eachByte, 0
	for ; len(b)-at >= 8; at += 8 {
		if x := hasZero(binary.LittleEndian.Uint64(b[at:]) ^ want); x != 0 {
			return at + bits.TrailingZeros64(x)/8 // the lowest mark is always true
		}
		if at >= 2*8 { // it is not near
			break
		}
	}
	for ; len(b)-at >= half; at += half {
		s := (*[half]byte)(b[at:])
		x0, x1, x2, x3 := words(s, want)
		if ((x0-eachByte)&^x0|(x1-eachByte)&^x1|(x2-eachByte)&^x2|(x3-eachByte)&^x3)&highBits != 0 {
			break
		}
	}
	for ; len(b)-at >= 8; at += 8 {
		if x := hasZero(binary.LittleEndian.Uint64(b[at:]) ^ want); x != 0 {
			return at + bits.TrailingZeros64(x)/8
		}
	}
	for ; at < len(b); at++ {
		if b[at] == c {
			return at
		}
	}
	return -1
}

// indexInBlocks is of 64 bytes or more. What is not near is looked for without asking
// where it is; the last block overlaps the one before it.
func indexInBlocks(b []byte, c byte) int {
	m := marks((*[size]byte)(b), c)
	if m != 0 {
		return first(m)
	}
	at := size
	for len(b)-at >= size && !hasByte((*[size]byte)(b[at:]), c) {
		at += size
	}
	at = min(at, len(b)-size)
	if m = marks((*[size]byte)(b[at:]), c); m != 0 {
		return at + first(m)
	}
	return -1
}

// words are those of 32 bytes, zero where they are what is wanted.
func words(s *[half]byte, want uint64) (x0, x1, x2, x3 uint64) {
	le := binary.LittleEndian
	return le.Uint64(s[:]) ^ want, le.Uint64(s[8:]) ^ want, le.Uint64(s[16:]) ^ want, le.Uint64(s[24:]) ^ want
}

// IndexByteFrom is where c stands in b from a place on, or len(b).
func IndexByteFrom(b []byte, from int, c byte) int {
	if i := IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// HasAnyOf tells whether any of four bytes stands in b.
func HasAnyOf(b []byte, set [4]byte) bool { return hasAnyOf(b, set, vectors) }

func hasAnyOf(b []byte, set [4]byte, vectors bool) bool {
	for vectors && len(b) >= quarter {
		if hasOneOf((*[quarter]byte)(b), set[0], set[1], set[2], set[3]) {
			return true
		}
		b = b[quarter:]
	}
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

func hasOneOf(p *[quarter]byte, c0, c1, c2, c3 byte) bool {
	var hit uint8
	for _, x := range p {
		hit |= bit(x == c0) | bit(x == c1) | bit(x == c2) | bit(x == c3)
	}
	return hit != 0
}

// bytesOf must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) } // #nosec G103 -- read only

// Contains is strings.Contains of a text that is not empty.
func Contains(s, text string) bool { return Index(bytesOf(s), text) >= 0 }

// Index is bytes.Index of a text that is not empty, whose first byte is rare.
func Index(b []byte, text string) int {
	for at := 0; len(b)-at >= len(text); at++ {
		i := IndexByte(b[at:len(b)-len(text)+1], text[0])
		if i < 0 {
			return -1
		}
		if at += i; String(b[at:at+len(text)]) == text {
			return at
		}
	}
	return -1
}
