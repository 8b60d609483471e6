package upload

import (
	"bytes"
	"encoding/binary"

	"gatehouse/filter/verdict"
)

// checker judges a file of a known type while it streams past: all of its bytes
// through write, then end with the file's size.
type checker interface {
	write(b []byte) *Refusal
	end(size int64) *Refusal
}

const (
	unsafeContent = verdict.UnsafeContent
	unsupported   = verdict.UnsupportedFileType
	tooLarge      = verdict.PayloadTooLarge
)

func truncated(what string) *Refusal {
	return &Refusal{Rule: RuleTruncated, Reason: what, Problem: unsafeContent}
}

func unsafe(rule, what string) *Refusal {
	return &Refusal{Rule: rule, Reason: what, Problem: unsafeContent}
}

// tail keeps the last bytes of a stream.
type tail struct {
	buf []byte
	max int
}

func (t *tail) write(b []byte) {
	if len(b) >= t.max {
		t.buf = append(t.buf[:0], b[len(b)-t.max:]...)
		return
	}
	if over := len(t.buf) + len(b) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, b...)
}

// finder looks for any of some lower-case needles, whatever the case of the
// text and wherever chunks are cut.
type finder struct {
	needles []string
	keep    int
	carry   []byte
}

func newFinder(needles ...string) finder {
	longest := 0
	for _, n := range needles {
		longest = max(longest, len(n))
	}
	return finder{needles: needles, keep: longest}
}

// find returns the first needle that accept agrees to, or "". accept sees what
// follows the needle; it may be nil.
func (f *finder) find(b []byte, accept func(needle string, after []byte) bool) string {
	for len(b) > 0 {
		piece := b[:min(len(b), 32<<10)]
		b = b[len(piece):]
		text := lowerASCII(append(f.carry, piece...)) // in carry's own memory, once it has grown
		for _, n := range f.needles {
			for rest := text; ; {
				i := bytes.Index(rest, []byte(n))
				if i < 0 {
					break
				}
				rest = rest[i+len(n):]
				if accept == nil || accept(n, rest) {
					return n
				}
			}
		}
		f.carry = append(text[:0], text[max(0, len(text)-f.keep):]...)
	}
	return ""
}

func isASCIILetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func lowerASCII(b []byte) []byte {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return b
}

// image judges images whose end says nothing.
type image struct{ code codeFinder }

func newImage(e env) checker { i := imageOf(e); return &i }

// imageOf looks for elements of HTML in pictures, not in sounds and fonts.
func imageOf(e env) image {
	return image{codeFinder{tags: e.picture}}
}

func (i *image) write(b []byte) *Refusal { return i.code.write(b) }
func (i *image) end(int64) *Refusal      { return i.code.end() }

// riffSlack is what writers leave behind the end, besides a byte to make it even.
const riffSlack = 1

// riff compares the size that a RIFF header states with the file's.
type riff struct {
	raster
	kind string
	head []byte
	// Where in a sound what comes next is written, and where the chunk after the last one
	// that was seen would begin.
	at, next int64
	pad      int64  // of it, before that; the last one may lack it
	chunk    []byte // the header of that chunk
	data     bool   // the last one seen is the sound itself
}

func newRIFF(e env) checker {
	return &riff{raster: raster{image: imageOf(e)}, kind: e.kind, next: riffHead}
}

// riffHead is what stands before the first chunk.
const riffHead = 12

// walk follows the chunks of a sound, as far as it is shown.
func (r *riff) walk(b []byte) {
	for len(b) > 0 {
		if skip := min(r.next-r.at, int64(len(b))); skip > 0 {
			r.at += skip
			b = b[skip:]
			continue
		}
		n := min(8-len(r.chunk), len(b))
		r.chunk = append(r.chunk, b[:n]...)
		b = b[n:]
		if r.at, r.next = r.at+int64(n), r.next+int64(n); len(r.chunk) == 8 {
			size := int64(binary.LittleEndian.Uint32(r.chunk[4:]))
			r.pad, r.data = size%2, at(r.chunk, 0, "data")
			r.next += size + r.pad
			r.chunk = r.chunk[:0]
		}
	}
}

// endsWithData tells a sound that ends just where its data do: players go by those, and
// programs are wrong about the size of all, if they wrote it before or left out a header.
func (r *riff) endsWithData(size int64) bool {
	return r.data && len(r.chunk) == 0 && (r.next == size || r.next == size+r.pad)
}

func (r *riff) write(b []byte) *Refusal {
	if n := min(8-len(r.head), len(b)); n > 0 {
		r.head = append(r.head, b[:n]...)
	}
	if r.kind == "wav" {
		r.walk(b)
	}
	return r.raster.write(b)
}

func (r *riff) end(size int64) *Refusal {
	if refusal := r.code.end(); refusal != nil {
		return refusal
	}
	if len(r.head) < 8 {
		return truncated("a RIFF file without its header")
	}
	stated := int64(binary.LittleEndian.Uint32(r.head[4:])) + 8
	switch {
	case r.kind == "avi": // long ones have several parts
	case r.kind == "wav" && (stated == 8 || stated == 8+0xffffffff): // written to a pipe
	case r.endsWithData(size):
	case size < stated:
		return truncated("a RIFF file shorter than it says")
	case size > stated+stated%2+riffSlack:
		return unsafe(RuleAppended, "bytes after a RIFF file's end")
	}
	return nil
}

// text refuses code for a server, and what readers of PDF would open.
type text struct {
	php phpText
	pdf pdfInText
}

func newText(env) checker { return &text{} }

func (t *text) write(b []byte) *Refusal {
	if t.php.write(b) {
		return unsafe(RuleTextCode, "PHP code in a text")
	}
	if t.pdf.write(b) {
		return unsafe(RulePolyglot, "a text that is a PDF, too")
	}
	return nil
}

func (t *text) end(int64) *Refusal { return nil }
