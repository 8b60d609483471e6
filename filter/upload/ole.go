package upload

import (
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
	records oleFinder
	seams   oleSeams
	at      int64 // bytes so far
	is      map[string]bool
	behind  raster // looks at what follows the last sector
	objects oleObjects
}

const oleEntry = 128

func newOLE(e env) checker {
	o := &ole{behind: raster{image: image{codeFinder{tags: true}}}}
	o.objects = oleObjects{env: e, judge: new(ole).judge} // objects say nothing of whose document it is
	return o
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
	var r *Refusal
	o.block, r = inBlocks(o.block, b, o.judge)
	return r
}

// inBlocks shows a stream to judge, oleEntry bytes at a time, and returns what is left
// for the next time.
func inBlocks(begun, b []byte, judge func([]byte) *Refusal) ([]byte, *Refusal) {
	for len(b) > 0 {
		block := b[:min(oleEntry, len(b))]
		if len(begun) > 0 || len(block) < oleEntry {
			n := min(oleEntry-len(begun), len(b))
			begun = append(begun, b[:n]...)
			if b = b[n:]; len(begun) < oleEntry {
				break
			}
			block, begun = begun, begun[:0]
		} else {
			b = b[oleEntry:]
		}
		if r := judge(block); r != nil {
			return begun, r
		}
	}
	return begun, nil
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
