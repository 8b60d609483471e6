package upload

import (
	"encoding/binary"
	"math/bits"

	"gatehouse/filter/upload/internal/blocks"
)

// xmlKnown is a name of an element or an attribute as it is written, then local and in
// lower case, and what the handler thinks of it. It is never written to.
type xmlKnown struct {
	written, name         string
	heeded, watched, read bool
}

// xmlNames remembers names: documents have few.
type xmlNames struct {
	slots [xmlSlots]xmlSlot
	next  uint // where the next one goes, of those places that it may take
	last  uint // the place of the name that was found last
}

// xmlSlot has a name of up to sixteen bytes, with zeros behind it.
type xmlSlot struct {
	written blocks.Piece
	length  int
	known   *xmlKnown
	// then is the place of the name that came after this one the last time.
	then uint
	_    uint32 // 32 bytes in the module, whose place is a shift
}

const (
	xmlSlots = 64
	// xmlTries is at how many places a name may be.
	xmlTries = 4
	// maxXMLName is how long a name may be that is remembered, longXMLName how long
	// one that is found at once.
	maxXMLName  = 48
	longXMLName = 16
)

func xmlPlace(low, high uint64) uint {
	return uint((low ^ bits.RotateLeft64(high, 23)) * 0x9e3779b97f4a7c15 >> 58) // #nosec G115 -- below 64
}

// find is the place of the name that is remembered, or -1.
func (x *xmlNames) find(low, high uint64, length int) int {
	place := xmlPlace(low, high)
	for i := range uint(xmlTries) {
		s := &x.slots[(place+i)%xmlSlots]
		if l, h := blocks.Words(&s.written); l == low && h == high && s.length == length {
			return int((place + i) % xmlSlots) // #nosec G115 -- below 64
		}
	}
	return -1
}

// expected is the name that b begins with, and its length, if it is the one that came
// after the last one before, as tags are alike; else nil. ends tells what may follow.
func (x *xmlNames) expected(b *blocks.Piece, ends func(c byte) bool) (known *xmlKnown, n int) {
	place := x.slots[x.last%xmlSlots].then % xmlSlots
	s := &x.slots[place]
	if s.length >= longXMLName || !blocks.SamePiece(b, &s.written, s.length) || !ends(b[s.length%longXMLName]) {
		return nil, 0
	}
	x.last = place
	return s.known, s.length
}

// short is the name that n bytes are, of one to fifteen, if it is remembered.
func (x *xmlNames) short(b *blocks.Piece, n int) *xmlKnown {
	low, high := blocks.Words(b)
	if n <= 8 {
		low, high = low&(^uint64(0)>>(64-8*n)), 0
	} else {
		high &= ^uint64(0) >> (128 - 8*n)
	}
	place := x.find(low, high, n)
	if place < 0 {
		return nil
	}
	x.slots[x.last%xmlSlots].then, x.last = uint(place), uint(place) // #nosec G115 -- not negative
	return x.slots[uint(place)%xmlSlots].known                       // #nosec G115 -- not negative
}

func (x *xmlNames) of(b []byte, h xmlHandler) *xmlKnown {
	n := len(b)
	if n == 0 || n > maxXMLName {
		return newXMLKnown(b, h)
	}
	low, high := nameKey(b)
	if place := x.find(low, high, n); place >= 0 && (n <= longXMLName || x.slots[place].known.written == blocks.String(b)) {
		return x.slots[place].known
	}
	place := xmlPlace(low, high)
	s := &x.slots[(place+x.next%xmlTries)%xmlSlots]
	for i := range uint(xmlTries) {
		if free := &x.slots[(place+i)%xmlSlots]; free.known == nil {
			s = free
			break
		}
	}
	x.next++
	*s = xmlSlot{length: n, known: newXMLKnown(b, h)}
	copy(s.written[:], b)
	return s.known
}

// nameKey is all of a name of up to sixteen bytes, or its beginning.
func nameKey(b []byte) (low, high uint64) {
	var room [longXMLName]byte
	for i := range min(len(b), longXMLName) {
		room[i] = b[i]
	}
	return binary.LittleEndian.Uint64(room[:8]), binary.LittleEndian.Uint64(room[8:])
}

func newXMLKnown(b []byte, h xmlHandler) *xmlKnown {
	name := localName(b)
	return &xmlKnown{written: string(b), name: name, heeded: h.heeded(name), watched: h.watched(name), read: h.read(name)}
}
