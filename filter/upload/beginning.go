package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"gatehouse/filter/verdict"
)

// beginningMax is how much of a file is kept, in bytes, so that a refusal can name it
// by its hash. What is larger is named by the hash of so much of its beginning:
// which file will be refused is known only when most of it has gone, and to hash
// all of every honest file costs ten times what the proxy takes for it.
const beginningMax = 64 << 10

// beginning is that of a file. Its memory is used again for another.
//
// The first bytes are not copied before settle, which is to be called before the
// memory that they were given in changes: most small files have come, and gone on,
// before that.
type beginning struct {
	pool  *sync.Pool
	buf   *[beginningMax]byte
	n     int
	given []byte // the first bytes, where nothing is in buf yet
}

func newBeginnings() *sync.Pool {
	return &sync.Pool{New: func() any { return new([beginningMax]byte) }}
}

func (s *beginning) write(b []byte) {
	if s.n == beginningMax || len(b) == 0 {
		return
	}
	if s.n == 0 {
		s.given = b[:min(len(b), beginningMax)]
		s.n = len(s.given)
		return
	}
	s.settle()
	s.n += copy(s.buf[s.n:], b)
}

// settle copies what has been given.
func (s *beginning) settle() {
	if s.given == nil {
		return
	}
	if s.buf == nil {
		s.buf, _ = s.pool.Get().(*[beginningMax]byte)
	}
	copy(s.buf[:], s.given)
	s.given = nil
}

// bytes are all that is kept.
func (s *beginning) bytes() []byte {
	switch {
	case s.given != nil:
		return s.given
	case s.buf != nil:
		return s.buf[:s.n]
	}
	return nil
}

// head is as much of it as a type is decided on.
func (s *beginning) head() []byte {
	b := s.bytes()
	n := min(len(b), headSize)
	if n == 0 {
		return nil
	}
	return b[:n:n]
}

// release gives the memory back: the file was let through.
func (s *beginning) release() {
	s.given = nil
	if s.buf != nil {
		s.pool.Put(s.buf)
		s.buf = nil
	}
}

// refused is the report on a file that is refused, or was the last one seen when
// the request was.
func (f *file) refused() verdict.File {
	out := f.report()
	if kept := f.kept.bytes(); kept != nil {
		sum := sha256.Sum256(kept)
		out.SHA256, out.Hashed, out.Offset = hex.EncodeToString(sum[:]), int64(len(kept)), f.at
	}
	return out
}

// keep adds a file that has ended to those that are reported; that which is refused
// always has a place.
func (i *Inspector) keep(f *file, r *Refusal) {
	switch {
	case r != nil:
		i.files = append(i.files[:min(len(i.files), maxReported-1)], f.refused())
	case len(i.files) < maxReported:
		i.files = append(i.files, f.report())
	}
	f.kept.release()
}
