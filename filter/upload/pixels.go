package upload

import (
	"bytes"
	"encoding/binary"
)

// headPixels reads the size out of a file's first bytes, where it stands.
func (e env) headPixels(kind string, head []byte) *Refusal {
	le, be := binary.LittleEndian, binary.BigEndian
	switch {
	case kind == "png" && len(head) >= 24:
		return e.pixels(int64(be.Uint32(head[16:])), int64(be.Uint32(head[20:])))
	case kind == "gif" && len(head) >= 10:
		return e.pixels(int64(le.Uint16(head[6:])), int64(le.Uint16(head[8:])))
	case kind == "bmp" && len(head) >= 26 && le.Uint32(head[14:]) >= 40:
		return e.pixels(magnitude(le.Uint32(head[18:])), magnitude(le.Uint32(head[22:])))
	case kind == "psd" && len(head) >= 22:
		return e.pixels(int64(be.Uint32(head[18:])), int64(be.Uint32(head[14:])))
	case kind == "webp":
		return e.webpPixels(head)
	case kind == "jp2" && len(head) >= 24 && at(head, 0, jp2Stream):
		return e.pixels(int64(be.Uint32(head[8:]))-int64(be.Uint32(head[16:])), int64(be.Uint32(head[12:]))-int64(be.Uint32(head[20:])))
	case kind == "avif" || kind == "heic" || kind == "jp2":
		return e.boxPixels(head)
	case kind == "jxl":
		return e.jxlPixels(head)
	case kind == "ico":
		return e.icoPixels(head)
	}
	return nil
}

// jp2Stream is how a codestream of JPEG 2000 begins: with its size (ISO/IEC 15444-1,
// A.5.1), that of a grid, of which the picture begins at an offset.
const jp2Stream = "\xff\x4f\xff\x51"

// webpPixels reads the first chunk (RFC 9649, sections 2.5 to 2.7). An extended
// file states its canvas, and holds a picture no larger.
func (e env) webpPixels(head []byte) *Refusal {
	le := binary.LittleEndian
	switch {
	case len(head) < 30:
	case at(head, 12, "VP8X"):
		return e.pixels(int64(le.Uint32(head[23:])>>8)+1, int64(le.Uint32(append(bytes.Clone(head[27:30]), 0)))+1)
	case at(head, 12, "VP8 "):
		return e.pixels(int64(le.Uint16(head[26:])&0x3fff), int64(le.Uint16(head[28:])&0x3fff))
	case at(head, 12, "VP8L"):
		bits := le.Uint32(head[21:])
		return e.pixels(int64(bits&0x3fff)+1, int64(bits>>14&0x3fff)+1)
	}
	return nil
}

// boxPixels reads all boxes that state a size: ispe (ISO/IEC 23008-12, 6.5.3) and
// ihdr (ISO/IEC 15444-1, I.5.3.1).
func (e env) boxPixels(head []byte) *Refusal {
	for _, box := range [...]struct {
		name string
		skip int
		wide int // where the width stands, 0 or after the height
	}{{"ispe", 8, 0}, {"ihdr", 4, 4}} {
		for rest := head; ; {
			i := bytes.Index(rest, []byte(box.name))
			if i < 0 {
				break
			}
			if rest = rest[i:]; len(rest) < box.skip+8 {
				break
			}
			width, height := rest[box.skip+box.wide:], rest[box.skip+4-box.wide:]
			if r := e.pixels(int64(binary.BigEndian.Uint32(width)), int64(binary.BigEndian.Uint32(height))); r != nil {
				return r
			}
			rest = rest[4:]
		}
	}
	return nil
}

// icoPixels looks at the first PNG in an icon; the sizes of the directory are a
// byte each.
func (e env) icoPixels(head []byte) *Refusal {
	if i := bytes.Index(head, []byte("\x89PNG\r\n\x1a\n")); i >= 0 {
		return e.headPixels("png", head[i:])
	}
	return nil
}

// jxlPixels reads the size header of a codestream (ISO/IEC 18181-1, D.2), bare or
// in a box.
func (e env) jxlPixels(head []byte) *Refusal {
	if !at(head, 0, "\xff\x0a") {
		i := bytes.Index(head, []byte("jxlc"))
		if i < 0 {
			if i = bytes.Index(head, []byte("jxlp")); i < 0 {
				return nil
			}
			i += 4 // its number
		}
		head = head[min(i+4, len(head)):]
	}
	if !at(head, 0, "\xff\x0a") || len(head) < 12 {
		return nil
	}
	bits := bitReader(binary.LittleEndian.Uint64(head[2:]))
	var height, width int64
	small := bits.take(1) == 1
	if small {
		height = (bits.take(5) + 1) * 8
	} else {
		height = bits.varied()
	}
	switch ratio := bits.take(3); {
	case ratio > 0:
		r := [...][2]int64{{1, 1}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}[ratio]
		width = height * r[0] / r[1]
	case small:
		width = (bits.take(5) + 1) * 8
	default:
		width = bits.varied()
	}
	return e.pixels(width, height)
}

// bitReader gives bits from the lowest on.
type bitReader uint64

func (r *bitReader) take(n uint) int64 {
	v := int64(*r & (1<<n - 1)) // #nosec G115 -- at most 30 bits
	*r >>= n
	return v
}

func (r *bitReader) varied() int64 {
	return r.take([...]uint{9, 13, 18, 30}[r.take(2)]) + 1
}
