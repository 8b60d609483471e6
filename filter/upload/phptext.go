package upload

import (
	"slices"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// phpText looks for code of PHP in a text. A text may speak of the tag: what makes
// code of it is what follows. An interpreter that is made to read a file compiles
// all of it first, so that a tag before prose runs nothing, whatever else is there.
type phpText struct{ held []byte }

// phpMark is what code of PHP begins with, and phpPair how that begins.
const phpMark = "<?php"

var phpPair = blocks.NewPair(phpMark[0], func(c byte) bool { return c == phpMark[1] })

// write tells whether there is code, as far as it can be seen.
func (t *phpText) write(b []byte) bool {
	for len(b) > 0 {
		if len(t.held) == 0 {
			i := phpPair.Index(b)
			if i < 0 {
				if i = len(b) - 1; b[i] != phpMark[0] {
					return false
				}
			}
			t.held, b = append(t.held, b[i]), b[i+1:]
			continue
		}
		if !isCodeSpace(b[0]) || !isCodeSpace(t.held[len(t.held)-1]) { // of several, one stands for all
			t.held = append(t.held, b[0])
		}
		b = b[1:]
		if t.judge() == phpCode {
			return true
		}
	}
	return false
}

// judge drops what cannot become code any more.
func (t *phpText) judge() phpVerdict {
	for len(t.held) > 0 {
		if v := phpOpens(t.held); v != phpProse {
			return v
		}
		i := slices.Index(t.held[1:], phpMark[0])
		if i < 0 {
			t.held = t.held[:0]
			break
		}
		t.held = t.held[:copy(t.held, t.held[i+1:])]
	}
	return phpProse
}

// hasPHP tells whether there is code in the beginning of a text.
func hasPHP(head []byte) bool { return (&phpText{}).write(head) }

type phpVerdict uint8

const (
	phpMore phpVerdict = iota
	phpCode
	phpProse
)

// longestPHPWord is how long a word may be before it is taken for code.
const longestPHPWord = 64

// phpOpens judges a text from a "<" on.
func phpOpens(b []byte) phpVerdict {
	n := min(len(b), len(phpMark))
	switch {
	case !hasFold(b[:n], phpMark[:n]):
		return phpProse
	case len(b) == n:
		return phpMore
	case !isCodeSpace(b[n]):
		return phpProse
	case len(b) == n+1:
		return phpMore
	}
	b = b[n+1:]
	word := phpWord(b)
	switch {
	case len(word) == 0:
		return phpBegins(b)
	case len(word) > longestPHPWord:
		return phpCode
	case len(word) == len(b):
		return phpMore
	}
	return phpGoesOn(strings.ToLower(string(word)), b[len(word):])
}

// phpWord is the name that b begins with.
func phpWord(b []byte) []byte {
	n := 0
	for n < len(b) && (isLetter(b[n]) || b[n] == '\\' || b[n] >= 0x80 || n > 0 && b[n] >= '0' && b[n] <= '9') {
		n++
	}
	return b[:n]
}

// phpBegins judges code that begins with no word.
func phpBegins(b []byte) phpVerdict {
	switch c := b[0]; {
	case c == '<' || c == '?' || c == '/':
		if len(b) == 1 {
			return phpMore
		}
		if c == '<' && b[1] == '<' || c == '/' && (b[1] == '/' || b[1] == '*') {
			return phpCode // a heredoc, a comment
		}
		return phpProse
	case c >= '0' && c <= '9', strings.IndexByte("$@#\"'`([{!~;+-&", c) >= 0:
		return phpCode
	}
	return phpProse
}

// phpGoesOn judges what follows a word. One that is no keyword is a function, a
// constant or a label: prose goes on with the next word.
func phpGoesOn(word string, after []byte) phpVerdict {
	if isCodeSpace(after[0]) {
		if slices.Contains(phpKeywords[:], word) {
			return phpCode
		}
		if after = after[1:]; len(after) == 0 {
			return phpMore
		}
	}
	if next := phpWord(after); len(next) > 0 {
		switch {
		case len(next) == len(after) && len(next) <= len("instanceof"):
			return phpMore
		case slices.Contains(phpOperators[:], strings.ToLower(string(next))):
			return phpCode
		}
		return phpProse
	}
	if after[0] == '?' {
		if len(after) == 1 {
			return phpMore
		}
		if after[1] == '>' {
			return phpProse
		}
		return phpCode
	}
	if strings.IndexByte("(;:[{=+-*/.%&|^<>\"'`$", after[0]) >= 0 {
		return phpCode
	}
	return phpProse
}

// phpKeywords begin a statement without a parenthesis behind them, and phpOperators
// stand between two values.
var (
	phpKeywords = [...]string{"echo", "print", "include", "include_once", "require", "require_once", "return", "throw", "goto", "global",
		"static", "use", "namespace", "class", "function", "const", "new", "clone", "abstract", "final", "readonly", "interface", "trait",
		"enum", "do", "try", "yield", "fn"}
	phpOperators = [...]string{"instanceof", "and", "or", "xor"}
)
