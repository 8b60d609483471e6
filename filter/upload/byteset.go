package upload

// byteSet is a set of bytes.
type byteSet [4]uint64

func setOf(bytes string) (s byteSet) {
	for i := range len(bytes) {
		s[bytes[i]/64] |= 1 << (bytes[i] % 64)
	}
	return s
}

// hasAll tells whether all of the text's bytes are in the set.
func (s *byteSet) hasAll(text string) bool {
	for i := range len(text) {
		if c := text[i]; s[c/64]>>(c%64)&1 == 0 {
			return false
		}
	}
	return true
}

// isASCII tells whether all bytes are below 128.
func isASCII(text string) bool {
	var seen byte
	for i := range len(text) {
		seen |= text[i]
	}
	return seen < 0x80
}
