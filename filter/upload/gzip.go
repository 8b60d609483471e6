package upload

import (
	"encoding/binary"

	"gatehouse/filter/upload/internal/blocks"
)

// gzipCheck reads members (RFC 1952) and judges what they hold.
type gzipCheck struct {
	env    env
	state  gzipState
	head   []byte
	flags  byte
	skip   int
	z      *inflater
	sum    uint32
	summer blocks.Summer
	inner  *member
	sink   func([]byte) *Refusal // takes the content instead of inner; may be nil
	padded bool
}

type gzipState uint8

const (
	gzipHeader gzipState = iota
	gzipExtraLength
	gzipExtra
	gzipName
	gzipComment
	gzipHeaderSum
	gzipData
	gzipTrailer
)

func newGZIP(e env) checker { return &gzipCheck{env: e} }

func (g *gzipCheck) write(b []byte) *Refusal {
	for len(b) > 0 {
		var r *Refusal
		if g.state == gzipData {
			b, r = g.data(b)
		} else {
			b, r = g.framing(b)
		}
		if r != nil {
			return r
		}
	}
	return nil
}

// collect gathers n bytes; full tells that they are there.
func (g *gzipCheck) collect(b []byte, n int) (rest []byte, full bool) {
	k := min(n-len(g.head), len(b))
	g.head = append(g.head, b[:k]...)
	return b[k:], len(g.head) == n
}

func (g *gzipCheck) framing(b []byte) ([]byte, *Refusal) {
	switch g.state {
	case gzipHeader:
		return g.header(b)
	case gzipExtraLength:
		rest, full := g.collect(b, 2)
		if full {
			g.skip = int(binary.LittleEndian.Uint16(g.head))
			g.next(gzipExtra)
		}
		return rest, nil
	case gzipExtra:
		n := min(g.skip, len(b))
		if g.skip -= n; g.skip == 0 {
			g.next(gzipName)
		}
		return b[n:], nil
	case gzipName, gzipComment:
		for i, c := range b {
			if c == 0 {
				if g.state == gzipName && unsafeMember(string(g.head)) {
					return nil, refuse("GH-ARC-001", "a GZIP of the file "+quote(string(g.head)))
				}
				g.next(g.state + 1)
				return b[i+1:], nil
			}
			if len(g.head) < maxZipName {
				g.head = append(g.head, c)
			}
		}
		return nil, nil
	case gzipHeaderSum:
		rest, full := g.collect(b, 2)
		if full {
			g.next(gzipData)
		}
		return rest, nil
	default:
		return g.trailer(b)
	}
}

// next goes to a state, or beyond it if the header has no such field.
func (g *gzipCheck) next(s gzipState) {
	g.head = g.head[:0]
	if s == gzipExtraLength && g.flags&4 == 0 || s == gzipExtra && g.skip == 0 {
		s = gzipName
	}
	if s == gzipName && g.flags&8 == 0 {
		s = gzipComment
	}
	if s == gzipComment && g.flags&16 == 0 {
		s = gzipHeaderSum
	}
	if s == gzipHeaderSum && g.flags&2 == 0 {
		s = gzipData
	}
	g.state = s
}

func (g *gzipCheck) header(b []byte) ([]byte, *Refusal) {
	if g.z != nil && len(g.head) == 0 && b[0] == 0 { // padding between members, to a tape's block
		g.padded = true
		return b[1:], nil
	}
	rest, full := g.collect(b, 10)
	if !full {
		return rest, nil
	}
	if g.padded || g.head[0] != 0x1f || g.head[1] != 0x8b || g.head[2] != 8 || g.head[3]&0xe0 != 0 {
		return nil, unsafe(RuleAppended, "something that is no GZIP after a GZIP's end")
	}
	g.flags, g.sum = g.head[3], 0
	if g.inner == nil && g.sink == nil {
		inner, r := newMember(g.env, "content")
		if r != nil {
			return nil, r
		}
		g.inner = inner
	}
	if g.z == nil {
		g.z = newInflater(nil)
	}
	g.z.reset(g.unpacked)
	g.next(gzipExtraLength)
	return rest, nil
}

func (g *gzipCheck) unpacked(b []byte) *Refusal {
	g.sum = g.summer.CRC32(g.sum, b)
	if r := g.env.budget.spend(len(b)); r != nil {
		return r
	}
	if g.sink != nil {
		return g.sink(b)
	}
	return g.inner.write(b)
}

func (g *gzipCheck) data(b []byte) ([]byte, *Refusal) {
	rest, done, r, err := g.z.write(b)
	switch {
	case r != nil:
		return nil, r
	case err != nil:
		return nil, broken(err, "a GZIP")
	case done:
		g.next(gzipTrailer)
	}
	return rest, nil
}

func (g *gzipCheck) trailer(b []byte) ([]byte, *Refusal) {
	rest, full := g.collect(b, 8)
	if !full {
		return rest, nil
	}
	if binary.LittleEndian.Uint32(g.head) != g.sum || binary.LittleEndian.Uint32(g.head[4:]) != uint32(g.z.produced) { // #nosec G115 -- RFC 1952: modulo 2^32
		return nil, truncated("a GZIP whose sum is wrong")
	}
	g.state, g.head = gzipHeader, g.head[:0]
	return rest, nil
}

func (g *gzipCheck) end(int64) *Refusal {
	if g.inner == nil || g.state != gzipHeader || len(g.head) > 0 {
		return truncated("a GZIP that is cut off")
	}
	return g.inner.end()
}
