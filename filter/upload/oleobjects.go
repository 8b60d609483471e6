package upload

import (
	"encoding/binary"
	"errors"

	"gatehouse/filter/upload/internal/blocks"
)

// oleObjects looks into the objects that a presentation holds (ExOleObjStg, MS-PPT
// 2.10.34): compound files, mostly compressed, in the midst of a stream. The header of
// the record is all that tells of one. They are judged as the document itself is, but
// for records that are cut between sectors; what they hold is no further unpacked.
type oleObjects struct {
	env    env
	judge  func(block []byte) *Refusal
	before []byte // the last bytes read, where a header may have begun
	open   [2]oleObject
}

// oleObject is one that is being read.
type oleObject struct {
	left    int64 // bytes of the record, 0 if there is none
	packed  bool
	z       *inflater
	block   []byte
	records oleFinder
}

// objectHeader is as much as tells a record: its header; the size that its data have
// unpacked, and the header of ZLIB; or else what a compound file begins with.
const objectHeader = 14

func (o *oleObjects) write(b []byte) *Refusal {
	at, had := 0, len(o.before)
	o.before = append(o.before, b[:min(len(b), objectHeader-1)]...)
	for i := nextObject(o.before, 0); i >= 0 && i < had; i = nextObject(o.before, i+1) {
		end := i + objectHeader - had
		if r := o.feed(b[at:end]); r != nil {
			return r
		}
		if r := o.begin(o.before[i : i+objectHeader]); r != nil {
			return r
		}
		at = end
	}
	for i := nextObject(b, 0); i >= 0; i = nextObject(b, i+1) {
		if r := o.feed(b[at : i+objectHeader]); r != nil {
			return r
		}
		if r := o.begin(b[i : i+objectHeader]); r != nil {
			return r
		}
		at = i + objectHeader
	}
	if len(b) >= objectHeader {
		o.before = append(o.before[:0], b[len(b)-objectHeader+1:]...)
	}
	o.before = o.before[:copy(o.before, o.before[max(0, len(o.before)-objectHeader+1):])]
	return o.feed(b[at:])
}

// objectPair is the type of the record, in the middle of its header.
var objectPair = blocks.NewPair(0x11, func(c byte) bool { return c == 0x10 })

// nextObject is where the first header from there on begins, -1 if none is whole.
func nextObject(b []byte, from int) int {
	for at := from; ; at++ {
		i := objectPair.Index(b[at:])
		if i < 0 {
			return -1
		}
		at += i
		start := at - 2
		if len(b)-start < objectHeader {
			return -1
		}
		if start >= from && b[start+1] == 0 && isObject(b[start:start+objectHeader]) {
			return start
		}
	}
}

func isObject(b []byte) bool {
	if b[0] == 0 {
		return blocks.String(b[8:]) == oleMagic[:objectHeader-8]
	}
	// RFC 1950, section 2.2
	return b[0] == 0x10 && b[12]&0xf == 8 && b[12]>>4 < 8 && b[13]&0x20 == 0 && (int(b[12])<<8|int(b[13]))%31 == 0
}

// begin takes the header of an object. There are seldom two at once: bytes of another
// may look like a header.
func (o *oleObjects) begin(header []byte) *Refusal {
	x := &o.open[0]
	if x.left > 0 {
		x = &o.open[1]
	}
	if x.left > 0 {
		return refuse("GH-OFF-004", "a document with embedded objects inside one another")
	}
	x.packed, x.block, x.records = header[0] != 0, x.block[:0], oleFinder{carry: x.records.carry[:0]}
	x.left = max(0, int64(binary.LittleEndian.Uint32(header[4:]))-(objectHeader-8))
	if !x.packed {
		return o.unpacked(x, header[8:])
	}
	sink := func(b []byte) *Refusal { return o.unpacked(x, b) }
	if x.z == nil {
		x.z = newInflater(sink)
	}
	x.z.reset(sink)
	return nil
}

func (o *oleObjects) feed(b []byte) *Refusal {
	for i := range o.open {
		if x := &o.open[i]; x.left > 0 && len(b) > 0 {
			if r := o.content(x, b[:min(x.left, int64(len(b)))]); r != nil {
				return r
			}
		}
	}
	return nil
}

func (o *oleObjects) content(x *oleObject, b []byte) *Refusal {
	x.left -= int64(len(b))
	if !x.packed {
		return o.unpacked(x, b)
	}
	_, done, r, err := x.z.write(b)
	switch {
	case r != nil:
		return r
	case errors.Is(err, errBomb):
		return broken(err, "an embedded object")
	case done:
		x.left = 0
	case err != nil || x.left == 0:
		x.left = 0
		return o.unreadable()
	}
	return nil
}

// unreadable is an object that is broken, or whose sectors lie apart.
func (o *oleObjects) unreadable() *Refusal {
	if o.env.policy.rejectUncertain {
		return refuse("GH-OFF-004", "a document with an embedded object that cannot be read")
	}
	o.env.budget.uncertain = true
	return nil
}

// unpacked takes an object's content.
func (o *oleObjects) unpacked(x *oleObject, b []byte) *Refusal {
	if r := o.env.budget.spend(len(b)); r != nil {
		return r
	}
	if r := x.records.find(b); r != nil {
		return r
	}
	var r *Refusal
	x.block, r = inBlocks(x.block, b, o.judge)
	return r
}
