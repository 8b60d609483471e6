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
}

// xmlSlot has a name of up to sixteen bytes, with zeros behind it.
type xmlSlot struct {
	low, high uint64
	length    int
	known     *xmlKnown
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

// find is the name that is remembered, or nil.
func (x *xmlNames) find(low, high uint64, length int) *xmlKnown {
	place := xmlPlace(low, high)
	for i := range uint(xmlTries) {
		if s := &x.slots[(place+i)%xmlSlots]; s.low == low && s.high == high && s.length == length {
			return s.known
		}
	}
	return nil
}

// short is the name that n bytes are, of one to fifteen, if it is remembered.
func (x *xmlNames) short(b *blocks.Piece, n int) *xmlKnown {
	low, high := binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])
	if n <= 8 {
		low, high = low&(^uint64(0)>>(64-8*n)), 0
	} else {
		high &= ^uint64(0) >> (128 - 8*n)
	}
	return x.find(low, high, n)
}

func (x *xmlNames) of(b []byte, h xmlHandler) *xmlKnown {
	n := len(b)
	if n == 0 || n > maxXMLName {
		return newXMLKnown(b, h)
	}
	low, high := nameKey(b)
	if known := x.find(low, high, n); known != nil && (n <= longXMLName || known.written == blocks.String(b)) {
		return known
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
	*s = xmlSlot{low, high, n, newXMLKnown(b, h)}
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
