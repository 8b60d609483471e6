package upload

import (
	"bytes"
	"strconv"
	"strings"

	"gatehouse/filter/verdict"
)

// jsonBody is a JSON body of which the policy names places that hold files. It is
// read by the letter of RFC 8259: what lenient readers take besides (comments,
// trailing commas, names without quotes, several values) is refused, because they
// would find files where this one sees none. So is a member on the way to a file
// that stands twice, or whose name differs from the policy's in case alone: some
// readers take the first, some the last, and some ignore case.
type jsonBody struct {
	inspector *Inspector
	fields    []jsonField
	state     jsonState
	begun     bool
	stack     []byte // '{' and '[' that are open
	// onWay and seen say of each open bracket that a path may lead through which
	// paths do, and of which the next step was there already.
	onWay, seen [maxJSONSteps + 1]uint32
	here        uint32 // the paths that lead to, or through, the value that is next
	value       *fileValue
	count       int
	text        jsonString
	word        []byte // of a number or literal
	written     int64  // bytes, those of the last write too
	opened      int64  // where the last file begins
}

type jsonState uint8

const (
	jsonValue      jsonState = iota
	jsonFirstValue           // or the end of the array
	jsonFirstName            // or the end of the object
	jsonName
	jsonColon
	jsonAfter
	jsonInName
	jsonInString
	jsonWord
	jsonDone
)

func badJSON(why string) *Refusal { return refuse("GH-JSN-001", "a JSON body with "+why) }

func newJSONBody(i *Inspector) *jsonBody {
	j := &jsonBody{inspector: i, fields: i.policy.jsonFields}
	j.here = uint32(1)<<len(j.fields) - 1
	return j
}

// open begins a file; what the policy allows is the field's own affair.
func (j *jsonBody) open(field *jsonField, name, declared string) (*file, *Refusal) {
	if j.count++; j.count > j.inspector.policy.maxFiles {
		return nil, &Refusal{Rule: RuleTooManyFiles, Problem: tooLarge,
			Reason: "more than " + strconv.Itoa(j.inspector.policy.maxFiles) + " files"}
	}
	f, r := field.policy.newFile(name, declared, false)
	if f != nil {
		f.tap = j.inspector.tap
	}
	if r != nil {
		j.report(verdict.File{Name: name[:min(len(name), maxName)], Declared: declared})
	}
	return f, r
}

func (j *jsonBody) report(f verdict.File) {
	if len(j.inspector.files) < maxReported {
		j.inspector.files = append(j.inspector.files, f)
	}
}

func (j *jsonBody) current() *file {
	if j.value == nil {
		return nil
	}
	return j.value.file
}

func (j *jsonBody) undecided() bool {
	return !j.begun || j.value != nil && (j.value.file == nil || !j.value.file.decided)
}

func (j *jsonBody) undecidedFrom() int64 { return j.opened }

func (j *jsonBody) write(b []byte) *Refusal {
	j.written += int64(len(b))
	for len(b) > 0 {
		var r *Refusal
		switch j.state {
		case jsonInName, jsonInString:
			b, r = j.inText(b)
		case jsonWord:
			b, r = j.inWord(b)
		default:
			b, r = j.structure(b)
		}
		if r != nil {
			return r
		}
	}
	if j.value != nil {
		return j.value.flush()
	}
	return nil
}

func (j *jsonBody) end() *Refusal {
	if j.state == jsonWord {
		if r := j.endWord(); r != nil {
			return r
		}
	}
	if j.state != jsonDone {
		return badJSON("an end before its end")
	}
	return nil
}

// structure takes one character outside of strings and words.
func (j *jsonBody) structure(b []byte) ([]byte, *Refusal) {
	c, rest := b[0], b[1:]
	if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
		return rest, nil
	}
	j.begun = true
	switch j.state {
	case jsonColon:
		if c != ':' {
			return nil, badJSON("a name without its colon")
		}
		j.state = jsonValue
		return rest, nil
	case jsonFirstName, jsonName:
		if c == '}' && j.state == jsonFirstName {
			return rest, j.closeBracket(c)
		}
		if c != '"' {
			return nil, badJSON("a member without a name in quotes")
		}
		j.state = jsonInName
		j.text.reset()
		return rest, nil
	case jsonAfter:
		return rest, j.after(c)
	case jsonDone:
		return nil, badJSON("something after its end")
	case jsonFirstValue:
		if c == ']' {
			return rest, j.closeBracket(c)
		}
	}
	return j.beginValue(b)
}

func (j *jsonBody) after(c byte) *Refusal {
	if c != ',' {
		return j.closeBracket(c)
	}
	if j.stack[len(j.stack)-1] == '{' {
		j.state = jsonName
		return nil
	}
	j.state = jsonValue
	j.here = j.elements()
	return nil
}

func (j *jsonBody) closeBracket(c byte) *Refusal {
	if c != j.stack[len(j.stack)-1]+2 {
		return badJSON("brackets that do not match")
	}
	j.stack = j.stack[:len(j.stack)-1]
	j.finished()
	return nil
}

// finished is called behind every value.
func (j *jsonBody) finished() {
	j.state, j.here = jsonAfter, 0
	if len(j.stack) == 0 {
		j.state = jsonDone
	}
}

