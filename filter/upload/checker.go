package upload

import (
	"bytes"
	"encoding/binary"
	"strconv"

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
	if accept == nil && len(f.needles) == 1 && len(b) > 0 && !isASCIILetter(f.needles[0][0]) {
		return f.findMarked(b)
	}
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

// findMarked is find for one needle whose first byte is no letter: only where that
// stands one has to look, and the text is not copied.
func (f *finder) findMarked(b []byte) string {
	needle := f.needles[0]
	f.carry = append(f.carry, b[:min(len(b), len(needle)-1)]...)
	if hasMarked(f.carry, needle) || hasMarked(b, needle) {
		return needle
	}
	if keep := len(needle) - 1; len(b) >= keep {
		f.carry = append(f.carry[:0], b[len(b)-keep:]...)
	} else {
		f.carry = append(f.carry[:0], f.carry[max(0, len(f.carry)-keep):]...)
	}
	return ""
}

func hasMarked(b []byte, needle string) bool {
	for {
		i := indexByte(b, needle[0])
		if i < 0 || len(b)-i < len(needle) {
			return false
		}
		if b = b[i+1:]; equalLower(b[:len(needle)-1], needle[1:]) {
			return true
		}
	}
}

func equalLower(b []byte, lower string) bool {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
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

// codeFinder looks for server code in what should be media: PHP runs it
// wherever an interpreter is told to read the file. It goes from one "<" to the
// next, because most of a picture has none.
type codeFinder struct{ carry []byte }

func newCodeFinder() codeFinder { return codeFinder{} }

const longestCode = len("<script") + 1

func (c *codeFinder) write(b []byte) *Refusal {
	seam := append(c.carry, b[:min(len(b), longestCode)]...)
	r := codeIn(seam)
	if r == nil && len(b) > longestCode {
		r = codeIn(b)
	}
	if len(b) >= longestCode {
		c.carry = append(c.carry[:0], b[len(b)-longestCode+1:]...)
	} else {
		c.carry = append(c.carry[:0], seam[max(0, len(seam)-longestCode+1):]...)
	}
	return r
}

func codeIn(b []byte) *Refusal {
	for {
		i := indexByte(b, '<')
		if i < 0 || len(b)-i < 6 {
			return nil
		}
		b = b[i+1:]
		if b[0] != '?' && b[0]|0x20 != 's' {
			continue
		}
		for _, code := range [...]string{"?php", "script"} {
			n := len(code)
			if len(b) > n && b[0]|0x20 == code[0]|0x20 && string(lowerASCII(bytes.Clone(b[:n]))) == code &&
				bytes.IndexByte([]byte(" \t\r\n>"), b[n]) >= 0 {
				return unsafe(RuleImageCode, "media that carry <"+code)
			}
		}
	}
}

// image judges images whose end says nothing.
type image struct{ code codeFinder }

func newImage(env) checker { return &image{newCodeFinder()} }

func (i *image) write(b []byte) *Refusal { return i.code.write(b) }
func (i *image) end(int64) *Refusal      { return nil }

// pngCheck walks the chunks to IEND.
type pngCheck struct {
	image
	need  int64 // bytes to skip
	head  []byte
	ended bool
	after int64
}

func newPNG(env) checker { return &pngCheck{image: image{newCodeFinder()}, need: 8} }

func (p *pngCheck) write(b []byte) *Refusal {
	if r := p.image.write(b); r != nil {
		return r
	}
	for len(b) > 0 {
		switch {
		case p.ended && p.need == 0:
			p.after += int64(len(b))
			return nil
		case p.need > 0:
			n := min(p.need, int64(len(b)))
			p.need -= n
			b = b[n:]
		default:
			n := min(8-len(p.head), len(b))
			p.head = append(p.head, b[:n]...)
			b = b[n:]
			if len(p.head) == 8 {
				p.need = int64(binary.BigEndian.Uint32(p.head)) + 4
				p.ended = string(p.head[4:]) == "IEND"
				p.head = p.head[:0]
			}
		}
	}
	return nil
}

func (p *pngCheck) end(int64) *Refusal {
	switch {
	case !p.ended || p.need > 0:
		return truncated("a PNG without its IEND chunk")
	case p.after > 0:
		return unsafe(RuleAppended, strconv.FormatInt(p.after, 10)+" bytes after a PNG's end")
	}
	return nil
}

// riff compares the size that a RIFF header states with the file's.
type riff struct {
	image
	head []byte
}

func newRIFF(env) checker { return &riff{image: image{newCodeFinder()}} }

func (r *riff) write(b []byte) *Refusal {
	if n := min(8-len(r.head), len(b)); n > 0 {
		r.head = append(r.head, b[:n]...)
	}
	return r.image.write(b)
}

func (r *riff) end(size int64) *Refusal {
	if len(r.head) < 8 {
		return truncated("a RIFF file without its header")
	}
	stated := int64(binary.LittleEndian.Uint32(r.head[4:])) + 8
	switch {
	case size < stated:
		return truncated("a RIFF file shorter than it says")
	case size > stated+stated%2+1:
		return unsafe(RuleAppended, "bytes after a RIFF file's end")
	}
	return nil
}

// text refuses the bytes that its kind cannot have, and code for a server.
type text struct{ php finder }

func newText(env) checker { return &text{newFinder("<?php")} }

func (t *text) write(b []byte) *Refusal {
	if t.php.find(b, nil) != "" {
		return unsafe(RuleTextCode, "PHP code in a text")
	}
	return nil
}

func (t *text) end(int64) *Refusal { return nil }
