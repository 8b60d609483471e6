package blocks

import (
	"bytes"
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
		if got := sumByTables(sum, b); got != want || new(Summer).CRC32(sum, b) != want {
			t.Errorf("of %d bytes: %x, not %x", size, got, want)
		}
		cut := r.IntN(size + 1)
		if got := sumByTables(sumByTables(sum, b[:cut]), b[cut:]); got != want {
			t.Errorf("of %d bytes, cut at %d: %x, not %x", size, cut, got, want)
		}
	}
}

func TestLongSumsAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(33, 34))
	b := letterNoise(r, 3*sparseRoom+sparseLeast, 250)
	check := func(b []byte) {
		t.Helper()
		sum := r.Uint32()
		if got, want := new(Summer).sparse(sum, b), crc32.Update(sum, crc32.IEEETable, b); got != want {
			t.Fatalf("of %d bytes: %x, not %x", len(b), got, want)
		}
	}
	for n := range 2 * size { // each remainder, at the least length and around where the room ends
		check(b[:sparseLeast+n])
		check(b[:sparseRoom+sparseSpan-size+n])
	}
	for range 300 {
		check(b[r.IntN(100):][:sparseLeast+r.IntN(len(b)-sparseLeast-100)])
	}
	single := make([]byte, 2*sparseRoom) // a byte that counts alone, at each place
	for i := range single {
		single[i] = 1
		check(single)
		single[i] = 0
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("123456789"), uint32(0), uint16(3))
	f.Fuzz(func(t *testing.T, part []byte, sum uint32, times uint16) {
		if len(part) == 0 {
			return
		}
		b := bytes.Repeat(part, 1+sparseLeast/len(part)+int(times)%64)
		want := crc32.Update(sum, crc32.IEEETable, b)
		if got := new(Summer).sparse(sum, b); got != want {
			t.Errorf("of %d bytes: %x, not %x", len(b), got, want)
		}
		if got := sumByTables(sum, b); got != want {
			t.Errorf("of %d bytes by tables: %x, not %x", len(b), got, want)
		}
	})
}