// fileHere is the field that the value which is next must hold, or nil.
func (j *jsonBody) fileHere() *jsonField {
	if j.here == 0 {
		return nil
	}
	for i := range j.fields {
		if j.here&(1<<i) != 0 && len(j.fields[i].steps) == len(j.stack) {
			return &j.fields[i]
		}
	}
	return nil
}

func (j *jsonBody) beginValue(b []byte) ([]byte, *Refusal) {
	c, field := b[0], j.fileHere()
	switch {
	case c == '"':
		if field != nil {
			j.value, j.opened = &fileValue{carrier: j, field: field}, j.written-int64(len(b))
		}
		j.state = jsonInString
		j.text.reset()
		return b[1:], nil
	case c == '{' || c == '[':
		if field != nil {
			return nil, notBase64("an object or array where a file should be")
		}
		return b[1:], j.openBracket(c)
	case c == '-' || c >= '0' && c <= '9' || c == 't' || c == 'f' || c == 'n':
		if field != nil && c != 'n' {
			return nil, notBase64("a number or truth value where a file should be")
		}
		j.state, j.word = jsonWord, j.word[:0]
		return b, nil
	}
	return nil, badJSON("something that is no value")
}

func (j *jsonBody) openBracket(c byte) *Refusal {
	depth := len(j.stack)
	if j.stack = append(j.stack, c); len(j.stack) > maxJSONDepth {
		return badJSON("more than 1000 levels")
	}
	if depth < len(j.onWay) {
		j.onWay[depth], j.seen[depth] = j.here, 0
	}
	if c == '{' {
		j.state = jsonFirstName
		return nil
	}
	j.state = jsonFirstValue
	j.here = j.elements()
	return nil
}

// elements are the paths that lead to the elements of the array that is open.
func (j *jsonBody) elements() (paths uint32) {
	depth := len(j.stack) - 1
	if depth >= len(j.onWay) || j.onWay[depth] == 0 {
		return 0
	}
	for i := range j.fields {
		if steps := j.fields[i].steps; j.onWay[depth]&(1<<i) != 0 && len(steps) > depth && steps[depth].any {
			paths |= 1 << i
		}
	}
	return paths
}

// named finds the paths that lead to the member whose name was read. EqualFold is
// what Go's encoding/json compares by: it knows the long s and the Kelvin sign.
func (j *jsonBody) named() *Refusal {
	j.state, j.here = jsonColon, 0
	depth := len(j.stack) - 1
	if depth >= len(j.onWay) || j.onWay[depth] == 0 || j.text.tooLong {
		return nil
	}
	name := string(j.text.name)
	for i := range j.fields {
		steps := j.fields[i].steps
		if j.onWay[depth]&(1<<i) == 0 || len(steps) <= depth || steps[depth].any || !strings.EqualFold(steps[depth].name, name) {
			continue
		}
		if steps[depth].name != name {
			return badJSON("the name " + quote(name) + ", which some readers take for " + quote(steps[depth].name))
		}
		if j.seen[depth]&(1<<i) != 0 {
			return badJSON("the name " + quote(name) + " twice: readers disagree about which one counts")
		}
		j.seen[depth] |= 1 << i
		j.here |= 1 << i
	}
	return nil
}

func (j *jsonBody) inText(b []byte) ([]byte, *Refusal) {
	var sink func([]byte) *Refusal
	switch {
	case j.state == jsonInName:
		sink = j.text.keep
	case j.value != nil:
		sink = j.value.write
	}
	rest, ended, r := j.text.write(b, sink)
	if r != nil || !ended {
		return rest, r
	}
	if j.state == jsonInName {
		return rest, j.named()
	}
	if v := j.value; v != nil {
		r := v.end()
		if v.file != nil {
			j.inspector.noted(v.file)
		}
		if v.file != nil && (v.file.size > 0 || r != nil) {
			j.inspector.keep(v.file, r)
		}
		j.value = nil
		if r != nil {
			return nil, r
		}
	}
	j.finished()
	return rest, nil
}

// maxJSONWord bounds a number; 64 bits need 20 characters.
const maxJSONWord = 1 << 10

func (j *jsonBody) inWord(b []byte) ([]byte, *Refusal) {
	n := bytes.IndexAny(b, " \t\r\n,]}")
	if n < 0 {
		n = len(b)
	}
	if len(j.word)+n > maxJSONWord {
		return nil, badJSON("a number longer than 1024 characters")
	}
	if j.word = append(j.word, b[:n]...); n == len(b) {
		return nil, nil
	}
	return b[n:], j.endWord()
}

func (j *jsonBody) endWord() *Refusal {
	switch w := string(j.word); w {
	case "true", "false", "null":
	default:
		if !isJSONNumber(w) {
			return badJSON("a value that is none")
		}
	}
	j.finished()
	return nil
}

// isJSONNumber: RFC 8259 section 6.
func isJSONNumber(s string) bool {
	digits := func() (n int) {
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	n := digits()
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	if s = s[n:]; s != "" && s[0] == '.' {
		s = s[1:]
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	if s != "" && s[0]|0x20 == 'e' {
		if s = s[1:]; s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	return s == ""
}
