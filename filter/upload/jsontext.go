package upload

// jsonText wants brackets that match and strings that end (RFC 8259): what is
// cut off or is no JSON is refused; several values are taken, one a line.
type jsonText struct {
	php     text
	stack   []byte // the brackets that are open
	quoted  bool
	escaped bool
	seen    bool
	wide    utf16Text
}

// maxJSONDepth: parsers give up between 500 and 10,000.
const maxJSONDepth = 1000

func newJSON(env) checker {
	return &jsonText{php: text{newPHPFinder()}}
}

func (j *jsonText) write(b []byte) *Refusal {
	if r := j.php.write(b); r != nil {
		return r
	}
	for _, c := range j.wide.narrow(b) {
		switch {
		case j.escaped:
			j.escaped = false
		case j.quoted:
			j.escaped = c == '\\'
			j.quoted = c != '"'
		case c == '"':
			j.quoted, j.seen = true, true
		case c == '{' || c == '[':
			j.seen = true
			if j.stack = append(j.stack, c+2); len(j.stack) > maxJSONDepth {
				return truncated("a JSON nested more than 1000 deep")
			}
		case c == '}' || c == ']':
			if len(j.stack) == 0 || j.stack[len(j.stack)-1] != c {
				return truncated("a JSON whose brackets do not match")
			}
			j.stack = j.stack[:len(j.stack)-1]
		case c > ' ':
			j.seen = true
		}
	}
	return nil
}

func (j *jsonText) end(int64) *Refusal {
	if j.quoted || len(j.stack) > 0 || !j.seen {
		return truncated("a JSON that is cut off")
	}
	return nil
}
