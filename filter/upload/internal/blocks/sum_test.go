package blocks

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestSumsAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 32))
	for size := range 300 {
		b, sum := letterNoise(r, size, 250), r.Uint32()
		want := crc32.Update(sum, crc32.IEEETable, b)
		if got := sumByTables(sum, b); got != want || CRC32(sum, b) != want {
			t.Errorf("of %d bytes: %x, not %x", size, got, want)
		}
		cut := r.IntN(size + 1)
		if got := sumByTables(sumByTables(sum, b[:cut]), b[cut:]); got != want {
			t.Errorf("of %d bytes, cut at %d: %x, not %x", size, cut, got, want)
		}
	}
}
