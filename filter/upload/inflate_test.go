package upload

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func deflated(t testing.TB, content []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	must(t, err)
	_, err = w.Write(content)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func inflatedInPieces(b []byte, n int) (out, rest []byte, done bool, err error) {
	z := newInflater(func(p []byte) *Refusal { out = append(out, p...); return nil })
	for len(b) > 0 && !done && err == nil {
		piece := b[:min(n, len(b))]
		b = b[len(piece):]
		rest, done, _, err = z.write(piece)
	}
	return out, append(bytes.Clone(rest), b...), done, err
}

func TestInflatesWhatOthersDeflateHoweverItIsCut(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(r.Uint32() >> (r.Uint32() % 9))
	}
	for name, content := range map[string][]byte{
		"nothing": nil, "a byte": {7}, "a text": []byte(strings.Repeat("to be or not to be, ", 5000)),
		"zeros": make([]byte, 300_000), "noise": noise,
	} {
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 6, 9} {
			packed := append(deflated(t, content, level), "what follows"...)
			for _, n := range []int{1, 2, 7, 100, 4096, len(packed)} {
				out, rest, done, err := inflatedInPieces(packed, n)
				if err != nil || !done || !bytes.Equal(out, content) || string(rest) != "what follows" {
					t.Fatalf("%s, level %d, pieces of %d: %v %v, %d bytes, rest %q", name, level, n, err, done, len(out), rest)
				}
			}
		}
	}
}

// FuzzInflate: what compress/flate reads, the inflater reads, and the reverse.
func FuzzInflate(f *testing.F) {
	for _, level := range []int{0, 1, 9} {
		f.Add(deflated(f, []byte(strings.Repeat("hello, world ", 20)), level), 3)
	}
	f.Add([]byte{0x05, 0xe0, 0x03}, 1)
	f.Fuzz(func(t *testing.T, packed []byte, cut int) {
		want, theirs := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 1<<20))
		if len(want) == 1<<20 {
			return
		}
		out, _, done, err := inflatedInPieces(packed, 1+(cut&0xffff)%97)
		whole, _, _, _ := inflatedInPieces(packed, len(packed)+1)
		if !bytes.Equal(out, whole) {
			t.Fatalf("%d bytes in pieces, %d at once", len(out), len(whole))
		}
		if theirs == nil && (err != nil || !done || !bytes.Equal(out, want)) {
			t.Fatalf("compress/flate reads %d bytes, this reads %d: %v", len(want), len(out), err)
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	text := []byte(strings.Repeat("It was the best of times, it was the worst of times; and so on, "+noisy(40, false), 10_000))
	for name, packed := range map[string][]byte{
		"text": deflated(b, text, 6), "noise": deflated(b, []byte(noisy(1<<20, false)), 6), "letters": deflated(b, []byte(strings.Repeat(noisy(100, false), 10_000)), -2),
	} {
		for counting, sink := range map[string]func([]byte) *Refusal{"": func([]byte) *Refusal { return nil }, ", counted only": nil} {
			b.Run(name+counting, func(b *testing.B) {
				z := newInflater(sink)
				for b.Loop() {
					z.reset(sink)
					if _, done, _, err := z.write(packed); err != nil || !done {
						b.Fatal(err)
					}
					b.SetBytes(z.produced)
				}
			})
		}
	}
}
