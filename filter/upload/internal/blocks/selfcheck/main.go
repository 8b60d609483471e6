//go:build wasip1

// Command selfcheck is a module that compares the searches of package blocks, as its
// compiler has made them, with plain loops. The tests of the package itself see what
// Go's own compiler makes of the same source; TinyGo takes the marks from instructions
// that Go has none for. It promises nothing but the answer of check.
package main

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"

	"gatehouse/filter/upload/internal/blocks"
)

func main() {}

// check is the number of the first comparison that differs, or 0.
//
//go:wasmexport check
func check(seed int32) int32 {
	r := rand.New(rand.NewPCG(uint64(seed), 1)) // #nosec G115 G404 -- any number will do
	var summer blocks.Summer
	for range 3000 {
		letters := 2 + r.IntN(254)
		b := make([]byte, r.IntN(400))
		for i := range b {
			b[i] = byte(r.IntN(letters)) // #nosec G115 -- below 256
		}
		c, set := byte(r.IntN(letters)), [4]byte{byte(r.IntN(letters)), byte(r.Uint32()), 255, byte(r.IntN(letters))} // #nosec G115 -- any byte
		if n := compare(b, c, set); n != 0 {
			return n
		}
		long := bytes.Repeat(append(b, c), 1+r.IntN(20))
		if summer.CRC32(uint32(c), long) != crc32.Update(uint32(c), crc32.IEEETable, long) {
			return 10
		}
	}
	return 0
}

func compare(b []byte, c byte, set [4]byte) int32 {
	if blocks.IndexByte(b, c) != bytes.IndexByte(b, c) {
		return 1
	}
	pair := blocks.NewPair(c, func(next byte) bool { return next&3 == c&3 })
	if pair.Index(b) != find(b, 2, func(b []byte) bool { return b[0] == c && b[1]&3 == c&3 }) {
		return 2
	}
	var third [256][256 / 64]uint64
	for second := range third {
		third[second][0] = uint64(second) * 0x9e3779b97f4a7c15 // #nosec G115 -- any bits
	}
	follows := func(b []byte) bool { return b[0] == c && third[b[1]][b[2]/64]>>(b[2]%64)&1 != 0 }
	if blocks.NewTriple(c, &third).Index(b) != find(b, 3, follows) {
		return 3
	}
	text := string([]byte{c, set[0], c, set[3]})
	if blocks.NewText(text).Index(b) != bytes.Index(b, []byte(text)) {
		return 4
	}
	name := func(b []byte) bool { return !blocks.IsName(b[0]) }
	if n := find(b, 1, name); blocks.NameRun(b) != n && (n >= 0 || blocks.NameRun(b) != len(b)) {
		return 5
	}
	of := func(b []byte) bool { return bytes.IndexByte(set[:], b[0]) >= 0 }
	end, has := blocks.Quoted(b, c, set)
	if end != bytes.IndexByte(b, c) || end >= 0 && has != (find(b[:end], 1, of) >= 0) {
		return 6
	}
	if blocks.HasAnyOf(b, set) != (find(b, 1, of) >= 0) {
		return 7
	}
	if len(b) >= len(blocks.Block{}) {
		block := blocks.Block(b)
		marks, several := blocks.Marks(&block, c), blocks.MarksOf(&block, set)
		for i := range block {
			if marks>>i&1 != 0 != (block[i] == c) || several>>i&1 != 0 != of(block[i:]) {
				return 8
			}
		}
	}
	if len(b) >= 2*len(blocks.Piece{}) && !comparePieces(blocks.Piece(b), blocks.Piece(b[len(blocks.Piece{}):]), c, set) {
		return 11
	}
	odd, ascii := blocks.Look(b)
	isOdd := func(b []byte) bool {
		return b[0] < 0x20 && bytes.IndexByte([]byte("\t\n\r\f\x1b"), b[0]) < 0
	}
	if wantOdd := find(b, 1, isOdd) >= 0; odd != wantOdd || !odd && ascii != (find(b, 1, func(b []byte) bool { return b[0] >= 0x80 }) < 0) {
		return 9
	}
	return 0
}

// comparePieces is compare of what is asked of sixteen bytes.
func comparePieces(a, b blocks.Piece, c byte, set [4]byte) bool {
	ends, of := blocks.QuotedPiece(&a, c, set)
	low, high := blocks.Words(&a)
	for i := range a {
		word := low
		if i >= 8 {
			word = high
		}
		if ends>>i&1 != 0 != (a[i] == c) || of>>i&1 != 0 != (bytes.IndexByte(set[:], a[i]) >= 0) || byte(word>>(i%8*8)) != a[i] { // #nosec G115 -- the lowest
			return false
		}
	}
	n := int(c) % (len(a) + 1)
	copy(b[:n], a[:n])
	for same := range len(a) + 1 {
		if blocks.SamePiece(&a, &b, same) != bytes.Equal(a[:same], b[:same]) {
			return false
		}
	}
	return true
}

// find is the first place where is finds something among what follows, n bytes at least.
func find(b []byte, n int, is func(b []byte) bool) int {
	for at := 0; len(b)-at >= n; at++ {
		if is(b[at:]) {
			return at
		}
	}
	return -1
}
