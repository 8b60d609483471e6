package upload

import "encoding/binary"

// gif walks the blocks to the trailer (GIF89a, section 17 to 27).
type gif struct {
	image
	env    env
	need   int64  // bytes to skip
	head   []byte // of what is being read
	want   int    // its length
	state  gifState
	behind blanks
	// pictures says that there was one.
	pictures bool
}

type gifState uint8

const (
	gifHeader gifState = iota
	gifBlock
	gifExtension
	gifImage
	gifCodeSize
	gifSubBlock
	gifTrailer
)

func newGIF(e env) checker { return &gif{image: imageOf(e), env: e, want: 13} }

func (g *gif) write(b []byte) *Refusal {
	if r := g.image.write(b); r != nil {
		return r
	}
	for len(b) > 0 {
		switch {
		case g.state == gifTrailer:
			g.behind.write(b)
			return nil
		case g.need > 0:
			n := min(g.need, int64(len(b)))
			g.need -= n
			b = b[n:]
		default:
			n := min(g.want-len(g.head), len(b))
			g.head = append(g.head, b[:n]...)
			b = b[n:]
			if len(g.head) < g.want {
				return nil
			}
			if r := g.step(g.head); r != nil {
				return r
			}
			g.head = g.head[:0]
		}
	}
	return nil
}

func (g *gif) next(s gifState, want int, skip int64) {
	g.state, g.want, g.need = s, want, skip
}

func colourTable(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

func (g *gif) step(b []byte) *Refusal {
	switch g.state {
	case gifHeader:
		g.next(gifBlock, 1, colourTable(b[10]))
	case gifBlock:
		switch b[0] {
		case 0x21:
			g.next(gifExtension, 1, 0)
		case 0x2c:
			g.next(gifImage, 9, 0)
		case 0x3b:
			g.next(gifTrailer, 1, 0)
		case 0: // padding between blocks, which decoders skip
		default:
			return truncated("a GIF with a block of no known kind")
		}
	case gifExtension:
		g.next(gifSubBlock, 1, 0)
	case gifImage:
		if r := g.env.pixels(int64(binary.LittleEndian.Uint16(b[4:])), int64(binary.LittleEndian.Uint16(b[6:]))); r != nil {
			return r
		}
		g.pictures = true
		g.next(gifCodeSize, 1, colourTable(b[8]))
	case gifCodeSize:
		g.next(gifSubBlock, 1, 0)
	case gifSubBlock:
		if b[0] == 0 {
			g.next(gifBlock, 1, 0)
		} else {
			g.next(gifSubBlock, 1, int64(b[0]))
		}
	}
	return nil
}

func (g *gif) end(int64) *Refusal {
	if r := g.code.end(); r != nil {
		return r
	}
	switch {
	case g.state == gifBlock && g.pictures && len(g.head) == 0: // decoders do without a trailer
	case g.state != gifTrailer:
		return truncated("a GIF without its trailer")
	case !g.pictures:
		return truncated("a GIF without a picture")
	case g.behind.more:
		return unsafe(RuleAppended, "bytes after a GIF's trailer")
	}
	return nil
}
