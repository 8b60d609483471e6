package blocks

import "encoding/binary"

// isOdd tells the control characters that text never has.
func isOdd(c byte) bool {
	return c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b
}

// Look tells whether b has a control character that text never has, and whether
// every byte is below 128. If odd, ascii means nothing.
func Look(b []byte) (odd, ascii bool) { return look(b, vectors) }

func look(b []byte, vectors bool) (odd, ascii bool) {
	seen := uint64(0)
	for vectors && len(b) >= size {
		odd, high := lookAtBlock((*[size]byte)(b))
		if odd {
			return true, false
		}
		if high {
			seen = highBits
		}
		b = b[size:]
	}
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		seen |= x
		if (x-' '*eachByte)&^x&highBits != 0 && hasOdd(b[:8]) {
			return true, false
		}
	}
	for _, c := range b {
		seen |= uint64(c)
	}
	return hasOdd(b), seen&highBits == 0
}

func hasOdd(b []byte) bool {
	for _, c := range b {
		if isOdd(c) {
			return true
		}
	}
	return false
}

func lookAtBlock(p *[size]byte) (odd, high bool) {
	var hit, seen uint8
	for _, c := range p {
		seen |= c
		hit |= bit(c < 0x20) & bit(c != '\t') & bit(c != '\n') & bit(c != '\r') & bit(c != '\f') & bit(c != 0x1b)
	}
	return hit != 0, seen >= 0x80
}
