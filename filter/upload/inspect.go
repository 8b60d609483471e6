// Package upload judges request bodies that carry files while they stream past:
// what type a file is, by content, name and declaration, which must agree; and
// whether it holds something that is dangerous although its type is allowed.
//
// It promises bounded memory (less than 256 KiB for a file, whatever its size and
// whatever is packed in it), time that grows with the body and no faster; that
// cutting the body into other chunks changes no verdict; and that a request which
// servers could read in two ways is refused as such. docs/upload_rules.md says what
// is looked into and what is not. It knows nothing of proxies: the caller keeps
// back what it is told to hold.
package upload

import (
	"bytes"
	"strconv"
	"strings"

	"gatehouse/filter/verdict"
)

// Request is what an inspection needs of a request's head.
type Request struct {
	Method             string
	Path               string // with or without query
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentRange       string // RFC 9110 section 14.4; also of requests, as tus and others use it
	UploadOffset       string // tus 1.0: where in the file the body begins
	ContentLength      int64  // -1: unknown
	Tap                Tap    // gets the files that the policy has scanned; nil scans none
}

// finalStretch is what is held back at the end of a body of known length.
const finalStretch = 4 << 10

// Inspector judges one body. It belongs to one goroutine.
type Inspector struct {
	policy   *Policy
	length   int64
	received int64
	carrier  carrier
	files    []verdict.File
	refusal  *Refusal
	closed   bool
	tap      Tap
}

// carrier is a way of carrying files in a body.
type carrier interface {
	write(b []byte) *Refusal
	end() *Refusal
	undecided() bool
}

// maxReported bounds the files in a verdict.
const maxReported = 8

// Inspect decides on the request's head what its body is.
//
//   - multipart/form-data is a form; any other multipart is refused.
//   - application/x-www-form-urlencoded, JSON and gRPC are no files, and must
//     look like what they say.
//   - anything else is one file of the declared type.
func (p *Policy) Inspect(r Request) (*Inspector, *Refusal) {
	if r.ContentLength > p.maxRequest {
		return nil, p.requestTooLarge()
	}
	if strings.TrimSpace(r.ContentType) == "" {
		return &Inspector{policy: p, length: r.ContentLength, carrier: undeclared{}}, nil
	}
	media, params, reason := parseParams(r.ContentType)
	if reason != "" {
		return nil, malformed("Content-Type: " + reason)
	}
	i := &Inspector{policy: p, length: r.ContentLength, tap: r.Tap}
	var refusal *Refusal
	if i.carrier, refusal = p.carrier(i, media, params, r); refusal != nil {
		return nil, refusal
	}
	if i.carrier, refusal = p.decoding(r.ContentEncoding, i.carrier); refusal != nil {
		return nil, refusal
	}
	return i, nil
}

func (p *Policy) requestTooLarge() *Refusal {
	return &Refusal{Rule: RuleRequestSize, Problem: tooLarge,
		Reason: "a request larger than " + strconv.FormatInt(p.maxRequest, 10) + " bytes"}
}

func (p *Policy) carrier(i *Inspector, media string, params []param, r Request) (carrier, *Refusal) {
	switch {
	case media == "multipart/form-data":
		b, ok := boundary(params)
		if !ok {
			return nil, malformed("the boundary is missing or not one (RFC 2046 section 5.1.1)")
		}
		f := &form{inspector: i}
		f.reader = newMultipartReader(b, f)
		return f, nil
	case strings.HasPrefix(media, "multipart/"):
		return nil, malformed(media + " is no form (RFC 7578)")
	case media == "application/x-www-form-urlencoded":
		return &plain{what: media}, nil
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return &plain{what: media, json: true}, nil
	case media == "application/grpc" || strings.HasPrefix(media, "application/grpc+"):
		return &plain{what: media, binary: true}, nil
	}
	name, refusal := rawName(r.ContentDisposition, r.Path)
	if refusal != nil {
		return nil, refusal
	}
	f, refusal := p.newFile(name, media, false)
	if refusal != nil {
		return nil, refusal
	}
	f.tap = r.Tap
	var later bool
	if f.partial, later, refusal = p.partial(r); refusal != nil {
		return nil, refusal
	}
	if later {
		return &plain{what: media, binary: true}, nil
	}
	return &raw{inspector: i, file: f}, nil
}

// Write judges the next bytes. hold means that what was not let go yet must be
// kept back: a file's type is not decided, or the body is about to end. After a
// refusal the inspector says the same for ever.
func (i *Inspector) Write(chunk []byte) (hold bool, r *Refusal) {
	if i.refusal != nil {
		return false, i.refusal
	}
	if i.received += int64(len(chunk)); i.received > i.policy.maxRequest {
		return false, i.refuse(i.policy.requestTooLarge())
	}
	if r := i.carrier.write(chunk); r != nil {
		return false, i.refuse(r)
	}
	return i.carrier.undecided() || i.length >= 0 && i.length-i.received <= finalStretch, nil
}

