package upload

import (
	"bytes"

	"gatehouse/filter/upload/internal/blocks"
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
	mailName string // what Content-Type says in "name", which is not of RFC 7578

	names  []nameSpan
	value  int    // where in the head the value of Content-Disposition begins
	rename string // set by the sink: the name that the server shall see instead
	params []param
}

// nameSpan is where in a part's head a file name stands.
type nameSpan struct {
	at, end         int
	extended, token bool
}

// partSink takes what the reader finds. It may give a part another file name.
type partSink interface {
	beginPart(p *part) *Refusal
	writePart(b []byte) *Refusal
	endPart() *Refusal
	// settle says that what was given to writePart is about to change.
	settle()
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
	multipartPlace
	delimiter []byte        // CRLF "--" boundary
	dashed    blocks.Needle // "--" boundary
	carry     []byte
	sink      partSink
	edits     []Edit
	// What a head is read into. Its strings outlive it: the verdict has file names.
	part  part
	heads []byte
	room  [maxParams]param
}

// multipartPlace is where in a body a reader is.
type multipartPlace struct {
	state    multipartState
	skip     int // bytes of data that are no content
	parts    int
	searched int   // bytes of a head that have no end in them
	at       int64 // bytes of the body that are behind
	opened   int64 // where the delimiter before the part begins, or of the next
}

func newMultipartReader(boundary string, sink partSink) *multipartReader {
	m := &multipartReader{}
	m.reset(boundary, sink)
	return m
}

// keptCarry is what a reader keeps of its memory for the next body, in bytes.
const keptCarry = 4 << 10

// reset makes the reader one for another body. It writes over what it gave out
// before.
func (m *multipartReader) reset(boundary string, sink partSink) {
	m.multipartPlace, m.sink, m.edits, m.heads = multipartPlace{}, sink, nil, m.heads[:0]
	if m.carry = m.carry[:0]; cap(m.carry) > keptCarry {
		m.carry = nil
	}
	m.delimiter = append(append(m.delimiter[:0], "\r\n--"...), boundary...)
	m.dashed.Reset(m.delimiter[2:])
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
		m.sink.settle()
		m.carry, chunk = append(m.carry[:0], rest...), chunk[n:]
	}
	if len(chunk) == 0 {
		return nil
	}
	rest, refusal := m.consume(chunk)
	if refusal == nil {
		m.sink.settle()                        // it may have something of what was carried
		m.carry = append(m.carry[:0], rest...) // the chunk belongs to the caller
	}
	return refusal
}

// consume steps as far as data goes, and returns what needs further bytes.
func (m *multipartReader) consume(data []byte) (rest []byte, r *Refusal) {
	for {
		var more bool
		before := len(data)
		data, more, r = m.step(data)
		m.at += int64(before - len(data))
		if r != nil || !more {
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
	if at(data, 0, "\r\n") {
		return nil, false, malformed("a part has no headers")
	}
	// What was searched before is not searched again: heads may come byte by byte.
	from := max(0, m.searched-3)
	end := blocks.Index(data[from:], "\r\n\r\n")
	if end < 0 {
		m.searched = len(data)
		if len(data) > maxPartHead {
			return nil, false, malformed("a part's headers are longer than 8 KiB")
		}
		return data, false, nil
	}
	m.searched, end = 0, end+from
	if end > maxPartHead {
		return nil, false, malformed("a part's headers are longer than 8 KiB")
	}
	// Readers that look for the boundary before they read lines end the part here.
	if m.dashed.Index(data[:end]) >= 0 {
		return nil, false, malformed("a boundary stands in a part's headers")
	}
	head, p := m.keepHead(data[:end]), &m.part
	refusal := p.parse(head, m.room[:0])
	if refusal == nil {
		refusal = m.sink.beginPart(p)
	}
	if refusal == nil && p.rename != "" {
		refusal = m.renamed(head, p)
	}
	if refusal != nil {
		return nil, false, refusal
	}
	// The last CRLF stays: in an empty part it belongs to the delimiter.
	m.state, m.skip = inPart, 2
	return data[end+2:], true, nil
}

// keptHeads is how much of the heads lies in memory that is used again, in bytes: few
// forms have more.
const keptHeads = 1 << 10

// keepHead makes a copy of a head that is good until the reader is reset.
func (m *multipartReader) keepHead(head []byte) string {
	at := len(m.heads)
	if at+len(head) > keptHeads {
		return string(head)
	}
	m.heads = append(m.heads, head...) // what it grows out of stays what it is
	return blocks.String(m.heads[at:])
}

// body passes on what cannot be a part of the delimiter. The boundary anywhere
// but in a delimiter is refused: some servers split at a bare line feed.
func (m *multipartReader) body(data []byte) ([]byte, bool, *Refusal) {
	at := m.dashed.Index(data)
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
	m.state, m.skip, m.opened = afterDelimiter, 0, m.at+int64(at-2)
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
