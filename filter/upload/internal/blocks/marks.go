package blocks

import (
	"encoding/binary"
	"math/bits"
)

// Marks are bits for 64 bytes, the lowest for the first. TinyGo has them from the
// instructions of WebAssembly that Go's loops do not lead to, in marks_tinygo.go;
// these are the same by words, for Go's own compiler and for the tests.

// wordMarks has a bit for each of eight bytes that is zero.
func wordMarks(x uint64) uint64 {
	const low = eachByte * 0x7f
	zero := ^(x&low + low | x | low) // exactly 0x80 where the byte is zero
	return zero >> 7 * 0x0102040810204080 >> 56
}

// marksByWords has a bit for each byte of b that is c.
func marksByWords(b *[size]byte, c byte) (m uint64) {
	want := uint64(c) * eachByte
	for i := 0; i < size; i += 8 {
		m |= wordMarks(binary.LittleEndian.Uint64(b[i:])^want) << i
	}
	return m
}

// marksOfByWords has a bit for each byte of b that is one of four.
func marksOfByWords(b *[size]byte, set [4]byte) (m uint64) {
	for _, c := range set {
		m |= marksByWords(b, c)
	}
	return m
}

// marksByBytes has a bit for each byte of b from low on to low+span.
func marksByBytes(b *[size]byte, low, span byte) (m uint64) {
	for i, c := range b {
		m |= uint64(bit(c-low <= span)) << i
	}
	return m
}

// nameByBytes has a bit for each of the first sixteen bytes of b that a name of XML
// goes on with: letters of ASCII, digits, ":" and "-".
func nameByBytes(b *[quarter]byte) (m uint32) {
	for i, c := range b {
		m |= uint32(bit(c|0x20-'a' <= 'z'-'a')|bit(c-'0' <= ':'-'0')|bit(c == '-')) << i
	}
	return m
}

// quotedByBytes has a bit for each of sixteen bytes that is a quote, and sixteen bits
// further up one for each that is one of four.
func quotedByBytes(b *[quarter]byte, quote byte, set [4]byte) (m uint32) {
	for i, c := range b {
		m |= uint32(bit(c == quote)) << i
		m |= uint32(bit(c == set[0])|bit(c == set[1])|bit(c == set[2])|bit(c == set[3])) << (quarter + i)
	}
	return m
}

// sameByBytes has a bit for each byte that is the same in both.
func sameByBytes(a, b *[quarter]byte) (m uint32) {
	for i, c := range a {
		m |= uint32(bit(c == b[i])) << i
	}
	return m
}

// wordsOf are the two words of sixteen bytes.
func wordsOf(b *[quarter]byte) (low, high uint64) {
	return binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])
}

// first is the place of the lowest mark.
func first(m uint64) int { return bits.TrailingZeros64(m) }
