package blocks

import (
	"encoding/binary"
	"hash/crc32"
)

// sumTables has, for each place in sixteen bytes, what a byte there makes of the sum.
// They are made at the start and never written to.
var sumTables = func() (t [16][256]uint32) {
	for i := range t[0] {
		t[0][i] = crc32.IEEETable[i]
	}
	for k := 1; k < len(t); k++ {
		for i, v := range t[k-1] {
			t[k][i] = t[0][v&0xff] ^ v>>8
		}
	}
	return t
}()

func sumByTables(sum uint32, b []byte) uint32 {
	t, le := &sumTables, binary.LittleEndian
	sum = ^sum
	for len(b) >= 16 {
		p := (*[16]byte)(b)
		x, y := le.Uint64(p[:8])^uint64(sum), le.Uint64(p[8:])
		sum = t[15][x&0xff] ^ t[14][x>>8&0xff] ^ t[13][x>>16&0xff] ^ t[12][x>>24&0xff] ^
			t[11][x>>32&0xff] ^ t[10][x>>40&0xff] ^ t[9][x>>48&0xff] ^ t[8][x>>56] ^
			t[7][y&0xff] ^ t[6][y>>8&0xff] ^ t[5][y>>16&0xff] ^ t[4][y>>24&0xff] ^
			t[3][y>>32&0xff] ^ t[2][y>>40&0xff] ^ t[1][y>>48&0xff] ^ t[0][y>>56]
		b = b[16:]
	}
	for _, c := range b {
		sum = t[0][byte(sum&0xff)^c] ^ sum>>8
	}
	return ^sum
}
