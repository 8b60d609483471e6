package upload

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// maxMemory is what one upload may keep, whatever is packed in it.
const maxMemory = 256 << 10

func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far from it
}

//nolint:paralleltest // it counts what the whole program keeps
func TestAnUploadKeepsNoMoreThanItsShareWhateverIsPackedInIt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 60_000)
	for i := range noise {
		noise[i] = byte(r.Uint32()) | 0x80 //nolint:gosec // no slash, no keyword
	}
	// Two object streams that never end, in a PDF, in an archive, in an archive, in an archive.
	open := "/ObjStm\nstream\n" + string(deflatedOpen(t))
	deepest := samplePDF("") + open + open + string(noise)
	nested := sampleZIP(t, "c.zip="+sampleZIP(t, "b.zip="+sampleZIP(t, "a.pdf="+deepest)))
	layered := samplePDF("") + "/ObjStm /Filter [/Fl /Fl] stream\n" + zlibbed(t, string(deflatedOpen(t)))[:20] + "/ObjStm /Filter /LZW stream\n\x80\x0e\x48" + open + string(noise)
	sectors := sampleOLE(505, true)[:512] + strings.Repeat(strings.Repeat("\x00", 511)+"\x13", 24<<10)
	object := "\x10\x00\x11\x10\xff\xff\xff\x00\xff\xff\xff\x00" + string(deflatedOpen(t))
	for name, s := range map[string]sample{
		"filters on filters": {file: "a.zip", content: sampleZIP(t, "c.zip="+sampleZIP(t, "b.zip="+sampleZIP(t, "a.pdf="+layered)))},
		"a compound file":    {file: "a.doc", content: sectors},
		"objects":            {file: "a.ppt", content: sectors[:2<<20] + object + object + sectors[2<<20:]},
		"texts in a PNG":     {file: "a.png", content: samplePNGHead + "\x00\xff\x00\x00zTXtc\x00\x00" + string(deflatedOpen(t)) + string(filled(3<<20, 'x'))},
		"a PDF in archives":  {file: "a.zip", content: nested},
		"a text":             {file: "a.txt", content: string(filled(3<<20, 'x'))},
		"a JPEG":             {file: "a.jpg", content: sampleJPEG(t)[:600] + string(filled(3<<20, 'x'))},
		"an SVG":             {file: "a.svg", content: "<svg a='" + string(filled(3<<20, 'x'))},
		"a JSON":             {file: "a.json", content: `{"a":"` + string(filled(3<<20, 'x'))},
	} {
		t.Run(name, func(t *testing.T) {
			p := policyOf(t, Config{MaxFileSize: 20 << 20})
			content := []byte(s.content)
			if s.file == "a.zip" {
				content = content[:len(content)-20_000]
			}
			before := live()
			f, refusal := p.newFile(s.file, "", true)
			if refusal != nil {
				t.Fatal(refusal.Reason)
			}
			for rest := content; len(rest) > 0; {
				n := min(64<<10, len(rest))
				if refusal := f.write(rest[:n]); refusal != nil {
					t.Fatal(refusal.Reason)
				}
				rest = rest[n:]
			}
			if kept := live() - before; kept > maxMemory {
				t.Errorf("keeps %d bytes", kept)
			} else {
				t.Logf("keeps %d bytes", kept)
			}
			runtime.KeepAlive(f)
			runtime.KeepAlive(content)
		})
	}
}

func filled(n int, c byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = c
	}
	return b
}

// deflatedOpen is the beginning of a stream that goes on.
func deflatedOpen(t *testing.T) []byte {
	t.Helper()
	whole := zlibbed(t, "9 0 << /Type /Font >> ")
	return []byte(whole[:len(whole)-8])
}
