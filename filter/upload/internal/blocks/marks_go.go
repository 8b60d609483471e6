//go:build !tinygo

package blocks

func marks(b *[size]byte, c byte) uint64           { return marksByWords(b, c) }
func marksOf(b *[size]byte, set [4]byte) uint64    { return marksOfByWords(b, set) }
func marksIn(b *[size]byte, low, span byte) uint64 { return marksByBytes(b, low, span) }
func nameMarks(b *[quarter]byte) uint32            { return nameByBytes(b) }
func sameMarks(a, b *[quarter]byte) uint32         { return sameByBytes(a, b) }
func words2(b *[quarter]byte) (low, high uint64)   { return wordsOf(b) }
func quotedMarks(b *[quarter]byte, quote byte, set [4]byte) uint32 {
	return quotedByBytes(b, quote, set)
}
