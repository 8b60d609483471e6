package upload

import (
	"bytes"
	"strings"
)

// Bounds of a part's head. Browsers send two or three header lines.
const (
	maxPartHead  = 8 << 10
	maxPartLines = 16
	maxParts     = 1000
)

// part is the head of one part of a form.
type part struct {
	field    string
	filename string
	hasFile  bool
	declared string // media type without parameters, lower case
}

// partSink takes what the reader finds.
type partSink interface {
	beginPart(p part) *Refusal
	writePart(b []byte) *Refusal
	endPart() *Refusal
}

type multipartState uint8

const (
	atStart multipartState = iota
	afterDelimiter
	inHead
	inPart
	inEpilogue
)

// multipartReader splits a multipart/form-data body (RFC 7578) while it streams.
// It refuses whatever common servers read in different ways, and keeps no more
// than a part's head.
type multipartReader struct {
	delimiter []byte  // CRLF "--" boundary
	dashed    *needle // "--" boundary
	state     multipartState
	carry     []byte
	skip      int // bytes of data that are no content
	parts     int
	sink      partSink
}

func newMultipartReader(boundary string, sink partSink) *multipartReader {
	return &multipartReader{delimiter: []byte("\r\n--" + boundary), dashed: newNeedle([]byte("--" + boundary)), sink: sink}
}

func malformed(reason string) *Refusal {
	return &Refusal{Rule: RuleMalformed, Reason: reason, Problem: unsafeContent}
}

// seamSize is how much of a chunk is joined to what an earlier one left: enough to
// get over a delimiter, and little to copy.
const seamSize = 1 << 10

func (m *multipartReader) write(chunk []byte) *Refusal {
	for len(m.carry) > 0 && len(chunk) > 0 {
		n := min(seamSize, len(chunk))
		m.carry = append(m.carry, chunk[:n]...)
		rest, refusal := m.consume(m.carry)
		if refusal != nil {
			return refusal
		}
		if len(rest) <= n { // all of it is of the chunk: on from there, without a copy
			chunk, m.carry = chunk[n-len(rest):], m.carry[:0]
			break
		}
		m.carry, chunk = append(m.carry[:0], rest...), chunk[n:]
	}
	if len(chunk) == 0 {
		return nil
	}
	rest, refusal := m.consume(chunk)
	if refusal == nil {
		m.carry = append(m.carry[:0], rest...) // the chunk belongs to the caller
	}
	return refusal
}

// consume steps as far as data goes, and returns what needs further bytes.
func (m *multipartReader) consume(data []byte) (rest []byte, r *Refusal) {
	for {
		var more bool
		if data, more, r = m.step(data); r != nil || !more {
			return data, r
		}
	}
}

// step consumes what it can. more is false when it needs further bytes.
func (m *multipartReader) step(data []byte) (rest []byte, more bool, r *Refusal) {
	switch m.state {
	case atStart:
		return m.start(data)
	case afterDelimiter:
		return m.delimited(data)
	case inHead:
		return m.head(data)
	case inPart:
		return m.body(data)
	default:
		return m.epilogue(data)
	}
}

func (m *multipartReader) start(data []byte) ([]byte, bool, *Refusal) {
	first := m.delimiter[2:]
	n := min(len(first), len(data))
	if !bytes.Equal(data[:n], first[:n]) {
		return nil, false, malformed("the body does not begin with its boundary")
	}
	if n < len(first) {
		return data, false, nil
	}
	m.state = afterDelimiter
	return data[n:], true, nil
}

func (m *multipartReader) delimited(data []byte) ([]byte, bool, *Refusal) {
	if len(data) < 2 {
		return data, false, nil
	}
	switch {
	case data[0] == '\r' && data[1] == '\n':
		m.state = inHead
		if m.parts++; m.parts > maxParts {
			return nil, false, &Refusal{Rule: RuleTooManyFiles, Reason: "more than 1000 parts", Problem: tooLarge}
		}
	case data[0] == '-' && data[1] == '-':
		m.state = inEpilogue
	default:
		return nil, false, malformed("a boundary is followed by something else than the end of its line")
	}
	return data[2:], true, nil
}

