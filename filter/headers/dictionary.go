package headers

import "strings"

// isDictionary tells whether s is a dictionary of structured fields (RFC 9651
// section 3.2), read as strictly as browsers do (section 4.2.2): of one that is
// none they take nothing.
func isDictionary(s string) bool {
	r := &fieldReader{rest: strings.Trim(s, " ")}
	if r.rest == "" {
		return true
	}
	for {
		if !r.key() || r.take('=') && !r.member() || !r.parameters() {
			return false
		}
		r.rest = strings.TrimLeft(r.rest, " \t")
		if r.rest == "" {
			return true
		}
		if !r.take(',') {
			return false
		}
		r.rest = strings.TrimLeft(r.rest, " \t") // no comma at the end: a key follows
	}
}

// fieldReader reads a structured field from its start. Each step says whether what
// it looks for was there.
type fieldReader struct{ rest string }

func (r *fieldReader) take(c byte) bool {
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// span takes the bytes that are in set; there must be one.
func (r *fieldReader) span(set string) bool {
	n := len(r.rest) - len(strings.TrimLeft(r.rest, set))
	r.rest = r.rest[n:]
	return n > 0
}

const (
	fieldLower  = "abcdefghijklmnopqrstuvwxyz"
	fieldUpper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	fieldDigits = "0123456789"
)

// key: section 3.1.2.
func (r *fieldReader) key() bool {
	return r.rest != "" && strings.IndexByte(fieldLower+"*", r.rest[0]) >= 0 && r.span(fieldLower+fieldDigits+"_-.*")
}

func (r *fieldReader) member() bool {
	if !r.take('(') {
		return r.item()
	}
	for { // section 3.1.1: items with spaces between
		r.rest = strings.TrimLeft(r.rest, " ")
		if r.take(')') {
			return true
		}
		if !r.item() || !r.parameters() || r.rest == "" || r.rest[0] != ' ' && r.rest[0] != ')' {
			return false
		}
	}
}

func (r *fieldReader) parameters() bool {
	for r.take(';') {
		r.rest = strings.TrimLeft(r.rest, " ")
		if !r.key() || r.take('=') && !r.item() {
			return false
		}
	}
	return true
}

// item: section 3.3. That a number has too many digits is not looked at.
func (r *fieldReader) item() bool {
	if r.rest == "" {
		return false
	}
	switch c := r.rest[0]; {
	case c == '"':
		return r.text()
	case c == '%':
		r.rest = r.rest[1:]
		return r.text()
	case c == '?':
		r.rest = r.rest[1:]
		return r.take('0') || r.take('1')
	case c == ':':
		end := strings.IndexByte(r.rest[1:], ':')
		ok := end >= 0 && strings.Trim(r.rest[1:1+end], fieldLower+fieldUpper+fieldDigits+"+/=") == ""
		r.rest = r.rest[max(0, end+2):]
		return ok
	case c == '@' || c == '-' || c >= '0' && c <= '9':
		r.rest = strings.TrimPrefix(r.rest, "@")
		r.take('-')
		return r.span(fieldDigits) && (!r.take('.') || r.span(fieldDigits))
	case strings.IndexByte(fieldLower+fieldUpper+"*", c) >= 0:
		return r.span(fieldLower + fieldUpper + fieldDigits + "!#$%&'*+-.^_`|~:/")
	}
	return false
}

// text: section 3.3.3; the quote has not been taken.
func (r *fieldReader) text() bool {
	if !r.take('"') {
		return false
	}
	for r.rest != "" {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch {
		case c == '"':
			return true
		case c < ' ' || c >= 0x7f:
			return false
		case c == '\\' && !r.take('"') && !r.take('\\'):
			return false
		}
	}
	return false
}
