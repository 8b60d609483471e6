package upload

import (
	"bytes"
	"encoding/binary"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

const oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// ole judges compound files (MS-CFB). Sectors stand in any order, and the table of
// their order may come last, so nothing is followed: every 128 bytes that are a
// directory entry by their structure count as one, and records are found by their
// headers, also those that are cut between two sectors (see oleSeams).
type ole struct {
	block   []byte
	records finder16
	seams   oleSeams
	at      int64 // bytes so far
	is      map[string]bool
	behind  raster // looks at what follows the last sector
	objects oleObjects
}

const oleEntry = 128

func newOLE(e env) checker {
	o := &ole{records: finder16{needles: oleRecords[:oleWhole]}, behind: raster{image: image{codeFinder{tags: true}}}}
	o.objects = oleObjects{env: e, judge: new(ole).judge} // objects say nothing of whose document it is
	return o
}

// oleRecords are headers of records that make a document active.
var oleRecords = []oleRecord{
	{"\x09\x08\x10\x00\x00\x06\x40\x00", "GH-OFF-001", "an Excel 4 macro sheet"}, // BOF, MS-XLS 2.4.21
	{"\x09\x08\x08\x00\x00\x05\x40\x00", "GH-OFF-001", "an Excel 4 macro sheet"},
	{"\x1f\x00\xff\x03\x14\x00\x00\x00\x02\x00\x00\x04\x0c\x00\x00\x00", "GH-OFF-001", vbaInfo}, // VbaInfoContainer, MS-PPT 2.4.10
	{"\x13 DDEAUTO ", "GH-OFF-003", "a DDE field"},
	{"\x13 DDE ", "GH-OFF-003", "a DDE field"},
	{"\x13DDEAUTO ", "GH-OFF-003", "a DDE field"},
	{"\x13\x00 \x00D\x00D\x00E\x00", "GH-OFF-003", "a DDE field"},
	{"\x13\x00D\x00D\x00E\x00", "GH-OFF-003", "a DDE field"},
}

// oleWhole is how many of them are looked for as they stand; fields are found however
// they are spelt (fieldDDE), unless they are cut.
const oleWhole = 3

type oleRecord struct{ bytes, id, what string }

// in looks for the record. That of PowerPoint's macros stands in any of its documents:
// without macros, it refers to nothing and says so (VbaInfoAtom, MS-PPT 2.4.11).
func (r *oleRecord) in(text []byte) bool {
	for {
		i := bytes.Index(text, []byte(r.bytes))
		if i < 0 {
			return false
		}
		text = text[i+len(r.bytes):]
		if r.what != vbaInfo {
			return true
		}
		if len(text) < vbaInfoRest { // the next piece has it whole
			return false
		}
		if string(text[:vbaInfoRest]) != "\x00\x00\x00\x00\x00\x00\x00\x00" {
			return true
		}
	}
}

func (r *oleRecord) refusal() *Refusal { return refuse(r.id, "a document with "+r.what) }

// finder16 looks for records across chunks.
type finder16 struct {
	needles []oleRecord
	carry   []byte
}

const (
	longestRecord = 32
	vbaInfo       = "macros"
	vbaInfoRest   = 8
)

func (f *finder16) find(b []byte) *Refusal {
	seam := append(f.carry, b[:min(len(b), longestRecord)]...)
	for _, text := range [...][]byte{seam, b} {
		for i := range f.needles {
			if f.needles[i].in(text) {
				return f.needles[i].refusal()
			}
		}
		switch {
		case macroSheet(text):
			return f.needles[0].refusal()
		case fieldDDE(text):
			return refuse("GH-OFF-003", "a document with a DDE field")
		case bookDDE(text):
			return refuse("GH-OFF-003", "a document with a DDE link")
		}
	}
	if len(b) >= longestRecord {
		f.carry = append(f.carry[:0], b[len(b)-longestRecord:]...)
	} else {
		f.carry = append(f.carry[:0], seam[max(0, len(seam)-longestRecord):]...)
	}
	return nil
}

// macroSheet finds the record that lists a sheet of Excel 4 macros (BoundSheet8,
// MS-XLS 2.4.28): its length must fit its name. That of Excel 5 has the name's letters
// at once.
func macroSheet(b []byte) bool {
	for {
		i := bytes.Index(b, []byte("\x85\x00"))
		if i < 0 || len(b)-i < 12 {
			return false
		}
		b = b[i:]
		length, name, wide := int(b[2]), int(b[10]), int(b[11])
		fits := wide <= 1 && length == 8+name*(1+wide) || wide >= ' ' && length == 7+name
		if b[3] == 0 && b[8] <= 2 && b[9] == 1 && name > 0 && fits {
			return true
		}
		b = b[2:]
	}
}

// fieldDDE finds a field of Word that begins so, in letters of one byte or of two, behind
// blanks and quotes (MS-DOC 2.8.25).
func fieldDDE(b []byte) bool {
	for {
		i := bytes.IndexByte(b, 0x13)
		if i < 0 {
			return false
		}
		b = b[i+1:]
		step := 1
		if at(b, 0, "\x00") {
			step = 2
		}
		var word [8]byte
		for n, k := 0, step-1; k < len(b) && k < longestRecord-2*step && n < len(word); k += step {
			if step == 2 && k+1 < len(b) && b[k+1] != 0 {
				break
			}
			if n == 0 && (b[k] == ' ' || b[k] == '\t' || b[k] == '"') {
				continue
			}
			word[n] = b[k]
			n++
		}
		if hasFold(word[:], "ddeauto") || hasFold(word[:], "dde") && (step == 2 || isCodeSpace(word[3]) || word[3] == '"') {
			return true
		}
	}
}

// bookDDE finds the record of what a workbook is linked to, if it is a program and what
// it is told (SupBook, MS-XLS 2.4.271; ole-link in 2.5.277): a file's begins with a 1.
func bookDDE(b []byte) bool {
	for {
		i := bytes.Index(b, []byte("\xae\x01"))
		if i < 0 || len(b)-i < 12 {
			return false
		}
		b = b[i:]
		length, count, wide := int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[6:])), int(b[8])
		if wide <= 1 && count > 3 && count < 256 && length == 5+count*(1+wide) && b[9] != 1 && b[9] >= ' ' {
			link := b[9:min(len(b), 4+length)]
			if n := bytes.IndexByte(link, 3); n > 0 && isPrintable(bytes.ReplaceAll(link[:n], []byte{0}, nil)) {
				return true
			}
		}
		b = b[2:]
	}
}

