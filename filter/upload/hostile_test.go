package upload

import (
	stdzip "archive/zip"
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
)

// hostile shapes, as long as one wants: each is what a scanner that goes back, or
// keeps what it has seen, would be slow or large on.
func hostile(n int) []sample {
	repeat := func(s string) string { return strings.Repeat(s, n/len(s)) }
	return []sample{
		{name: "names without end", file: "a.pdf", content: "%PDF-1.7\n" + repeat("/J#53 ")},
		{name: "slashes", file: "a.pdf", content: "%PDF-1.7\n" + repeat("/")},
		{name: "hashes", file: "a.pdf", content: "%PDF-1.7\n/" + repeat("#")},
		{name: "streams", file: "a.pdf", content: "%PDF-1.7\n" + repeat("stream\n\x78\x9c")},
		{name: "object streams", file: "a.pdf", content: "%PDF-1.7\n" + repeat("/ObjStm stream\n1 ")},
		{name: "parts of the keyword", file: "a.pdf", content: "%PDF-1.7\n" + repeat("strea")},
		{name: "open tags", file: "a.svg", content: "<svg>" + repeat("<a ")},
		{name: "references", file: "a.svg", content: "<svg a='" + repeat("&#")},
		{name: "comments", file: "a.xml", content: "<a>" + repeat("<!--->")},
		{name: "less-than signs", file: "a.png", content: "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01" + repeat("<")},
		{name: "markers", file: "a.jpg", content: "\xff\xd8\xff\xe0\x00\x02" + repeat("\xff")},
		{name: "sub-blocks", file: "a.gif", content: "GIF89a\x01\x00\x01\x00\x00\x00\x00" + repeat("\x21\xfe\x01a\x00")},
		{name: "formulas", file: "a.csv", content: repeat("=a|b,")},
		{name: "quotes", file: "a.csv", content: repeat("\"")},
		{name: "brackets", file: "a.json", content: repeat("[]")},
		{name: "control words", file: "a.rtf", content: "{\\rtf1" + repeat("{\\a")},
		{name: "signatures", file: "a.zip", content: "PK\x03\x04" + strings.Repeat("\x00", 22) + "\x01\x00\x00\x00a" + repeat("PK\x07\x08")},
		{name: "empty members", file: "a.zip", content: repeat("PK\x03\x04\x0a" + strings.Repeat("\x00", 21) + "\x01\x00\x00\x00a")},
		{name: "headers", file: "a.tar", content: repeat(sampleTAR()[:512] + strings.Repeat("\x00", 512))},
		{name: "members", file: "a.gz", content: repeat("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
		{name: "instructions", file: "a.rtf", content: "{\\rtf1" + repeat("{\\*\\fldinst "+strings.Repeat("a \\'41", 40)+"}")},
		{name: "style sheets", file: "a.svg", content: "<svg><style>" + repeat("/*\\75 url( */'\\")},
		{name: "styles", file: "a.svg", content: "<svg>" + repeat("<a style='u\\rl(#a'/>")},
		{name: "texts", file: "a.png", content: samplePNGHead + repeat("\x00\x00\x00\x08zTXtc\x00\x00\x78\x9c\x03\x00\x00\x00\x00\x00")},
		{name: "directories", file: "a.tif", content: "II*\x00\x08\x00\x00\x00" + tiffChain(n)},
		{name: "ends of sectors", file: "a.doc", content: sampleOLE(505, true)[:512] + repeat(strings.Repeat("\x09\x08\x10\x00\x00\x06\x40", 73)+"\x13")},
		{name: "layers", file: "a.pdf", content: "%PDF-1.7\n" + repeat("/ObjStm /Filter [/AHx /A85 /RL] stream\n3131>endstream ")},
		{name: "actions", file: "a.pdf", content: "%PDF-1.7\n" + repeat("/OpenAction<</S/URI>>1 0 obj/S/URI ")},
		{name: "addresses", file: "a.pdf", content: "%PDF-1.7\n" + repeat("(http://x/JavaScript)")},
		{name: "fields", file: "a.docx", content: sampleDOCXOf(repeat("<w:instrText> QUOTE 1 2 3</w:instrText><w:fldChar w:fldCharType='begin'/>"))},
		{name: "entries", file: "a.doc", content: oleMagic + repeat("\x13 DDE\x09\x08")},
	}
}

// work counts what a file costs, in allocated bytes: time would depend on what else
// the machine does. A scanner that copies what it has seen shows here as well.
func work(t *testing.T, p *Policy, s sample) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := p.Sniff(&pieceReader{[]byte(s.content), 1000}, s.file, "")
	must(t, err)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

//nolint:paralleltest // it counts what the whole program allocates
func TestHostileShapesCostNoMoreMemoryWhenTheyAreLonger(t *testing.T) {
	p := policyOf(t, Config{MaxFileSize: 64 << 20})
	long := hostile(4 << 20)
	for i, s := range hostile(1 << 20) {
		t.Run(s.name, func(t *testing.T) {
			short, more := work(t, p, s), work(t, p, long[i])
			// The content itself is copied once.
			if grown := int64(more) - int64(short) - 3<<20; grown > 3*int64(short)+8<<20 {
				t.Errorf("%d bytes for 1 MiB, %d for 4 MiB", short, more)
			}
		})
	}
}

func BenchmarkHostile(b *testing.B) {
	p := policyOf(b, Config{MaxFileSize: 64 << 20})
	for _, n := range []int{1 << 20, 8 << 20} {
		for _, s := range hostile(n) {
			b.Run(s.name+"/"+map[bool]string{true: "1MiB", false: "8MiB"}[n == 1<<20], func(b *testing.B) {
				content := []byte(s.content)
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					_, err := p.Sniff(&pieceReader{content, 16 << 10}, s.file, "")
					must(b, err)
				}
			})
		}
	}
}

const samplePNGHead = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x00\x00\x00\x00"

// tiffChain is directories without entries, each of which points to the next.
func tiffChain(n int) string {
	b := make([]byte, 0, n)
	for len(b) < n {
		b = append(b, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(8+len(b)+4)) //nolint:gosec // small
	}
	return string(b)
}

// sampleDOCXOf stores its part without compression.
func sampleDOCXOf(part string) string {
	var b bytes.Buffer
	w := stdzip.NewWriter(&b)
	for _, m := range [][2]string{{"[Content_Types].xml", "<Types/>"}, {"word/document.xml", part}} {
		if f, err := w.CreateHeader(&stdzip.FileHeader{Name: m[0], Method: stdzip.Store}); err == nil {
			_, _ = f.Write([]byte(m[1]))
		}
	}
	_ = w.Close()
	return b.String()
}
