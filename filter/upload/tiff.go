package upload

import "encoding/binary"

// tiffCheck follows the directories of a TIFF (TIFF 6.0, section 2; BigTIFF) as far
// as they stand in the order of the file, and reads the pictures' sizes. A directory
// that points back is not followed: what it points to has passed.
type tiffCheck struct {
	raster
	env    env
	order  binary.ByteOrder
	big    bool
	offset int64 // of the next byte
	next   int64 // where something is read that is needed
	need   int
	buf    []byte
	state  tiffState
	left   uint64 // entries
	width  int64
	height int64
	listed bool // an entry of a directory
}

type tiffState uint8

const (
	tiffHeader tiffState = iota
	tiffCount
	tiffEntry
	tiffLink
	tiffDone
)

const tagWidth, tagHeight = 256, 257

func newTIFF(e env) checker { return &tiffCheck{raster: raster{image: imageOf(e)}, env: e, need: 8} }

func (t *tiffCheck) write(b []byte) *Refusal {
	if r := t.raster.write(b); r != nil {
		return r
	}
	for len(b) > 0 && t.state != tiffDone {
		if skip := t.next - t.offset; skip > 0 {
			n := min(skip, int64(len(b)))
			t.offset += n
			b = b[n:]
			continue
		}
		n := min(t.need-len(t.buf), len(b))
		t.buf = append(t.buf, b[:n]...)
		t.offset, t.next = t.offset+int64(n), t.next+int64(n)
		b = b[n:]
		if t.state == tiffHeader && len(t.buf) == 8 && t.buf[2]|t.buf[3] == 43 {
			t.need = 16 // BigTIFF
		}
		if len(t.buf) == t.need {
			if r := t.read(t.buf); r != nil {
				return r
			}
			t.buf = t.buf[:0]
		}
	}
	return nil
}

func (t *tiffCheck) want(s tiffState, small, big int) {
	t.state, t.need = s, small
	if t.big {
		t.need = big
	}
}

// number reads an offset or a count, as wide as the file's.
func (t *tiffCheck) number(b []byte) uint64 {
	if t.big {
		return t.order.Uint64(b)
	}
	return uint64(t.order.Uint32(b))
}

func (t *tiffCheck) read(b []byte) *Refusal {
	switch t.state {
	case tiffHeader:
		t.order = binary.LittleEndian
		if b[0] == 'M' {
			t.order = binary.BigEndian
		}
		t.big = t.order.Uint16(b[2:]) == 43
		at := t.number(b[4:])
		if t.big {
			at = t.number(b[8:])
		}
		t.follow(at)
	case tiffCount:
		t.left, t.width, t.height = uint64(t.order.Uint16(b)), 0, 0
		if t.big {
			t.left = t.order.Uint64(b)
		}
		t.want(tiffEntry, 12, 20)
		if t.left == 0 {
			t.want(tiffLink, 4, 8)
		}
	case tiffEntry:
		t.listed = true
		t.entry(b)
		if t.left--; t.left == 0 {
			t.want(tiffLink, 4, 8)
			return t.env.pixels(t.width, t.height)
		}
	case tiffLink:
		t.follow(t.number(b))
	}
	return nil
}

// follow goes to the directory at an offset.
func (t *tiffCheck) follow(at uint64) {
	t.want(tiffCount, 2, 8)
	if at < uint64(t.offset) || at > 1<<62 { // #nosec G115 -- never below 0
		t.state = tiffDone
		return
	}
	t.next = int64(at) // #nosec G115 -- below 2^62
}

func (t *tiffCheck) entry(b []byte) {
	value := b[8:]
	if t.big {
		value = b[12:]
	}
	n := int64(t.order.Uint32(value))
	if t.order.Uint16(b[2:]) == 3 {
		n = int64(t.order.Uint16(value))
	}
	switch t.order.Uint16(b) {
	case tagWidth:
		t.width = n
	case tagHeight:
		t.height = n
	}
}

func (t *tiffCheck) end(size int64) *Refusal {
	if !t.listed {
		return truncated("a TIFF without a directory of its picture")
	}
	return t.raster.end(size)
}
