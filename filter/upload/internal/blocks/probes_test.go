package blocks

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestANeedleIsFoundWhereAPlainSearchFindsIt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 6))
	for range 5_000 {
		letters := 2 + r.IntN(250)
		b := letterNoise(r, r.IntN(300), letters)
		text := letterNoise(r, 1+r.IntN(74), letters)
		if at := r.IntN(300); at+len(text) <= len(b) && r.IntN(2) == 0 {
			copy(b[at:], text)
		}
		if n := NewNeedle(text); n.Index(b) != bytes.Index(b, text) {
			t.Fatalf("%x in %x: %d, not %d", text, b, n.Index(b), bytes.Index(b, text))
		}
	}
}

func TestANeedleThatWasForAnotherTextFindsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 7))
	again := NewNeedle([]byte("ab"))
	for range 2_000 {
		b, text := letterNoise(r, r.IntN(300), 200), letterNoise(r, 1+r.IntN(74), 200)
		if at := r.IntN(300); at+len(text) <= len(b) && r.IntN(2) == 0 {
			copy(b[at:], text)
		}
		if again.Reset(text); again.Index(b) != bytes.Index(b, text) {
			t.Fatalf("%x in %x: %d, not %d", text, b, again.Index(b), bytes.Index(b, text))
		}
	}
}

func TestATextIsFoundAtEveryPlace(t *testing.T) {
	t.Parallel()
	text := []byte("\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW1")
	n := NewNeedle(text)
	for size := len(text); size < 200; size++ {
		for at := 0; at+len(text) <= size; at++ {
			b := bytes.Repeat([]byte("o"), size)
			copy(b[at:], text)
			if got := n.Index(b); got != at {
				t.Fatalf("in %d bytes at %d: %d", size, at, got)
			}
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	text := "\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW1"
	n := NewNeedle([]byte(text))
	noise := make([]byte, 64<<10)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for name, content := range map[string][]byte{
		"noise":       noise,
		"near misses": []byte(strings.Repeat(text[:len(text)-1], 64<<10/len(text))),
		"hyphens":     bytes.Repeat([]byte("-"), 64<<10),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if n.Index(content) >= 0 {
					b.Fatal("found")
				}
			}
		})
	}
}
