package upload

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTheFastSearchesFindWhatTheSlowOnesFind(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 6))
	for range 5_000 {
		letters := 2 + r.IntN(250)
		b := make([]byte, r.IntN(300))
		for i := range b {
			b[i] = byte(r.IntN(letters))
		}
		if c := byte(r.IntN(letters)); indexByte(b, c) != bytes.IndexByte(b, c) {
			t.Fatalf("byte %d in %x", c, b)
		}
		text := make([]byte, 1+r.IntN(74))
		for i := range text {
			text[i] = byte(r.IntN(letters))
		}
		if at := r.IntN(300); at+len(text) <= len(b) && r.IntN(2) == 0 {
			copy(b[at:], text)
		}
		if n := newNeedle(text); n.index(b) != bytes.Index(b, text) {
			t.Fatalf("%x in %x: %d, not %d", text, b, n.index(b), bytes.Index(b, text))
		}
	}
}

func TestATextIsFoundAtEveryPlace(t *testing.T) {
	t.Parallel()
	text := []byte("\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW1")
	n := newNeedle(text)
	for size := len(text); size < 200; size++ {
		for at := 0; at+len(text) <= size; at++ {
			b := bytes.Repeat([]byte("o"), size)
			copy(b[at:], text)
			if got := n.index(b); got != at {
				t.Fatalf("in %d bytes at %d: %d", size, at, got)
			}
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	text := "\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW1"
	n := newNeedle([]byte(text))
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
				if n.index(content) >= 0 {
					b.Fatal("found")
				}
			}
		})
	}
}

func TestAMarkIsFoundInAnyCaseAndHoweverItIsCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"a <?PhP b": true, "<?php": true, "x<<?php": true, "<?ph p": false, "<?ph": false, "<<<<<<?ph": false, strings.Repeat("<?ph", 50) + "p": true,
	} {
		for n := 1; n <= len(text); n++ {
			f, found := newFinder("<?php"), false
			for rest := []byte(text); len(rest) > 0 && !found; {
				piece := bytes.Clone(rest[:min(n, len(rest))])
				found = f.find(piece, nil) != ""
				clear(piece)
				rest = rest[min(n, len(rest)):]
			}
			if found != want {
				t.Errorf("%q in pieces of %d: %v", text, n, found)
			}
		}
	}
}
