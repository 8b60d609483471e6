package blocks

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// letterNoise is of that many letters, few of which make searches find much.
func letterNoise(r *rand.Rand, size, letters int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.IntN(letters)) // #nosec G115 -- at most 252
	}
	return b
}

func indexPlainPair(b []byte, p *Pair) int {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == p.first && p.next[b[i+1]] {
			return i
		}
	}
	return -1
}

func TestTheSearchesFindWhatPlainLoopsFind(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 7))
	for range 20_000 {
		letters := 2 + r.IntN(250)
		whole := letterNoise(r, r.IntN(400), letters)
		b := whole[min(len(whole), r.IntN(20)):]
		c, d := byte(r.IntN(letters)), byte(r.IntN(letters)) // #nosec G115 -- at most 252
		set := [4]byte{c, d, byte(r.Uint32()), 255}
		pair := NewPair(c, func(next byte) bool { return next == d || next == d+9 || next == d^0x55 })
		for _, vectors := range []bool{true, false} {
			if got, want := indexByte(b, c, vectors), bytes.IndexByte(b, c); got != want {
				t.Fatalf("byte %d in %x: %d, not %d", c, b, got, want)
			}
			if got, want := hasAnyOf(b, set, vectors), bytes.ContainsAny(b, "") || bytes.IndexByte(b, c) >= 0 || bytes.IndexByte(b, d) >= 0 || bytes.IndexByte(b, set[2]) >= 0 || bytes.IndexByte(b, 255) >= 0; got != want {
				t.Fatalf("any of %x in %x: %v", set, b, got)
			}
			if got, want := pair.index(b, vectors), indexPlainPair(b, pair); got != want {
				t.Fatalf("%d before %d in %x: %d, not %d", c, d, b, got, want)
			}
		}
		if got, want := IndexByteFrom(b, len(b)/2, c), bytes.IndexByte(b[len(b)/2:], c); want >= 0 && got != len(b)/2+want || want < 0 && got != len(b) {
			t.Fatalf("byte %d in the second half of %x: %d", c, b, got)
		}
	}
}

func indexPlainTriple(b []byte, t *Triple) int {
	for i := 0; i+2 < len(b); i++ {
		if b[i] == t.pair.first && t.third[b[i+1]][b[i+2]/64]>>(b[i+2]%64)&1 != 0 {
			return i
		}
	}
	return -1
}

func TestThreeBytesAreFoundWhereAPlainLoopFindsThem(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(19, 20))
	for range 3000 {
		letters := 2 + r.IntN(250)
		b := letterNoise(r, r.IntN(400), letters)
		var third [256][256 / 64]uint64
		for range 1 + r.IntN(2*letters) {
			third[r.IntN(letters)][r.IntN(letters)/64] |= r.Uint64()
		}
		triple := NewTriple(byte(r.IntN(letters)), &third) // #nosec G115 -- at most 252
		for _, vectors := range []bool{true, false} {
			if got, want := triple.index(b, vectors), indexPlainTriple(b, triple); got != want {
				t.Fatalf("in %x: %d, not %d", b, got, want)
			}
		}
	}
}

func TestMarksAreThoseOfEachByte(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(21, 22))
	for range 5000 {
		letters := 2 + r.IntN(254)
		b := Block(letterNoise(r, size, letters))
		c, low, span := byte(r.IntN(letters)), byte(r.Uint32()), byte(r.Uint32()) // #nosec G115 -- any byte
		set := [4]byte{c, low, span, 'x'}
		is, of, within := Marks(&b, c), MarksOf(&b, set), marksIn(&b, low, span)
		for i, x := range b {
			if is>>i&1 != 0 != (x == c) || of>>i&1 != 0 != (bytes.IndexByte(set[:], x) >= 0) || within>>i&1 != 0 != (x-low <= span) {
				t.Fatalf("of %x at %d: %x %x %x", b, i, is, of, within)
			}
		}
	}
}

func TestNamesAndQuotesEndWhereTheyDoForAPlainLoop(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(23, 24))
	for range 20_000 {
		b := []byte(strings.Repeat("a:Name-9", 1+r.IntN(30)))[r.IntN(8):]
		for range r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.Uint32()) // #nosec G115 -- any byte
		}
		quote, set := b[r.IntN(len(b))], [4]byte{byte(r.Uint32()), b[r.IntN(len(b))], 0, '&'} // #nosec G115 -- any byte
		name := 0
		for name < len(b) && IsName(b[name]) {
			name++
		}
		end := bytes.IndexByte(b, quote)
		has := end > 0 && hasAnyOf(b[:end], set, false)
		for _, vectors := range []bool{true, false} {
			if got := nameRun(b, vectors); got != name {
				t.Fatalf("the name in %q: %d, not %d", b, got, name)
			}
			if gotEnd, gotHas := quoted(b, quote, set, vectors); gotEnd != end || end >= 0 && gotHas != has {
				t.Fatalf("%q with %q before %q: %d %v, not %d %v", b, set, quote, gotEnd, gotHas, end, has)
			}
		}
	}
}

