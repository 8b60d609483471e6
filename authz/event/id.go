package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// NewID returns a fresh id in the form of a UUIDv7 (RFC 9562 section 5.7): ids
// of later milliseconds sort after those of earlier ones.
func NewID() string { return newID(time.Now()) }

func newID(now time.Time) string {
	var b [16]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(b[6:])
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(now.UnixMilli())) // #nosec G115 -- the clock is after 1970
	copy(b[:6], stamp[2:])
	return format(b, 7)
}

// DeriveID returns the id that belongs to a fact described by parts, in the form
// of a UUIDv8 (RFC 9562 section 5.8): the same parts give the same id in every
// process, different ones a different id.
func DeriveID(parts ...string) string {
	h := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	var b [16]byte
	copy(b[:], h.Sum(nil))
	return format(b, 8)
}

func format(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80 // the variant of RFC 9562
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}
