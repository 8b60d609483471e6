package upload

import "encoding/binary"

// sevenZip compares where the header of a 7z says that its directory ends with where
// the file does (7zFormat.txt, "SignatureHeader"). Its members are not looked into.
type sevenZip struct{ head []byte }

const sevenZipHead = 32

func newSevenZip(env) checker { return &sevenZip{} }

func (s *sevenZip) write(b []byte) *Refusal {
	s.head = append(s.head, b[:min(len(b), sevenZipHead-len(s.head))]...)
	return nil
}

func (s *sevenZip) end(size int64) *Refusal {
	if len(s.head) < sevenZipHead {
		return truncated("a 7z without its header")
	}
	le := binary.LittleEndian
	offset, length := le.Uint64(s.head[12:]), le.Uint64(s.head[20:])
	left := uint64(size - sevenZipHead) // #nosec G115 -- the header was there
	switch {
	case offset > left || length > left-offset:
		return truncated("a 7z without its directory")
	case offset+length < left:
		return unsafe(RuleAppended, "bytes after a 7z's end")
	}
	return nil
}
