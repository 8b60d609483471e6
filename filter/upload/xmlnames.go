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
		if s.length == length && binary.LittleEndian.Uint64(s.written[:8]) == low && binary.LittleEndian.Uint64(s.written[8:]) == high {
			return int((place + i) % xmlSlots) // #nosec G115 -- below 64
		}
	}
	return -1
}

// short is the name that n bytes are, of one to fifteen, if it is remembered. Tags
// are alike: which it is, the one before it mostly tells.
func (x *xmlNames) short(b *blocks.Piece, n int) *xmlKnown {
	place := x.slots[x.last%xmlSlots].then % xmlSlots
	if s := &x.slots[place]; s.length == n && blocks.SamePiece(b, &s.written, n) {
		x.last = place
		return s.known
	}
	return x.another(b, n)
}

// another is short for what did not come last time. TinyGo would make one function of
// all, and have its caller save what it holds in registers each time.
//
//go:noinline
func (x *xmlNames) another(b *blocks.Piece, n int) *xmlKnown {
	place := x.find(nameKey(b[:n]))
	if place < 0 {
		return nil
	}
	x.slots[x.last%xmlSlots].then, x.last = uint(place), uint(place) // #nosec G115 -- not negative
	return x.slots[place].known
}

func (x *xmlNames) of(b []byte, h xmlHandler) *xmlKnown {
	n := len(b)
	if n == 0 || n > maxXMLName {
		return newXMLKnown(b, h)
	}
	low, high, _ := nameKey(b)
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

// nameKey is all of a name of up to sixteen bytes, or its beginning, and its length.
func nameKey(b []byte) (low, high uint64, length int) {
	var room [longXMLName]byte
	for i := range min(len(b), longXMLName) {
		room[i] = b[i]
	}
	return binary.LittleEndian.Uint64(room[:8]), binary.LittleEndian.Uint64(room[8:]), len(b)
}

func newXMLKnown(b []byte, h xmlHandler) *xmlKnown {
	name := localName(b)
	return &xmlKnown{written: string(b), name: name, heeded: h.heeded(name), watched: h.watched(name), read: h.read(name)}
}
