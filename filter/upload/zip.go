package upload

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// zip reads an archive (PKWARE APPNOTE 6.3) from its first member to the end of
// its directory, inflates and judges the members, and wants both to tell the
// same: some readers follow the members, others the directory.
type zip struct {
	env  env
	want string // the kind that it must turn out to be; "" for any

	state  zipState
	buf    []byte // of a record
	need   int
	offset int64
	entry  zipEntry
	left   int64 // stored bytes, of unknown length if negative
	z      *inflater
	busy   bool // z is in use for this member
	inner  zipMember
	index  zipIndex
	facts  zipFacts
	names  memberNames
	charts chartLinks
	gap    bool
	after  int // bytes behind the end
	summer blocks.Summer
}

type zipState uint8

const (
	zipRecord zipState = iota
	zipLocal
	zipNames
	zipFirst // of data that may not be there
	zipData
	zipDescriptor
	zipDirectory
	zipDirectoryNames
	zipEnd64
	zipLocator64
	zipEnd
	zipComment
	zipDone
)

// zipEntry is a member as its header tells it.
type zipEntry struct {
	name           string
	at             int64
	flags, method  uint16
	sum            uint32
	packed, size   int64
	nameLen, extra int
	wide           bool // ZIP64 sizes in the extra field
	outer          uint32
	more           int // comment
}

// zipMember judges what a member holds.
type zipMember interface {
	write(b []byte) *Refusal
	end() *Refusal
}

const (
	sigLocal      = 0x04034b50
	sigDirectory  = 0x02014b50
	sigEnd        = 0x06054b50
	sigEnd64      = 0x06064b50
	sigLocator64  = 0x07064b50
	sigDescriptor = 0x08074b50
	sigExtra      = 0x08064b50

	maxZipName = 1024
	// maxZipExtra bounds what is kept of a header; alignment takes up to 16 KiB.
	maxZipExtra = 20 << 10
	// zipFlags that are allowed: compression options, a descriptor behind the
	// data, names in UTF-8.
	zipEncrypted, zipDescribed, zipPatched, zipStrong, zipMasked = 1, 8, 0x20, 0x40, 0x2000
)

func newZIP(want string) func(env) checker {
	return func(e env) checker {
		if want != "" {
			e.kind = want
		}
		return &zip{env: e, want: want, need: 4, index: newZIPIndex(), facts: newZIPFacts()}
	}
}

func (z *zip) write(b []byte) *Refusal {
	for len(b) > 0 {
		before, state := len(b), z.state
		var r *Refusal
		switch z.state {
		case zipData:
			b, r = z.data(b)
		case zipComment:
			b, r = z.comment(b)
		case zipDone:
			// A line's end, as scripts that send or fetch files leave.
			if z.after += len(b); z.after > 2 || len(bytes.Trim(b, "\r\n")) > 0 {
				return unsafe(RuleAppended, "bytes after an archive's end")
			}
			return nil
		default:
			b, r = z.record(b)
		}
		if r != nil {
			return r
		}
		if state == zipData || state == zipComment {
			z.offset += int64(before - len(b))
		}
	}
	return nil
}

func (z *zip) goTo(s zipState, need int) { z.state, z.need, z.buf = s, need, z.buf[:0] }

// comment passes over the archive's comment. Readers that look for the end of the
// directory from the file's end take the first that they meet, and so one in here.
func (z *zip) comment(b []byte) ([]byte, *Refusal) {
	const mark = "PK\x05\x06"
	n := min(z.left, int64(len(b)))
	for _, c := range b[:n] {
		switch {
		case c == mark[len(z.buf)]:
			z.buf = append(z.buf, c)
		default:
			if z.buf = z.buf[:0]; c == mark[0] {
				z.buf = append(z.buf, c)
			}
		}
		if len(z.buf) == len(mark) {
			return nil, z.disagree("a second end in its comment")
		}
	}
	if z.left -= n; z.left == 0 {
		z.goTo(zipDone, 0)
	}
	return b[n:], nil
}

// record gathers need bytes and reads them.
func (z *zip) record(b []byte) ([]byte, *Refusal) {
	n := min(z.need-len(z.buf), len(b))
	z.buf = append(z.buf, b[:n]...)
	z.offset += int64(n) // before the record is read, which asks for it
	if len(z.buf) < z.need {
		return b[n:], nil
	}
	var r *Refusal
	switch z.state {
	case zipRecord:
		r = z.signature()
	case zipLocal:
		r = z.local(z.buf)
	case zipNames:
		r = z.begin()
	case zipFirst:
		r = z.firstData([4]byte(z.buf))
	case zipDescriptor:
		r = z.descriptor()
	case zipDirectory:
		r = z.directory(z.buf)
	case zipDirectoryNames:
		r = z.listed()
	case zipEnd64:
		r = z.end64(z.buf)
	case zipLocator64:
		r = z.locator64(z.buf)
	case zipEnd:
		r = z.endRecord(z.buf)
	}
	return b[n:], r
}