func (o *ole) write(b []byte) *Refusal {
	if r := o.records.find(b); r != nil {
		return r
	}
	if r := o.objects.write(b); r != nil {
		return r
	}
	o.seams.write(b)
	o.at += int64(len(b))
	if ends, known := o.seams.ends(); known && ends < o.at {
		if o.behind.write(b[max(0, int64(len(b))-(o.at-ends)):]) != nil {
			return unsafe(RulePolyglot, "a document with code or another file behind its end")
		}
	}
	for len(b) > 0 {
		n := min(oleEntry-len(o.block), len(b))
		o.block = append(o.block, b[:n]...)
		b = b[n:]
		if len(o.block) < oleEntry {
			break
		}
		if r := o.judge(o.block); r != nil {
			return r
		}
		o.block = o.block[:0]
	}
	return nil
}

func (o *ole) end(size int64) *Refusal {
	if size < 1536 {
		return truncated("a compound file without its sectors")
	}
	if o.behind.code.end() != nil {
		return unsafe(RulePolyglot, "a document with code behind its end")
	}
	return o.seams.end(size)
}

// oleStreams are those that tell whose document it is (MS-DOC 2.1.1, MS-XLS 2.1.2,
// MS-PPT 2.1.1, MS-OXMSG 2.2); it is never written to.
var oleStreams = map[string]string{
	"worddocument": "doc", "workbook": "xls", "book": "xls", "powerpoint document": "ppt", "__properties_version1.0": "msg",
}

// named tells whether a name with that extension fits: a document may hold others, but
// not lack the stream of its own.
func (o *ole) named(ext string) bool {
	switch ext {
	case "dot":
		ext = "doc"
	case "xlt":
		ext = "xls"
	case "pps", "pot":
		ext = "ppt"
	}
	return ext == "" || len(o.is) == 0 || o.is[ext]
}

// judge looks at 128 bytes that may be a directory entry or begin a stream.
func (o *ole) judge(b []byte) *Refusal {
	if oleEncrypted(b) || oleEncrypted(b[oleAlign:]) {
		return encryptedDocument()
	}
	return o.entry(b)
}

// entry judges a directory entry (MS-CFB 2.6.1), if it is one.
func (o *ole) entry(b []byte) *Refusal {
	length := int(binary.LittleEndian.Uint16(b[64:]))
	kind, colour := b[66], b[67]
	if length < 4 || length > 64 || length%2 != 0 || kind != 1 && kind != 2 || colour > 1 {
		return nil
	}
	if b[length-2] != 0 || b[length-1] != 0 {
		return nil
	}
	name := make([]byte, 0, 32)
	for i := 0; i < length-2; i += 2 {
		if b[i+1] >= 0x38 && b[i+1] <= 0x48 && kind == 2 && length > 6 {
			return refuse("GH-TYP-003", "an installer's database as a document") // MSI packs its names so
		}
		if b[i+1] != 0 || b[i] == 0 {
			return nil
		}
		name = append(name, b[i])
	}
	lower := strings.ToLower(blocks.String(name))
	if program, telling := oleStreams[lower]; telling {
		if o.is == nil {
			o.is = map[string]bool{}
		}
		o.is[program] = true
	}
	switch lower {
	case "vba", "_vba_project", "_vba_project_cur", "macros":
		return refuse("GH-OFF-001", "a document with macros")
	case "\x01ole10native", "package", "equation native":
		return refuse("GH-OFF-004", "a document with an embedded "+strings.TrimLeft(lower, "\x01"))
	case "\x03ocxname", "\x03ocxdata":
		return refuse("GH-OFF-005", "a document with an ActiveX control")
	case "encryptedpackage", "encryptedsummary":
		return encryptedDocument()
	}
	return nil
}

func encryptedDocument() *Refusal {
	return refuse("GH-OFF-006", "an encrypted document, which nobody can see into")
}
