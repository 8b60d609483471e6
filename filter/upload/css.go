package upload

import "gatehouse/filter/upload/internal/blocks"

// cssText reads a style sheet as a browser does (CSS Syntax 3, sections 4.3.2 and
// 4.3.7): comments are dropped, escapes resolved, so that no name can hide behind
// either. Strings are followed, because a comment cannot begin in one.
type cssText struct {
	state  cssState
	quote  byte
	hex    rune
	digits int
	out    []byte
	// inXML says that the text stands between tags, where references to characters
	// are resolved before a style sheet is read.
	inXML bool
	ref   [16]byte
	refs  int // bytes of ref
}

type cssState uint8

const (
	cssPlain cssState = iota
	cssSlash
	cssComment
	cssStar
	cssEscape
)

// write returns the text that b makes up, in memory that the next call takes again.
func (c *cssText) write(b []byte) []byte {
	c.out = c.out[:0]
	for _, ch := range b {
		if c.inXML && (c.refs > 0 || ch == '&') {
			c.reference(ch)
		} else {
			c.char(ch)
		}
	}
	return c.out
}

// reference takes a byte of what may be a reference to a character.
func (c *cssText) reference(ch byte) {
	switch s := blocks.String(c.ref[:c.refs]); {
	case ch == '&' && c.refs > 0:
		c.unresolved()
	case ch == ';':
		r, ok := reference(s[1:])
		if ok && r < 0x80 {
			c.refs = 0
			c.char(byte(r)) // #nosec G115 -- below 128
			return
		}
	case ch == '0' && (s == "&#" || s == "&#x"): // it may have any number of them
		return
	}
	c.ref[c.refs] = ch
	if c.refs++; ch == ';' || c.refs == len(c.ref) {
		c.unresolved()
	}
}

// unresolved passes on what is no reference to a character that matters.
func (c *cssText) unresolved() {
	for _, ch := range c.ref[:c.refs] {
		c.char(ch)
	}
	c.refs = 0
}

func (c *cssText) char(ch byte) {
	switch c.state {
	case cssComment, cssStar:
		switch {
		case ch == '*':
			c.state = cssStar
		case ch == '/' && c.state == cssStar:
			c.state = cssPlain
		default:
			c.state = cssComment
		}
		return
	case cssEscape:
		if c.escape(ch) {
			return
		}
	case cssSlash:
		c.state = cssPlain
		if ch == '*' {
			c.state = cssComment
			return
		}
		c.out = append(c.out, '/')
	}
	c.plain(ch)
}

func (c *cssText) plain(ch byte) {
	switch {
	case ch == '\\':
		c.state, c.hex, c.digits = cssEscape, 0, 0
		return
	case ch == '/' && c.quote == 0:
		c.state = cssSlash
		return
	case c.quote != 0 && (ch == c.quote || ch == '\n'):
		c.quote = 0
	case c.quote == 0 && (ch == '"' || ch == '\''):
		c.quote = ch
	}
	c.out = append(c.out, ch)
}

// escape takes what follows a backslash; false means that ch is no part of it.
func (c *cssText) escape(ch byte) bool {
	if v, ok := unhex('0', ch); ok && c.digits < 6 {
		c.hex = c.hex<<4 | rune(v)
		c.digits++
		return true
	}
	c.state = cssPlain
	if c.digits == 0 {
		if ch != '\n' {
			c.out = append(c.out, ch)
		}
		return true
	}
	if c.hex < 0x80 {
		c.out = append(c.out, byte(c.hex)) // #nosec G115 -- below 128
	} else {
		c.out = append(c.out, '?')
	}
	return isXMLSpace(ch)
}

// isCalm tells values, of styles and of any attribute, that need no closer look: without
// escapes and comments, and without what a style may load by or run, which all have a
// colon, a parenthesis, an "@" or "-m".
func isCalm(value string) bool {
	for i := range len(value) {
		switch value[i] {
		case '\\', '/', '@':
			return false
		case ':':
			if endsIn(value[:i], "tpi") || endsIn(value[:i], "roi") { // javascript, behavior
				return false
			}
		case '(':
			if endsIn(value[:i], "l") || endsIn(value[:i], "n") || endsIn(value[:i], "t") { // url, expression, image-set
				return false
			}
		case '-':
			if i+1 < len(value) && value[i+1]|0x20 == 'm' { // -moz-binding
				return false
			}
		}
	}
	return true
}

// endsIn tells whether a value ends in these letters, from the last one on, in either
// case and with any white space between them.
func endsIn(value, backwards string) bool {
	for i := range len(backwards) {
		for value != "" && value[len(value)-1] <= ' ' {
			value = value[:len(value)-1]
		}
		if value == "" || value[len(value)-1]|0x20 != backwards[i] {
			return false
		}
		value = value[:len(value)-1]
	}
	return true
}
