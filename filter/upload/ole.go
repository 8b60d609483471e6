package upload

import (
	"bytes"
	"encoding/binary"
	"strings"
)

const oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// ole judges compound files (MS-CFB). Sectors stand in any order, so nothing is
// followed: every 128 bytes that are a directory entry by their structure count
// as one, and records are found by their headers.
type ole struct {
	block   []byte
	records finder16
}

const oleEntry = 128

func newOLE(env) checker {
	return &ole{records: finder16{needles: oleRecords}}
}

// oleRecords are headers of records that make a document active.
var oleRecords = []oleRecord{
	{"\x09\x08\x10\x00\x00\x06\x40\x00", "GH-OFF-001", "an Excel 4 macro sheet"}, // BOF, MS-XLS 2.4.21
	{"\x09\x08\x08\x00\x00\x05\x40\x00", "GH-OFF-001", "an Excel 4 macro sheet"},
	{"\x1f\x00\xff\x03\x14\x00\x00\x00\x02\x00\x00\x04\x0c\x00\x00\x00", "GH-OFF-001", "macros"}, // VbaInfoContainer, MS-PPT 2.4.10
	{"\x13 DDEAUTO ", "GH-OFF-003", "a DDE field"},
	{"\x13 DDE ", "GH-OFF-003", "a DDE field"},
	{"\x13DDEAUTO ", "GH-OFF-003", "a DDE field"},
	{"\x13\x00 \x00D\x00D\x00E\x00", "GH-OFF-003", "a DDE field"},
}

type oleRecord struct{ bytes, id, what string }

// finder16 looks for records across chunks.
type finder16 struct {
	needles []oleRecord
	carry   []byte
}

const longestRecord = 20

func (f *finder16) find(b []byte) *Refusal {
	seam := append(f.carry, b[:min(len(b), longestRecord)]...)
	for _, text := range [...][]byte{seam, b} {
		for _, n := range f.needles {
			if bytes.Contains(text, []byte(n.bytes)) {
				return refuse(n.id, "a document with "+n.what)
			}
		}
	}
	if len(b) >= longestRecord {
		f.carry = append(f.carry[:0], b[len(b)-longestRecord:]...)
	} else {
		f.carry = append(f.carry[:0], seam[max(0, len(seam)-longestRecord):]...)
	}
	return nil
}

func (o *ole) write(b []byte) *Refusal {
	if r := o.records.find(b); r != nil {
		return r
	}
	for len(b) > 0 {
		n := min(oleEntry-len(o.block), len(b))
		o.block = append(o.block, b[:n]...)
		b = b[n:]
		if len(o.block) < oleEntry {
			break
		}
		if r := o.entry(o.block); r != nil {
			return r
		}
		o.block = o.block[:0]
	}
	return nil
}

func (o *ole) end(int64) *Refusal { return nil }

// entry judges a directory entry (MS-CFB 2.6.1), if it is one.
func (o *ole) entry(b []byte) *Refusal {
	length := int(binary.LittleEndian.Uint16(b[64:]))
	kind, colour := b[66], b[67]
	if length < 4 || length > 64 || length%2 != 0 || kind != 1 && kind != 2 || colour > 1 {
		return nil
	}
	name := make([]byte, 0, 32)
	for i := 0; i < length-2; i += 2 {
		if b[i+1] != 0 || b[i] == 0 {
			return nil
		}
		name = append(name, b[i])
	}
	if b[length-2] != 0 || b[length-1] != 0 {
		return nil
	}
	switch lower := strings.ToLower(string(name)); lower {
	case "vba", "_vba_project", "_vba_project_cur", "macros":
		return refuse("GH-OFF-001", "a document with macros")
	case "\x01ole10native", "package":
		return refuse("GH-OFF-004", "a document with an embedded file")
	case "encryptedpackage":
		return refuse("GH-OFF-006", "an encrypted document, which nobody can see into")
	}
	return nil
}