func (z *zip) signature() *Refusal {
	signature := binary.LittleEndian.Uint32(z.buf)
	if z.index.listed > 0 && signature == sigLocal {
		return z.disagree("a member behind the directory")
	}
	switch signature {
	case sigLocal:
		z.goTo(zipLocal, 26)
	case sigDirectory:
		if z.index.start < 0 {
			z.index.start = z.offset - 4
		}
		z.goTo(zipDirectory, 42)
	case sigEnd:
		z.directoryEnds()
		z.goTo(zipEnd, 18)
	case sigEnd64:
		z.directoryEnds()
		z.index.end64 = z.offset - 4
		z.goTo(zipEnd64, 52)
	case sigLocator64:
		z.goTo(zipLocator64, 16)
	default:
		if z.env.kind == "apk" || z.want == "" { // the signing block before the directory
			z.buf, z.need = append(z.buf[:0], z.buf[1:]...), 4
			z.gap = true
			return nil
		}
		return z.disagree("bytes that are no member")
	}
	return nil
}

func (z *zip) disagree(what string) *Refusal {
	return refuse("GH-ARC-003", "an archive with "+what)
}

func (z *zip) local(b []byte) *Refusal {
	le := binary.LittleEndian
	z.entry = zipEntry{
		at: z.offset - 30, flags: le.Uint16(b[2:]), method: le.Uint16(b[4:]), sum: le.Uint32(b[10:]),
		packed: int64(le.Uint32(b[14:])), size: int64(le.Uint32(b[18:])),
		nameLen: int(le.Uint16(b[22:])), extra: int(le.Uint16(b[24:])),
	}
	switch {
	case z.entry.flags&(zipEncrypted|zipStrong|zipMasked) != 0:
		return refuse("GH-ARC-008", "an archive with encrypted members")
	case z.entry.flags&zipPatched != 0:
		return z.disagree("patched data")
	case z.entry.nameLen == 0 || z.entry.nameLen > maxZipName:
		return refuse("GH-ARC-001", "an archive with a name that is empty or longer than 1024 bytes")
	case z.entry.extra > maxZipExtra:
		return z.disagree("a header larger than 20 KiB")
	case z.entry.method != 0 && z.entry.method != 8:
		return z.opaque()
	}
	z.goTo(zipNames, z.entry.nameLen+z.entry.extra)
	return nil
}

// opaque is about a method that is not inflated here.
func (z *zip) opaque() *Refusal {
	if z.env.policy.rejectUncertain || z.want != "zip" || z.entry.flags&zipDescribed != 0 {
		return z.disagree("a compression method that is not known here")
	}
	z.env.budget.uncertain = true
	z.goTo(zipNames, z.entry.nameLen+z.entry.extra)
	return nil
}

func (z *zip) begin() *Refusal {
	e := &z.entry
	e.name = string(z.buf[:e.nameLen])
	e.zip64(z.buf[e.nameLen:], true)
	r := z.named(e)
	if r == nil {
		r = z.alsoNamed(e, z.buf[e.nameLen:])
	}
	if r != nil {
		return r
	}
	if z.inner, r = z.open(e); r != nil {
		return r
	}
	z.busy = e.method == 8
	if z.busy {
		if z.z == nil {
			z.z = newInflater(z.unpacked)
		}
		z.z.reset(z.unpacked)
	}
	z.left = e.packed
	if e.flags&zipDescribed != 0 && !z.busy && e.packed == 0 {
		z.left = -1 // until its descriptor
	}
	z.facts.begin(e)
	z.index.sum, z.index.size, z.index.packed = 0, 0, 0
	z.buf = z.buf[:0]
	if z.left == 0 && !z.busy {
		return z.finish()
	}
	z.state = zipData
	if z.busy && e.flags&zipDescribed != 0 && e.packed == 0 {
		z.goTo(zipFirst, 4)
	}
	return nil
}

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

func (e *zipEntry) folder() bool { return strings.HasSuffix(e.name, "/") }

// zip64 takes the sizes from the extra field if the header says so (APPNOTE
// 4.5.3).
func (e *zipEntry) zip64(extra []byte, local bool) {
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if len(extra) < 4+n {
			return
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != 1 {
			continue
		}
		e.wide = local
		for _, v := range [...]*int64{&e.size, &e.packed, &e.at} {
			if *v == 0xffffffff && len(field) >= 8 {
				*v = int64(le.Uint64(field) & (1<<62 - 1)) // #nosec G115 -- masked
				field = field[8:]
			}
		}
	}
}
