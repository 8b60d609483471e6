package upload

import (
	"encoding/binary"
	"strconv"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// firstData tells a member that is said to be compressed, and is empty, from one with
// data: .NET writes such parts. No DEFLATE begins as a descriptor does.
func (z *zip) firstData(b [4]byte) *Refusal {
	if binary.LittleEndian.Uint32(b[:]) != sigDescriptor {
		z.goTo(zipData, 0)
		z.offset -= int64(len(b))
		return z.write(b[:])
	}
	if r := z.finish(); r != nil {
		return r
	}
	z.buf = append(z.buf, b[:]...)
	return nil
}

// unpacked takes content.
func (z *zip) unpacked(b []byte) *Refusal {
	z.index.sum = z.summer.CRC32(z.index.sum, b)
	z.index.size += int64(len(b))
	if z.entry.flags&zipDescribed == 0 && z.entry.method == 8 && z.index.size > z.entry.size {
		return z.disagree("a member that is larger than it says, " + quote(z.entry.name))
	}
	if r := z.env.budget.spend(len(b)); r != nil {
		return r
	}
	z.facts.content(b)
	if z.inner == nil || z.entry.method != 0 && z.entry.method != 8 {
		return nil
	}
	return z.inner.write(b)
}

func (z *zip) data(b []byte) ([]byte, *Refusal) {
	if z.left < 0 {
		return z.storedUntilDescribed(b)
	}
	sized := z.entry.flags&zipDescribed == 0 || z.entry.packed > 0
	piece := b
	if sized {
		piece = b[:min(z.left, int64(len(b)))]
	}
	if !z.busy {
		z.left -= int64(len(piece))
		r := z.unpacked(piece)
		if r == nil && z.left == 0 {
			r = z.finish()
		}
		return b[len(piece):], r
	}
	rest, done, r, err := z.z.write(piece)
	if r != nil {
		return nil, r
	}
	if err != nil {
		return nil, broken(err, "an archive's member")
	}
	used := len(piece) - len(rest)
	if sized {
		z.left -= int64(used)
		if done != (z.left == 0) {
			return nil, z.disagree("a member whose data end elsewhere than it says, " + quote(z.entry.name))
		}
	}
	if done {
		return b[used:], z.finish()
	}
	return b[used:], nil
}

// storedUntilDescribed: content of unknown length ends where a descriptor tells
// just that length and its sum, as archive/zip of Go writes it. Should the content
// hold such bytes itself, then the directory disagrees.
func (z *zip) storedUntilDescribed(b []byte) ([]byte, *Refusal) {
	for len(b) > 0 {
		if len(z.buf) == 0 { // no descriptor begins before the next of its first bytes
			i := blocks.IndexByteFrom(b, 0, 'P')
			if i > 0 {
				if r := z.unpacked(b[:i]); r != nil {
					return nil, r
				}
			}
			if b = b[i:]; len(b) == 0 {
				break
			}
		}
		z.buf = append(z.buf, b[0])
		b = b[1:]
		done, r := z.described()
		if r != nil || done {
			return b, r
		}
	}
	return nil, nil
}

// described reads what may be a descriptor, once it is whole.
func (z *zip) described() (bool, *Refusal) {
	if !strings.HasPrefix("PK\x07\x08", blocks.String(z.buf[:min(4, len(z.buf))])) {
		return false, z.notDescriptor()
	}
	if len(z.buf) < 16 {
		return false, nil
	}
	le := binary.LittleEndian
	if size := z.index.size; le.Uint32(z.buf[4:]) == z.index.sum && int64(le.Uint32(z.buf[8:])) == size && int64(le.Uint32(z.buf[12:])) == size {
		z.need = 16
		if r := z.endMember(); r != nil {
			return true, r
		}
		return true, z.descriptor()
	}
	return false, z.notDescriptor()
}

// notDescriptor passes on what is content after all, up to where a descriptor
// could begin.
func (z *zip) notDescriptor() *Refusal {
	n := 1
	if i := strings.IndexByte(blocks.String(z.buf[1:]), 'P'); i >= 0 {
		n += i
	} else {
		n = len(z.buf)
	}
	r := z.unpacked(z.buf[:n])
	z.buf = z.buf[:copy(z.buf, z.buf[n:])]
	return r
}

// finish ends a member's data.
func (z *zip) finish() *Refusal {
	if r := z.endMember(); r != nil {
		return r
	}
	if z.entry.flags&zipDescribed != 0 {
		z.goTo(zipDescriptor, 16)
		return nil
	}
	return z.close()
}

func (z *zip) endMember() *Refusal {
	z.index.packed = z.entry.packed
	if z.busy {
		z.index.packed = z.z.consumed
		if z.entry.flags&zipDescribed == 0 {
			z.index.packed = z.entry.packed
		}
	}
	if z.inner == nil {
		return nil
	}
	inner := z.inner
	z.inner = nil
	return inner.end()
}

// close compares what the header says with what was there.
func (z *zip) close() *Refusal {
	e := &z.entry
	known := e.method == 0 || e.method == 8
	if known && (e.sum != z.index.sum || e.size != z.index.size) {
		return z.disagree("a member that is not what its header says, " + quote(e.name))
	}
	z.index.add(e)
	z.goTo(zipRecord, 4)
	if end := e.at + 30 + int64(e.nameLen+e.extra) + e.packed; z.env.depth == 0 && z.env.budget.inflated > manySize && z.env.budget.inflated > bombRatio*end {
		return refuse("GH-ARC-007", "an archive whose members grow more than "+strconv.Itoa(bombRatio)+" times, together")
	}
	return nil
}

// descriptor reads what follows data of a length that was not known before
// (APPNOTE 4.3.9): with or without a signature, 32 or 64 bits wide.
func (z *zip) descriptor() *Refusal {
	le, b, e := binary.LittleEndian, z.buf, &z.entry
	if le.Uint32(b) == z.index.sum && int64(le.Uint32(b[4:])) == z.index.packed && int64(le.Uint32(b[8:])) == z.index.size {
		e.sum, e.packed, e.size = z.index.sum, z.index.packed, z.index.size
		next := [4]byte(b[12:])
		if r := z.close(); r != nil {
			return r
		}
		z.buf = append(z.buf, next[:]...)
		return z.signature()
	}
	if le.Uint32(b) != sigDescriptor {
		return z.disagree("a member without its descriptor, " + quote(e.name))
	}
	if z.need == 16 && int64(le.Uint32(b[12:])) != z.index.size || z.need == 16 && e.wide {
		z.need = 24 // 64 bits wide
		return nil
	}
	e.sum = le.Uint32(b[4:])
	e.packed, e.size = int64(le.Uint32(b[8:])), int64(le.Uint32(b[12:]))
	if z.need == 24 {
		e.packed, e.size = int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:])) // #nosec G115 -- compared, not used
	}
	if z.busy && e.packed != z.index.packed {
		return z.disagree("a member whose descriptor is wrong, " + quote(e.name))
	}
	return z.close()
}
