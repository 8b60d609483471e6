package upload

import (
	"bytes"
	"encoding/binary"
	"errors"

	"gatehouse/filter/upload/internal/blocks"
)

// pngCheck walks the chunks (PNG 3, section 5) to IEND. Texts and colour profiles
// that are compressed are inflated, within pngMaxText; the picture's own data are
// inflated as far as pngProbe, and must not hold much more than the header says.
type pngCheck struct {
	image
	need   int64 // bytes to skip
	head   []byte
	kind   string // of the chunk being read, "" if it means nothing here
	ended  bool
	behind behindPNG

	header  []byte
	packed  int64     // bytes of IDAT
	z       *inflater // of what is being read
	texts   *inflater
	probing bool
	spare   **inflater // of z, from one picture to the next; nil if there is none
	prefix  pngPrefix
	text    codeFinder
	room    [8 + 13]byte // of head and header
}

const (
	// pngMaxText is what a compressed text or profile may hold: what libpng allows.
	pngMaxText = 8_000_000
	// pngProbe is how much of the compressed picture is inflated, in bytes. Decoders
	// stop at the last row; a picture that hides more behind it is made to harm.
	pngProbe = 64 << 10
	// pngSlack is what a picture's data may be larger than its rows.
	pngSlack = 64 << 10
)

func newPNG(e env) checker {
	p := &pngCheck{image: imageOf(e), need: 8, text: codeFinder{tags: true}, spare: e.spare}
	p.head, p.header = p.room[:0:8], p.room[8:8]
	return p
}

func (p *pngCheck) write(b []byte) *Refusal {
	if r := p.image.write(b); r != nil {
		return r
	}
	for len(b) > 0 {
		switch {
		case p.ended && p.need == 0:
			p.behind.write(b)
			return nil
		case p.need > 0:
			n := min(p.need, int64(len(b)))
			if r := p.content(b[:n]); r != nil {
				return r
			}
			p.need -= n
			b = b[n:]
		default:
			n := min(8-len(p.head), len(b))
			p.head = append(p.head, b[:n]...)
			b = b[n:]
			if len(p.head) == 8 {
				p.begin()
			}
		}
	}
	return nil
}

// begin starts a chunk.
func (p *pngCheck) begin() {
	p.need = int64(binary.BigEndian.Uint32(p.head)) + 4
	p.kind = pngKind(p.head[4:])
	p.head, p.ended = p.head[:0], p.kind == "IEND"
	switch p.kind {
	case "zTXt", "iTXt", "iCCP":
		p.prefix.again(p.kind)
		if p.texts == nil {
			p.texts = newInflater(p.text.write)
		}
		p.texts.reset(p.text.write)
		p.texts.limit = pngMaxText
		p.z, p.probing, p.text.carry = p.texts, false, p.text.carry[:0]
	case "IDAT":
		if p.packed == 0 {
			p.prefix.again(p.kind)
			p.z, p.probing = p.counter(), true
			p.z.limit = p.rows() + pngSlack
		}
	}
}

// pngKind is a chunk's, without a copy for each.
func pngKind(b []byte) string {
	for _, kind := range [...]string{"IDAT", "IHDR", "IEND", "zTXt", "iTXt", "iCCP"} {
		if blocks.String(b) == kind {
			return kind
		}
	}
	return ""
}

// counter is an inflater that only counts.
func (p *pngCheck) counter() *inflater {
	if p.spare == nil {
		return newInflater(nil)
	}
	if *p.spare == nil {
		*p.spare = newInflater(nil)
	}
	(*p.spare).reset(nil)
	return *p.spare
}

// content takes a piece of a chunk, whose last four bytes are its sum.
func (p *pngCheck) content(b []byte) *Refusal {
	b = b[:max(0, min(int64(len(b)), p.need-4))]
	switch p.kind {
	case "IHDR":
		if len(p.header) < 13 {
			p.header = append(p.header, b[:min(len(b), 13-len(p.header))]...)
		}
	case "zTXt", "iTXt", "iCCP":
		return p.inflate(p.prefix.skip(b))
	case "IDAT":
		return p.data(b)
	}
	return nil
}