func TestATextIsFoundWhereAPlainSearchFindsIt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 10))
	for _, text := range []string{"%%EOF", "stream", "%PDF-1.", "abcab", "aaa", "aab", "<?xml"} {
		s, n := NewSieve(text), NewText(text)
		for range 4000 {
			b := make([]byte, r.IntN(300))
			for i := range b {
				b[i] = text[r.IntN(len(text))] // nearly the text, everywhere
			}
			if len(b) > len(text) && r.IntN(2) == 0 {
				copy(b[r.IntN(len(b)-len(text)+1):], text)
			}
			want := bytes.Index(b, []byte(text))
			if got := s.index(b, text); got != want {
				t.Fatalf("%q in %q by the sieve: %d, not %d", text, b, got, want)
			}
			if got := n.inBlocks(b); got != want || n.Index(b) != want {
				t.Fatalf("%q in %q by blocks: %d, not %d", text, b, got, want)
			}
			if Contains(string(b), text) != (want >= 0) {
				t.Fatalf("%q in %q", text, b)
			}
		}
	}
}

func TestOneByteIsFoundAtEveryPlaceOfEveryLength(t *testing.T) {
	t.Parallel()
	pair := NewPair('<', func(c byte) bool { return c == '?' || c == 'z' })
	for size := range 200 {
		for at := range size {
			b := bytes.Repeat([]byte{'o'}, size)
			b[at] = '<'
			for _, vectors := range []bool{true, false} {
				if got := indexByte(b, '<', vectors); got != at {
					t.Fatalf("in %d bytes at %d: %d", size, at, got)
				}
				if at+1 < size {
					b[at+1] = 'z'
					if got := pair.index(b, vectors); got != at {
						t.Fatalf("a pair in %d bytes at %d: %d", size, at, got)
					}
				}
			}
		}
	}
}

func TestALookTellsWhatEachByteTells(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(17, 18))
	for range 20_000 {
		b := bytes.Repeat([]byte("o\n"), r.IntN(100))
		for range r.IntN(3) {
			if len(b) > 0 {
				b[r.IntN(len(b))] = byte(r.Uint32() >> (r.Uint32() % 4)) // #nosec G115 -- any byte
			}
		}
		odd, high := false, false
		for _, c := range b {
			odd, high = odd || isOdd(c), high || c >= 0x80
		}
		for _, vectors := range []bool{true, false} {
			if gotOdd, ascii := look(b, vectors); gotOdd != odd || !odd && ascii == high {
				t.Fatalf("%q: odd %v, ASCII %v", b, gotOdd, ascii)
			}
		}
	}
}

func FuzzSearches(f *testing.F) {
	f.Add([]byte(strings.Repeat("<x", 70)+"<?php"), byte('<'), "<?ph")
	f.Fuzz(func(t *testing.T, b []byte, c byte, text string) {
		for _, vectors := range []bool{true, false} {
			if got, want := indexByte(b, c, vectors), bytes.IndexByte(b, c); got != want {
				t.Errorf("byte: %d, not %d", got, want)
			}
			pair := NewPair(c, func(next byte) bool { return strings.IndexByte(text, next) >= 0 })
			if got, want := pair.index(b, vectors), indexPlainPair(b, pair); got != want && text != "" {
				t.Errorf("pair: %d, not %d", got, want)
			}
		}
		if len(text) >= 3 {
			want := bytes.Index(b, []byte(text))
			if got := NewText(text).inBlocks(b); got != want {
				t.Errorf("text: %d, not %d", got, want)
			}
			if got := NewSieve(text).index(b, text); got != want {
				t.Errorf("text by a sieve: %d, not %d", got, want)
			}
			if Contains(string(b), text) != (want >= 0) {
				t.Errorf("contains: not %d", want)
			}
		}
	})
}

func TestWhatIsAskedOfSixteenBytesIsWhatPlainLoopsSay(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		var a, b Piece
		for i := range a {
			a[i], b[i] = byte('a'+r.IntN(4)), byte('a'+r.IntN(4))
		}
		set := [4]byte{'b', 'c', 0, 255}
		ends, of := QuotedPiece(&a, 'a', set)
		low, high := Words(&a)
		if got := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, low), high); !bytes.Equal(got, a[:]) {
			t.Fatalf("the words of %q are %q", a, got)
		}
		for i, c := range a {
			if ends>>i&1 != uint32(bit(c == 'a')) || of>>i&1 != uint32(bit(c == 'b' || c == 'c')) || ends|of > 0xffff {
				t.Fatalf("%q: %b and %b", a, ends, of)
			}
		}
		copy(b[:r.IntN(17)], a[:])
		for n := range 17 {
			if SamePiece(&a, &b, n) != bytes.Equal(a[:n], b[:n]) {
				t.Fatalf("the first %d of %q and %q", n, a, b)
			}
		}
	}
}
