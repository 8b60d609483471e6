package blocks

import (
	"hash/crc32"
)

// Sums of long stretches without tables, as Chorba takes them (Russell, arXiv
// 2412.16398): the polynomial of CRC-32 divides
//
//	x^300 + x^155 + x^117 + x^89 + 1
//
// and so, squared three times, what has those powers of x^8, which are whole bytes.
// So a byte counts as much as it would 145, 183, 211 and 300 bytes further on: it is
// added there, and is gone. What is left at last are 300 bytes, which the tables sum.
// Nothing is looked up, and 64 bytes are taken at once, of which LLVM makes vectors.

const (
	sparse1, sparse2, sparse3, sparseSpan = 145, 183, 211, 300
	// sparseRoom is how many bytes are added up before what still counts of them is
	// moved to the front again.
	sparseRoom = 32 * size
	// sparseLeast is how many bytes the sum is worth the trouble for.
	sparseLeast = 1024
)

// Summer takes sums in memory of its own, which it gets for the first long stretch.
type Summer struct {
	room *[sparseSpan + sparseRoom]byte
}

// CRC32 is crc32.Update with the IEEE polynomial.
func (s *Summer) CRC32(sum uint32, b []byte) uint32 {
	switch {
	case !vectors:
		return crc32.Update(sum, crc32.IEEETable, b)
	case len(b) < sparseLeast:
		return sumByTables(sum, b)
	}
	return s.sparse(sum, b)
}

// sparse is of sparseLeast bytes or more. In the room stand the last bytes as they
// came to count, then the next.
func (s *Summer) sparse(sum uint32, b []byte) uint32 {
	if s.room == nil {
		s.room = new([sparseSpan + sparseRoom]byte)
	}
	room := s.room
	clear(room[:sparseSpan])
	whole := (len(b) - sparseSpan) / size * size
	sparseStep((*[sparseSpan + size]byte)(room[:]), (*[size]byte)(b))
	for i := range 4 { // the sum so far is added to the first bytes
		room[sparseSpan+i] ^= byte(^sum >> (8 * i)) // #nosec G115 -- byte by byte
	}
	filled := size
	for at := size; at < whole; at += size {
		if filled == sparseRoom {
			copy(room[:sparseSpan], room[sparseRoom:])
			filled = 0
		}
		sparseStep((*[sparseSpan + size]byte)(room[filled:]), (*[size]byte)(b[at:]))
		filled += size
	}
	copy(room[:sparseSpan], room[filled:filled+sparseSpan])
	return sumByTables(^uint32(0), s.rest(b[whole:]))
}

// rest are the last bytes, with what was carried to them; no more is.
func (s *Summer) rest(b []byte) []byte {
	room := s.room
	n := sparseSpan + copy(room[sparseSpan:], b)
	for i := range sparseSpan {
		c := room[i]
		if i < sparse1 {
			c ^= room[i+sparseSpan-sparse1]
		}
		if i < sparse2 {
			c ^= room[i+sparseSpan-sparse2]
		}
		if i < sparse3 {
			c ^= room[i+sparseSpan-sparse3]
		}
		room[sparseSpan+i] ^= c
	}
	return room[sparseSpan:n]
}

// sparseStep gives the last 64 bytes of a stretch of the room the value that the
// next of the text come to count with.
func sparseStep(room *[sparseSpan + size]byte, next *[size]byte) {
	for i := range next {
		room[sparseSpan+i] = next[i] ^ room[i] ^ room[i+sparseSpan-sparse1] ^ room[i+sparseSpan-sparse2] ^ room[i+sparseSpan-sparse3]
	}
}
