package upload

// blanks takes what stands behind the end of a file. Blanks and NUL bytes do no
// harm: transports and editors leave them there.
type blanks struct{ more bool }

func (p *blanks) write(b []byte) {
	for _, c := range b {
		if c != 0 && !isCodeSpace(c) && c != 0x1a {
			p.more = true
			return
		}
	}
}
