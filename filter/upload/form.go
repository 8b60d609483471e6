package upload

import (
	"strconv"

	"gatehouse/filter/verdict"
)

// form is multipart/form-data.
type form struct {
	inspector *Inspector
	reader    *multipartReader
	file      *file // the part being read, nil for a field
	count     int
	fieldSize int
	charset   []byte // the value of a field _charset_, nil in all others
	typed     *typedField
}

// maxField bounds a text field: what is larger belongs into a file.
const maxField = 1 << 20

// maxCharset is longer than any charset's name.
const maxCharset = 40

// begin makes the form one of another body.
func (f *form) begin(i *Inspector, boundary string) *form {
	*f = form{inspector: i, reader: &i.room.reader}
	f.reader.reset(boundary, f)
	return f
}

func (f *form) write(b []byte) *Refusal {
	f.reader.edits = nil
	r := f.reader.write(b)
	f.inspector.edits = f.reader.edits
	f.settle()
	return r
}

// settle must come before what the reader has been given, or keeps, changes.
func (f *form) settle() {
	if f.file != nil {
		f.file.settle()
	}
}

func (f *form) end() *Refusal { return f.reader.close() }
func (f *form) undecided() bool {
	return f.reader.state != inPart && f.reader.state != inEpilogue || f.file != nil && !f.file.decided
}
func (f *form) undecidedFrom() int64 { return f.reader.opened }
func (f *form) current() *file       { return f.file }

func (f *form) beginPart(p *part) *Refusal {
	f.file, f.fieldSize, f.charset, f.typed = nil, 0, nil, nil
	own, refusal := f.inspector.policy.of(p.field)
	if refusal != nil {
		return refusal
	}
	if !p.hasFile {
		if p.field == "_charset_" {
			f.charset = []byte{}
		}
		if p.declared != "" {
			f.typed = &typedField{declared: p.declared}
		}
		return nil
	}
	memory := &f.inspector.room.file // a form has one at a time
	file, refusal := own.fileIn(memory, p.filename, p.declared, true)
	if refusal != nil && refusal.Rule == RuleName && f.inspector.rename {
		p.rename = harmlessName(p.filename)
		file, refusal = own.fileIn(memory, p.rename, p.declared, true)
		if refusal == nil {
			file.sent = p.filename
		}
	}
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
		return f.file.take(b)
	}
	if f.charset != nil && len(f.charset) < maxCharset {
		f.charset = append(f.charset, b[:min(len(b), maxCharset-len(f.charset))]...)
	}
	if f.fieldSize += len(b); f.fieldSize > maxField {
		return &Refusal{Rule: RuleRequestSize, Reason: "a form field larger than 1 MiB", Problem: tooLarge}
	}
	if f.typed != nil {
		return f.typed.write(b)
	}
	return nil
}

func (f *form) endPart() *Refusal {
	if len(f.charset) > 0 && !keepsASCII(string(f.charset)) {
		return refuse("GH-FRM-005", "the field _charset_ (RFC 7578 section 4.6) says "+quote(string(f.charset)))
	}
	if f.typed != nil {
		return f.typed.end()
	}
	if f.file == nil {
		return nil
	}
	refusal := f.file.end()
	f.inspector.noted(f.file)
	if f.file.size > 0 || refusal != nil {
		f.inspector.keep(f.file, refusal)
	}
	f.file = nil
	return refusal
}
