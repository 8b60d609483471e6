package upload

import (
	"bytes"
	"encoding/binary"
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