// Close judges the body as complete.
func (i *Inspector) Close() *Refusal {
	if i.closed || i.refusal != nil {
		return i.refusal
	}
	i.closed = true
	return i.refuse(i.carrier.end())
}

func (i *Inspector) refuse(r *Refusal) *Refusal {
	i.refusal = r
	return r
}

// Files lists the files seen so far, the first few of them.
func (i *Inspector) Files() []verdict.File {
	files := i.files
	if c, ok := i.carrier.(interface{ current() *file }); ok && c.current() != nil && len(files) < maxReported {
		files = append(files[:len(files):len(files)], c.current().report())
	}
	return files
}

// raw is a body that is one file.
type raw struct {
	inspector *Inspector
	file      *file
}

func (r *raw) write(b []byte) *Refusal { return r.file.write(b) }
func (r *raw) end() *Refusal           { return r.file.end() }
func (r *raw) undecided() bool         { return !r.file.decided }
func (r *raw) current() *file          { return r.file }

// form is multipart/form-data.
type form struct {
	inspector *Inspector
	reader    *multipartReader
	file      *file // the part being read, nil for a field
	count     int
	fieldSize int
}

// maxField bounds a text field: what is larger belongs into a file.
const maxField = 1 << 20

func (f *form) write(b []byte) *Refusal { return f.reader.write(b) }
func (f *form) end() *Refusal           { return f.reader.close() }
func (f *form) undecided() bool {
	return f.reader.state != inPart && f.reader.state != inEpilogue || f.file != nil && !f.file.decided
}
func (f *form) current() *file { return f.file }

func (f *form) beginPart(p part) *Refusal {
	f.file, f.fieldSize = nil, 0
	if !p.hasFile {
		return nil
	}
	file, refusal := f.inspector.policy.of(p.field).newFile(p.filename, p.declared, true)
	if refusal != nil {
		f.inspector.files = append(f.inspector.files, verdict.File{Name: p.filename[:min(len(p.filename), maxName)], Declared: p.declared})
		return refusal
	}
	file.tap = f.inspector.tap
	f.file = file
	return nil
}

func (f *form) writePart(b []byte) *Refusal {
	if f.file != nil {
		if f.file.size == 0 {
			if f.count++; f.count > f.inspector.policy.maxFiles {
				return &Refusal{Rule: RuleTooManyFiles, Problem: tooLarge,
					Reason: "more than " + strconv.Itoa(f.inspector.policy.maxFiles) + " files"}
			}
		}
		return f.file.write(b)
	}
	if f.fieldSize += len(b); f.fieldSize > maxField {
		return &Refusal{Rule: RuleRequestSize, Reason: "a form field larger than 1 MiB", Problem: tooLarge}
	}
	return nil
}

func (f *form) endPart() *Refusal {
	if f.file == nil {
		return nil
	}
	refusal := f.file.end()
	if len(f.inspector.files) < maxReported && (f.file.size > 0 || refusal != nil) {
		f.inspector.files = append(f.inspector.files, f.file.report())
	}
	f.file = nil
	return refusal
}

// undeclared is a body without a Content-Type: fine as long as it turns out to
// be empty, which over HTTP/2 is known only at its end.
type undeclared struct{}

func (undeclared) write(b []byte) *Refusal {
	if len(b) == 0 {
		return nil
	}
	return &Refusal{Rule: RuleUndeclared, Reason: "a body without a Content-Type", Problem: unsupported}
}

func (undeclared) end() *Refusal   { return nil }
func (undeclared) undecided() bool { return true }

// plain is a body that carries no files, as long as it is what it says.
type plain struct {
	what         string
	json, binary bool
	begun        bool
}

func (p *plain) write(b []byte) *Refusal {
	if p.binary {
		return nil
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return p.mismatch("a NUL byte")
	}
	if !p.json || p.begun {
		return nil
	}
	b = bytes.TrimLeft(b, " \t\r\n\xef\xbb\xbf")
	if len(b) == 0 {
		return nil
	}
	p.begun = true
	if bytes.IndexByte([]byte(`{["-0123456789tfn`), b[0]) < 0 {
		return p.mismatch("a beginning that is not JSON")
	}
	return nil
}

func (p *plain) mismatch(why string) *Refusal {
	return &Refusal{Rule: RuleBody, Reason: "a body declared " + p.what + " with " + why, Problem: unsupported}
}

func (p *plain) end() *Refusal   { return nil }
func (p *plain) undecided() bool { return p.json && !p.begun }
