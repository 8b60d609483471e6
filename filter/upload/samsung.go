package upload

// behindPNG takes what stands behind the end of a PNG: blanks, or what Samsung's
// cameras and editors append to pictures (SEF: blocks that each begin with two NUL
// bytes, then their directory, which ends with SEFT). Code in it is looked for as in
// the picture itself.
type behindPNG struct {
	blanks
	head   []byte
	last   tail
	others foreign
	strange,
	begun bool
}

func (s *behindPNG) write(b []byte) {
	if !s.begun {
		s.begun, s.last.max = true, len("SEFT")
	}
	s.blanks.write(b)
	if n := min(2-len(s.head), len(b)); n > 0 {
		s.head = append(s.head, b[:n]...)
	}
	s.last.write(b)
	s.strange = s.strange || s.others.write(b) != ""
}

// harmful tells whether it is neither of the two.
func (s *behindPNG) harmful() bool {
	return s.more && (s.strange || string(s.head) != "\x00\x00" || string(s.last.buf) != "SEFT")
}
