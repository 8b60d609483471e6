package blocks

// IsName tells the bytes that NameRun counts.
func IsName(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= ':' || c == '-'
}

// NameRun is how many bytes of b only go on with the name of an element or an
// attribute of XML: letters of ASCII, nearly always, digits, ":" and "-".
func NameRun(b []byte) int { return nameRun(b, vectors) }

func nameRun(b []byte, vectors bool) int {
	at := 0
	for vectors && len(b)-at >= quarter {
		if m := nameMarks((*[quarter]byte)(b[at:])); m != 1<<quarter-1 {
			return at + first(uint64(^m))
		}
		at += quarter
	}
	for at < len(b) && IsName(b[at]) {
		at++
	}
	return at
}

// Block is as much as the marks are of, Piece a quarter of it.
type (
	Block = [size]byte
	Piece = [quarter]byte
)

// NamePiece is NameRun of sixteen bytes.
func NamePiece(b *Piece) int { return first(uint64(nameMarks(b) ^ (1<<quarter - 1) | 1<<quarter)) }

// SamePiece tells whether the first n bytes of both are the same, at most sixteen.
func SamePiece(a, b *Piece, n int) bool { return (sameMarks(a, b)^(1<<quarter-1))<<(32-n) == 0 }

// Words are the two words of sixteen bytes, the lowest byte first.
func Words(b *Piece) (low, high uint64) { return words2(b) }

// Marks has a bit for each byte of b that is c, the lowest for the first.
func Marks(b *Block, c byte) uint64 { return marks(b, c) }

// MarksOf has a bit for each byte of b that is one of a set.
func MarksOf(b *Block, set [4]byte) uint64 { return marksOf(b, set) }

// QuotedPiece has a bit for each byte of b that is a quote, and for each that is one
// of a set.
func QuotedPiece(b *Piece, quote byte, set [4]byte) (ends, of uint32) {
	m := quotedMarks(b, quote, set)
	return m & (1<<quarter - 1), m >> quarter
}

// Quoted is where a quote stands in b, or -1, and whether one of a set stands before
// it: what is in quotes is mostly short.
func Quoted(b []byte, quote byte, set [4]byte) (end int, has bool) {
	return quoted(b, quote, set, vectors)
}

func quoted(b []byte, quote byte, set [4]byte, vectors bool) (end int, has bool) {
	at := 0
	for vectors && len(b)-at >= size {
		p := (*[size]byte)(b[at:])
		ends, of := marks(p, quote), marksOf(p, set)
		if ends != 0 {
			return at + first(ends), has || of&(ends&-ends-1) != 0
		}
		has = has || of != 0
		at += size
	}
	end = indexByte(b[at:], quote, vectors)
	if end < 0 {
		return -1, has
	}
	return at + end, has || hasAnyOf(b[at:at+end], set, vectors)
}
