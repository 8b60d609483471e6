package upload

import (
	"bytes"
	"encoding/binary"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// oleSeams finds records that are cut between two sectors that do not adjoin. It
// keeps which sectors end with the beginning of one and which begin with an end of
// one, and the table of sectors (MS-CFB 2.3) where it says anything but "the next
// one": the three are put together at the end, in whatever order they came. What it
// keeps is bounded: of a file of more than maxOLESectors, or that has its table's
// places elsewhere than in the header, only the first part is followed.
type oleSeams struct {
	head    []byte // the header, 512 bytes
	size    int    // of a sector, in bytes
	sector  int    // being read, -1 in the header
	at      int    // bytes of it
	first   []byte // its first bytes
	last    []byte // its last bytes
	tables  []uint32
	table   int // the number of the table's part that is being read, -1 if it is none
	entry   []byte
	jumps   []oleJump
	tails   []oleTail
	heads   []uint16 // the first two bytes of each sector
	starts  []oleTail
	started bool
	used    int // the last sector that the table says is taken
	passed  int // parts of the table
	whole   bool
}

// ends is where the last sector ends that the table knows; false as long as not all of
// the table has been read, whose own sectors are among those, or if its places are not
// all told by the header.
func (s *oleSeams) ends() (int64, bool) {
	return int64(s.used+2) * int64(s.size), s.whole && s.passed == len(s.tables)
}

// oleJump says that a sector is followed by one that does not adjoin.
type oleJump struct{ from, to uint32 }

// oleTail is a record that is cut behind some of its bytes, at the end of a sector
// or, for starts, whose rest stands at the beginning of one.
type oleTail struct {
	sector uint32
	record uint8
	cut    uint8
}

const (
	maxOLESectors = 20 << 10
	maxOLEJumps   = 4 << 10
	maxOLETails   = 1 << 10
	// oleShort is how short the rest of a record may be that is looked up among the
	// sectors' first bytes; longer ones are kept as they are found.
	oleShort = 2
	oleFree  = 0xffffffff
)

func (s *oleSeams) write(b []byte) {
	if n := min(512-len(s.head), len(b)); n > 0 {
		s.head = append(s.head, b[:n]...)
		if b = b[n:]; len(s.head) == 512 {
			s.begin()
		}
	}
	for len(b) > 0 && s.started {
		n := min(s.size-s.at, len(b))
		s.piece(b[:n])
		s.at += n
		b = b[n:]
		if s.at == s.size {
			s.endSector()
		}
	}
}

// begin reads the header (MS-CFB 2.2).
func (s *oleSeams) begin() {
	le := binary.LittleEndian
	shift := le.Uint16(s.head[30:])
	if shift != 9 && shift != 12 {
		return
	}
	s.size, s.started, s.table, s.whole = 1<<shift, true, -1, le.Uint32(s.head[72:]) == 0 // no table of tables
	for i := 76; i+4 <= 512; i += 4 {
		if v := le.Uint32(s.head[i:]); v < maxOLESectors*2 {
			s.tables = append(s.tables, v)
		} else if v != oleFree {
			s.whole = false
		}
	}
	s.whole = s.whole && len(s.tables) > 0
	s.at, s.sector = 0, 0
	if s.size > 512 { // the header fills a sector
		s.at, s.sector = 512, -1
	}
	s.nextTable()
}

// nextTable tells whether the sector being read is a part of the table.
func (s *oleSeams) nextTable() {
	s.table, s.entry = -1, s.entry[:0]
	for i, t := range s.tables {
		if int(t) == s.sector {
			s.table = i
		}
	}
}

func (s *oleSeams) piece(b []byte) {
	if n := min(longestRecord-len(s.first), len(b)); n > 0 {
		s.first = append(s.first, b[:n]...)
	}
	if len(b) >= longestRecord {
		s.last = append(s.last[:0], b[len(b)-longestRecord:]...)
	} else {
		s.last = append(s.last, b...)
		s.last = s.last[max(0, len(s.last)-longestRecord):]
	}
	if s.table < 0 {
		return
	}
	for i, c := range b {
		if s.entry = append(s.entry, c); len(s.entry) == 4 {
			from := s.table*(s.size/4) + (s.at+i)/4
			s.jump(from, binary.LittleEndian.Uint32(s.entry))
			s.entry = s.entry[:0]
		}
	}
}

func (s *oleSeams) jump(from int, to uint32) {
	if to != oleFree {
		s.used = max(s.used, from)
	}
	if to < maxOLESectors && int(to) != from+1 && len(s.jumps) < maxOLEJumps {
		s.jumps = append(s.jumps, oleJump{uint32(from), to}) // #nosec G115 -- at most 109*1024
	}
}

func (s *oleSeams) endSector() {
	if s.table >= 0 {
		s.used = max(s.used, s.sector)
		s.passed++
	}
	if s.sector >= 0 && s.sector < maxOLESectors {
		s.heads = append(s.heads, binary.LittleEndian.Uint16(s.first))
		s.cut()
	}
	s.first, s.last, s.at = s.first[:0], s.last[:0], 0
	s.sector++
	s.nextTable()
}

// oleCuts are the beginnings of records that a sector may end in, by their last byte, and
// the rests of them that one may begin with, by their first.
var oleCuts, oleRests = cutsOf(oleRecords)

func cutsOf(records []oleRecord) (cuts, rests [256][]oleTail) {
	for r := range records {
		record := records[r].bytes
		for n := 1; n < len(record); n++ {
			t := oleTail{record: uint8(r), cut: uint8(n)} // #nosec G115 -- few, and short
			cuts[record[n-1]] = append(cuts[record[n-1]], t)
			if len(record)-n > oleShort {
				rests[record[n]] = append(rests[record[n]], t)
			}
		}
	}
	return cuts, rests
}

// cut notes which records the sector ends in, and which it may be the rest of.
func (s *oleSeams) cut() {
	sector := uint32(s.sector) // #nosec G115 -- bounded
	for _, t := range oleCuts[s.last[len(s.last)-1]] {
		if len(s.tails) < maxOLETails && strings.HasSuffix(blocks.String(s.last), oleRecords[t.record].bytes[:t.cut]) {
			s.tails = append(s.tails, oleTail{sector, t.record, t.cut})
		}
	}
	for _, t := range oleRests[s.first[0]] {
		if len(s.starts) < maxOLETails && at(s.first, 0, oleRecords[t.record].bytes[t.cut:]) {
			s.starts = append(s.starts, oleTail{sector, t.record, t.cut})
		}
	}
	for r := range oleRecords {
		if record := oleRecords[r].bytes; oleRecords[r].what == vbaInfo && len(s.tails) < maxOLETails && endsBefore(s.last, record) {
			s.tails = append(s.tails, oleTail{sector, uint8(r), uint8(len(record))}) // #nosec G115 -- bounded
		}
	}
}

// endsBefore tells whether the record is there and what tells of it is not.
func endsBefore(last []byte, record string) bool {
	i := bytes.LastIndex(last, []byte(record))
	return i >= 0 && len(last)-i-len(record) < vbaInfoRest
}

func (s *oleSeams) end(int64) *Refusal {
	next := make(map[uint32]uint32, len(s.tails))
	for _, t := range s.tails {
		next[t.sector] = maxOLESectors
	}
	for _, j := range s.jumps {
		if _, wanted := next[j.from]; wanted {
			next[j.from] = j.to
		}
	}
	starts := make(map[oleTail]bool, len(s.starts))
	for _, t := range s.starts {
		starts[t] = true
	}
	for _, t := range s.tails {
		to := next[t.sector]
		rest := oleRecords[t.record].bytes[t.cut:]
		if int(to) >= len(s.heads) {
			continue
		}
		head := s.heads[to]
		if rest == "" || starts[oleTail{to, t.record, t.cut}] || len(rest) == 2 && head == uint16(rest[0])|uint16(rest[1])<<8 ||
			len(rest) == 1 && byte(head) == rest[0] { // #nosec G115 -- the lower half
			return oleRecords[t.record].refusal()
		}
	}
	return nil
}
