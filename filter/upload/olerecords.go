package upload

import (
	"bytes"
	"encoding/binary"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// oleRecords are headers of records that make a document active.
var oleRecords = []oleRecord{
	{"\x09\x08\x10\x00\x00\x06\x40\x00", "GH-OFF-001", "an Excel 4 macro sheet"}, // BOF, MS-XLS 2.4.21
	{"\x09\x08\x08\x00\x00\x05\x40\x00", "GH-OFF-001", "an Excel 4 macro sheet"},
	{"\x1f\x00\xff\x03\x14\x00\x00\x00\x02\x00\x00\x04\x0c\x00\x00\x00", "GH-OFF-001", vbaInfo}, // VbaInfoContainer, MS-PPT 2.4.10
	// Fields are found however they are spelt (fieldDDE), unless they are cut.
	{"\x13 DDEAUTO ", "GH-OFF-003", dde},
	{"\x13 DDE ", "GH-OFF-003", dde},
	{"\x13DDEAUTO ", "GH-OFF-003", dde},
	{"\x13\x00 \x00D\x00D\x00E\x00", "GH-OFF-003", dde},
	{"\x13\x00D\x00D\x00E\x00", "GH-OFF-003", dde},
}

type oleRecord struct{ bytes, id, what string }

const (
	longestRecord = 32
	dde           = "a DDE field"
	vbaInfo       = "macros"
	vbaInfoRest   = 8
)

// begins tells whether the record stands at the beginning of b. That of PowerPoint's
// macros stands in any of its documents: without macros, it refers to nothing and says
// so (VbaInfoAtom, MS-PPT 2.4.11).
func (r *oleRecord) begins(b []byte) bool {
	if !at(b, 0, r.bytes) {
		return false
	}
	if r.what != vbaInfo {
		return true
	}
	rest := b[len(r.bytes):]
	return len(rest) >= vbaInfoRest && string(rest[:vbaInfoRest]) != "\x00\x00\x00\x00\x00\x00\x00\x00" // else the next piece has it whole
}

func (r *oleRecord) refusal() *Refusal { return refuse(r.id, "a document with "+r.what) }

// oleSearch is how records are found that begin with the same two bytes; found judges
// what begins so, of which a piece may have too little: then the next has it whole.
type oleSearch struct {
	pair  *blocks.Pair
	found func(b []byte) *Refusal
}

var oleSearches = [...]oleSearch{
	{blocks.NewPair(0x09, func(c byte) bool { return c == 0x08 }), oneOf(oleRecords[:2])},
	{blocks.NewPair(0x1f, func(c byte) bool { return c == 0 }), oneOf(oleRecords[2:3])},
	{blocks.NewPair(0x13, func(c byte) bool { return strings.IndexByte("\x00 \t\"dD", c) >= 0 }), fieldDDE},
	{blocks.NewPair(0x85, func(c byte) bool { return c == 0 }), macroSheet},
	{blocks.NewPair(0xae, func(c byte) bool { return c == 1 }), bookDDE},
}

func oneOf(records []oleRecord) func(b []byte) *Refusal {
	return func(b []byte) *Refusal {
		for i := range records {
			if records[i].begins(b) {
				return records[i].refusal()
			}
		}
		return nil
	}
}

// oleFinder looks for records across chunks.
type oleFinder struct{ carry []byte }

func (f *oleFinder) find(b []byte) *Refusal {
	seam := append(f.carry, b[:min(len(b), longestRecord)]...)
	for _, text := range [...][]byte{seam, b} {
		for i := range oleSearches {
			if r := oleSearches[i].in(text); r != nil {
				return r
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

func (s *oleSearch) in(b []byte) *Refusal {
	for {
		i := s.pair.Index(b)
		if i < 0 {
			return nil
		}
		if r := s.found(b[i:]); r != nil {
			return r
		}
		b = b[i+1:]
	}
}

// macroSheet judges the record that lists a sheet of Excel 4 macros (BoundSheet8,
// MS-XLS 2.4.28): its length must fit its name. That of Excel 5 has the name's letters
// at once.
func macroSheet(b []byte) *Refusal {
	if len(b) < 12 {
		return nil
	}
	length, name, wide := int(b[2]), int(b[10]), int(b[11])
	fits := wide <= 1 && length == 8+name*(1+wide) || wide >= ' ' && length == 7+name
	if b[3] == 0 && b[8] <= 2 && b[9] == 1 && name > 0 && fits {
		return oleRecords[0].refusal()
	}
	return nil
}

// fieldDDE judges a field of Word, in letters of one byte or of two, behind blanks and
// quotes (MS-DOC 2.8.25).
func fieldDDE(b []byte) *Refusal {
	b = b[1:]
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
		return refuse("GH-OFF-003", "a document with "+dde)
	}
	return nil
}

// bookDDE judges the record of what a workbook is linked to: a program and what it is
// told (SupBook, MS-XLS 2.4.271; ole-link in 2.5.277), or a file, which begins with a 1.
func bookDDE(b []byte) *Refusal {
	if len(b) < 12 {
		return nil
	}
	length, count, wide := int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[6:])), int(b[8])
	if wide > 1 || count <= 3 || count >= 256 || length != 5+count*(1+wide) || b[9] < ' ' {
		return nil
	}
	link := b[9:min(len(b), 4+length)]
	if n := bytes.IndexByte(link, 3); n > 0 && isPrintable(bytes.ReplaceAll(link[:n], []byte{0}, nil)) {
		return refuse("GH-OFF-003", "a document with a DDE link")
	}
	return nil
}
