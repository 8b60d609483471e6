package upload

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonString reads one string, its escapes resolved, wherever chunks are cut.
type jsonString struct {
	name    []byte // what keep has kept
	tooLong bool
	escape  []byte // of an escape that is not whole
	high    rune   // the first half of a surrogate pair
	partial []byte // of a character
}

func (s *jsonString) reset() {
	*s = jsonString{name: s.name[:0], escape: s.escape[:0], partial: s.partial[:0]}
}

// keep is the sink for names. Longer ones than any step are none.
func (s *jsonString) keep(b []byte) *Refusal {
	if s.tooLong = s.tooLong || len(s.name)+len(b) > 3*maxJSONStep; !s.tooLong {
		s.name = append(s.name, b...)
	}
	return nil
}

func (s *jsonString) write(b []byte, sink func([]byte) *Refusal) (rest []byte, ended bool, r *Refusal) {
	for len(b) > 0 {
		if len(s.escape) > 0 {
			if s.escape = append(s.escape, b[0]); !s.escapeWhole() {
				b = b[1:]
				continue
			}
			b = b[1:]
			if r := s.escaped(sink); r != nil {
				return nil, false, r
			}
			continue
		}
		n := 0
		for n < len(b) && b[n] != '"' && b[n] != '\\' && b[n] >= ' ' {
			n++
		}
		if n > 0 {
			if r := s.run(b[:n], sink); r != nil {
				return nil, false, r
			}
			if b = b[n:]; len(b) == 0 {
				break
			}
		}
		c := b[0]
		b = b[1:]
		switch {
		case c < ' ':
			return nil, false, badJSON("a control character in a string")
		case len(s.partial) > 0:
			return nil, false, badJSON("text that is not UTF-8")
		case c == '"':
			return b, true, s.lone(sink)
		}
		s.escape = append(s.escape[:0], c)
	}
	return nil, false, nil
}

// run takes text without escapes.
func (s *jsonString) run(b []byte, sink func([]byte) *Refusal) *Refusal {
	if r := s.lone(sink); r != nil {
		return r
	}
	if !s.utf8(b) {
		return badJSON("text that is not UTF-8")
	}
	if sink == nil {
		return nil
	}
	return sink(b)
}

// utf8 keeps the beginning of a character that is not whole.
func (s *jsonString) utf8(b []byte) bool {
	for len(s.partial) > 0 && len(b) > 0 {
		s.partial = append(s.partial, b[0])
		b = b[1:]
		if !utf8.FullRune(s.partial) {
			continue
		}
		if !utf8.Valid(s.partial) {
			return false
		}
		s.partial = s.partial[:0]
	}
	for i := max(0, len(b)-utf8.UTFMax+1); i < len(b); i++ {
		if utf8.RuneStart(b[i]) && !utf8.FullRune(b[i:]) {
			s.partial = append(s.partial, b[i:]...)
			return utf8.Valid(b[:i])
		}
	}
	return utf8.Valid(b)
}

func (s *jsonString) escapeWhole() bool { return s.escape[1] != 'u' || len(s.escape) == 6 }

// escaped passes on what a whole escape stands for.
func (s *jsonString) escaped(sink func([]byte) *Refusal) *Refusal {
	e := s.escape
	s.escape = s.escape[:0]
	if e[1] != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, e[1])
		if i < 0 {
			return badJSON("an escape that is none")
		}
		return s.emit(rune("\"\\/\b\f\n\r\t"[i]), sink)
	}
	n, err := strconv.ParseUint(string(e[2:]), 16, 16)
	if err != nil {
		return badJSON("an escape that is none")
	}
	c := rune(n) // #nosec G115 -- 16 bits
	switch {
	case c >= 0xd800 && c < 0xdc00:
		r := s.lone(sink)
		s.high = c
		return r
	case s.high != 0 && c >= 0xdc00 && c < 0xe000:
		c, s.high = utf16.DecodeRune(s.high, c), 0
	}
	return s.emit(c, sink)
}

// lone passes on half a pair that stays alone, as the character for what is none.
func (s *jsonString) lone(sink func([]byte) *Refusal) *Refusal {
	if s.high == 0 {
		return nil
	}
	s.high = 0
	return s.emit(utf8.RuneError, sink)
}

func (s *jsonString) emit(c rune, sink func([]byte) *Refusal) *Refusal {
	if r := s.lone(sink); r != nil || sink == nil {
		return r
	}
	var b [utf8.UTFMax]byte
	return sink(b[:utf8.EncodeRune(b[:], c)])
}