func (m *multipartReader) head(data []byte) ([]byte, bool, *Refusal) {
	if bytes.HasPrefix(data, []byte("\r\n")) {
		return nil, false, malformed("a part has no headers")
	}
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		if len(data) > maxPartHead {
			return nil, false, malformed("a part's headers are longer than 8 KiB")
		}
		return data, false, nil
	}
	if end > maxPartHead {
		return nil, false, malformed("a part's headers are longer than 8 KiB")
	}
	p, reason := parsePartHead(string(data[:end]))
	if reason != "" {
		return nil, false, malformed(reason)
	}
	if refusal := m.sink.beginPart(p); refusal != nil {
		return nil, false, refusal
	}
	// The last CRLF stays: in an empty part it belongs to the delimiter.
	m.state, m.skip = inPart, 2
	return data[end+2:], true, nil
}

// body passes on what cannot be a part of the delimiter. The boundary anywhere
// but in a delimiter is refused: some servers split at a bare line feed.
func (m *multipartReader) body(data []byte) ([]byte, bool, *Refusal) {
	at := m.dashed.index(data)
	if at < 0 {
		keep := min(len(m.delimiter)-1, len(data))
		return data[len(data)-keep:], false, m.pass(data[:len(data)-keep])
	}
	if at < 2 || data[at-2] != '\r' || data[at-1] != '\n' {
		return nil, false, malformed("a boundary stands inside a part, or after a bare line feed")
	}
	if refusal := m.pass(data[:at-2]); refusal != nil {
		return nil, false, refusal
	}
	m.state, m.skip = afterDelimiter, 0
	return data[at+len(m.delimiter)-2:], true, m.sink.endPart()
}

func (m *multipartReader) pass(content []byte) *Refusal {
	n := min(m.skip, len(content))
	m.skip -= n
	if content = content[n:]; len(content) == 0 {
		return nil
	}
	return m.sink.writePart(content)
}

func (m *multipartReader) epilogue(data []byte) ([]byte, bool, *Refusal) {
	if len(data) > 2 || !bytes.HasPrefix([]byte("\r\n"), data) {
		return nil, false, malformed("something follows the last boundary")
	}
	return data, false, nil
}

func (m *multipartReader) close() *Refusal {
	if m.state != inEpilogue || len(m.carry) == 1 {
		return malformed("the body ends without its last boundary")
	}
	return nil
}

// parsePartHead reads a part's header lines.
func parsePartHead(head string) (p part, reason string) {
	seen := map[string]bool{}
	for line := range strings.SplitSeq(head, "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") {
			return p, "a part's header has a bare carriage return, line feed or NUL"
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return p, "a part's header is folded or has no name"
		}
		name = strings.ToLower(name)
		if seen[name] {
			return p, "a part's header " + name + " stands twice"
		}
		if seen[name] = true; len(seen) > maxPartLines {
			return p, "a part has more than 16 headers"
		}
		if reason = p.take(name, strings.Trim(value, " \t")); reason != "" {
			return p, reason
		}
	}
	if !seen["content-disposition"] {
		return p, "a part has no Content-Disposition"
	}
	// RFC 7578 section 4.4: a part without a file name is text by default.
	if !p.hasFile && p.declared != "" && p.declared != "text/plain" && p.declared != "application/json" {
		p.hasFile = true
	}
	return p, ""
}

func (p *part) take(name, value string) (reason string) {
	switch name {
	case "content-disposition":
		return p.disposition(value)
	case "content-type":
		media, _, reason := parseParams(value)
		if reason != "" {
			return "a part's Content-Type: " + reason
		}
		if strings.HasPrefix(media, "multipart/") {
			return "a part is a multipart itself"
		}
		p.declared = media
	case "content-transfer-encoding":
		switch strings.ToLower(value) {
		case "7bit", "8bit", "binary":
		default:
			return "a part is transfer-encoded, which RFC 7578 section 4.7 gave up and servers read in two ways"
		}
	}
	return ""
}

func (p *part) disposition(value string) (reason string) {
	kind, params, reason := parseParams(value)
	if reason != "" {
		return "Content-Disposition: " + reason
	}
	if kind != "form-data" {
		return "Content-Disposition is not form-data"
	}
	named, extended := false, ""
	for _, q := range params {
		switch q.name {
		case "name":
			p.field, named = q.value, true
		case "filename":
			p.filename, p.hasFile = q.value, true
		case "filename*":
			decoded, ok := decodeExtended(q.value)
			if !ok {
				return "filename* is not UTF-8 in the form of RFC 8187"
			}
			extended = decoded
		}
	}
	switch {
	case !named:
		return "a part has no name"
	case extended != "" && p.hasFile && extended != p.filename:
		return "filename and filename* disagree"
	case extended != "":
		p.filename, p.hasFile = extended, true
	}
	return ""
}