// data takes a piece of the picture.
func (p *pngCheck) data(b []byte) *Refusal {
	if left := pngProbe - p.packed; p.probing && left > 0 {
		if r := p.inflate(p.prefix.skip(b[:min(int64(len(b)), left)])); r != nil {
			return r
		}
	}
	if p.packed += int64(len(b)); p.packed > p.rows()+p.rows()/8+pngSlack {
		return p.bomb()
	}
	return nil
}

// inflate reads what is compressed; data that are broken are the decoder's business.
func (p *pngCheck) inflate(b []byte) *Refusal {
	if len(b) == 0 || !p.prefix.compressed {
		return nil
	}
	_, done, r, err := p.z.write(b)
	switch {
	case r != nil:
		return r
	case errors.Is(err, errTooBig), errors.Is(err, errBomb):
		return p.bomb()
	case done && p.kind != "IDAT":
		r = p.text.end()
	}
	if done || err != nil {
		p.prefix.compressed = false
	}
	return r
}

func (p *pngCheck) bomb() *Refusal {
	return refuse("GH-IMG-001", "a PNG whose "+quote(p.kind)+" holds more than it may")
}

// rows is what the picture's data may be, inflated, in bytes: a filter's byte
// before each row (PNG 3, section 7), twice over for the passes of an interlaced
// one.
func (p *pngCheck) rows() int64 {
	if len(p.header) < 13 {
		return 0
	}
	width, height := int64(binary.BigEndian.Uint32(p.header)), int64(binary.BigEndian.Uint32(p.header[4:]))
	row := (width*pngChannels(p.header[9])*int64(p.header[8])+7)/8 + 1
	if p.header[12] != 0 {
		row *= 2
	}
	return row * height
}

// pngChannels are those of a colour type (PNG 3, section 11.2.1).
func pngChannels(colour byte) int64 {
	switch colour {
	case 0, 3:
		return 1
	case 2:
		return 3
	case 4:
		return 2
	case 6:
		return 4
	}
	return 0
}

func (p *pngCheck) end(int64) *Refusal {
	if r := p.code.end(); r != nil {
		return r
	}
	switch {
	case !p.ended || p.need > 0:
		return truncated("a PNG without its IEND chunk")
	case p.rows() == 0 || binary.BigEndian.Uint32(p.header) == 0:
		return truncated("a PNG without a picture")
	case p.behind.harmful():
		return unsafe(RuleAppended, "bytes after a PNG's end")
	}
	return nil
}

// pngPrefix passes over what stands before compressed data in a chunk (PNG 3,
// sections 11.3.2.3, 11.3.3.3 and 11.3.3.4): names that end in a NUL, flags, and the
// two bytes of zlib's header.
type pngPrefix struct {
	names, bytes int
	flagged      bool // the next byte tells whether the text is compressed
	compressed   bool
	itxt         bool // a method, a language and a translated name are to come
}

func (x *pngPrefix) again(kind string) {
	*x = pngPrefix{names: 1, bytes: 1 + 2, compressed: true} // zTXt, iCCP: a method, the header
	switch kind {
	case "IDAT":
		x.names, x.bytes = 0, 2
	case "iTXt":
		x.flagged = true
	}
}

func (x *pngPrefix) skip(b []byte) []byte {
	for len(b) > 0 {
		switch {
		case x.names > 0:
			i := bytes.IndexByte(b, 0)
			if i < 0 {
				return nil
			}
			b = b[i+1:]
			x.names--
		case x.flagged:
			x.flagged = false
			x.compressed = b[0] == 1
			x.itxt = true
			b = b[1:]
		case x.bytes > 0:
			x.bytes--
			b = b[1:]
			if x.bytes == 2 && x.itxt {
				x.itxt, x.names = false, 2
			}
		default:
			return b
		}
	}
	return nil
}
