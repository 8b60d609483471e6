package upload

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// zipIndex compares members and directory without keeping either: it sums up
// keyed hashes of the members, and takes those of the directory off again.
type zipIndex struct {
	seed    maphash.Seed
	balance uint64
	members int
	listed  int
	start   int64 // of the directory, -1 before
	length  int64 // of the directory, -1 before its end
	end64   int64 // where the wide end of the directory begins, -1 before
	// Of the member being read.
	sum          uint32
	size, packed int64
}

func newZIPIndex() zipIndex {
	return zipIndex{seed: maphash.MakeSeed(), start: -1, length: -1, end64: -1}
}

func (x *zipIndex) hash(e *zipEntry) uint64 {
	b := make([]byte, 0, 64+len(e.name))
	for _, v := range [...]int64{e.at, e.packed, e.size, int64(e.sum), int64(e.method)} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v)) // #nosec G115 -- only hashed
	}
	return maphash.Bytes(x.seed, append(b, e.name...))
}

func (x *zipIndex) add(e *zipEntry) {
	x.members++
	x.balance += x.hash(e)
}

func (x *zipIndex) remove(e *zipEntry) {
	x.listed++
	x.balance -= x.hash(e)
}

func (z *zip) directory(b []byte) *Refusal {
	le := binary.LittleEndian
	z.entry = zipEntry{
		flags: le.Uint16(b[4:]), method: le.Uint16(b[6:]), sum: le.Uint32(b[12:]),
		packed: int64(le.Uint32(b[16:])), size: int64(le.Uint32(b[20:])),
		nameLen: int(le.Uint16(b[24:])), extra: int(le.Uint16(b[26:])), more: int(le.Uint16(b[28:])),
		outer: le.Uint32(b[34:]), at: int64(le.Uint32(b[38:])),
	}
	if z.entry.flags&(zipEncrypted|zipStrong|zipMasked) != 0 {
		return refuse("GH-ARC-008", "an archive with encrypted members")
	}
	if z.entry.nameLen == 0 || z.entry.nameLen > maxZipName {
		return refuse("GH-ARC-001", "an archive with a name that is empty or longer than 1024 bytes")
	}
	if z.entry.extra+z.entry.more > maxZipExtra {
		return z.disagree("a header larger than 20 KiB")
	}
	z.goTo(zipDirectoryNames, z.entry.nameLen+z.entry.extra+z.entry.more)
	return nil
}

// Unix file types in the upper half of a directory's attributes: those that are
// no file and no folder. Some readers take them for that whatever system the member
// says it is from.
const (
	typeMask, typePipe, typeCharacter, typeBlock, typeLink, typeSocket = 0xf000, 0x1000, 0x2000, 0x6000, 0xa000, 0xc000
)

func (z *zip) listed() *Refusal {
	e := &z.entry
	e.name = string(z.buf[:e.nameLen])
	extra := z.buf[e.nameLen : e.nameLen+e.extra]
	e.zip64(extra, false)
	switch e.outer >> 16 & typeMask {
	case typePipe, typeCharacter, typeBlock, typeLink, typeSocket:
		return refuse("GH-ARC-002", "an archive with a link or device, "+quote(e.name))
	}
	if r := z.alsoNamed(e, extra); r != nil {
		return r
	}
	z.index.remove(e)
	z.goTo(zipRecord, 4)
	return nil
}

// directoryEnds is called at the first record behind the directory.
func (z *zip) directoryEnds() {
	if z.index.start < 0 {
		z.index.start = z.offset - 4
	}
	if z.index.length < 0 {
		z.index.length = z.offset - 4 - z.index.start
	}
}

// points tells whether an end of the directory describes the one that was read. Some
// readers go by its beginning, some by its length.
func (z *zip) points(count, length, start int64) bool {
	return count == int64(z.index.listed) && length == z.index.length && start == z.index.start
}

// end64 reads the wide end of the directory (APPNOTE 4.3.14), which counts for readers
// that know it, whether or not the other one says so.
func (z *zip) end64(b []byte) *Refusal {
	wide := func(at int) int64 { return int64(binary.LittleEndian.Uint64(b[at:]) & (1<<63 - 1)) } // #nosec G115 -- masked
	if wide(0) != int64(len(b))-8 || wide(20) != wide(28) || !z.points(wide(28), wide(36), wide(44)) {
		return z.disagree("an end that points elsewhere than to its directory")
	}
	z.goTo(zipRecord, 4)
	return nil
}

// locator64 reads what leads to the wide end (APPNOTE 4.3.15).
func (z *zip) locator64(b []byte) *Refusal {
	if z.index.end64 < 0 || binary.LittleEndian.Uint64(b[4:]) != uint64(z.index.end64) || z.index.end64+56+20 != z.offset { // #nosec G115 -- not negative
		return z.disagree("an end that points elsewhere than to its directory")
	}
	z.goTo(zipRecord, 4)
	return nil
}

// endRecord reads the end of the directory (APPNOTE 4.3.16). What has no room in it
// stands in the wide one.
func (z *zip) endRecord(b []byte) *Refusal {
	le := binary.LittleEndian
	count, length, start := int64(le.Uint16(b[6:])), int64(le.Uint32(b[8:])), int64(le.Uint32(b[12:]))
	if z.index.end64 >= 0 {
		count, length, start = wideOr(count, 0xffff, int64(z.index.listed)), wideOr(length, 0xffffffff, z.index.length), wideOr(start, 0xffffffff, z.index.start)
	}
	switch {
	case le.Uint16(b) != 0 && le.Uint16(b) != 0xffff:
		return z.disagree("parts in other files")
	case z.index.members != z.index.listed || z.index.balance != 0:
		return z.disagree("a directory that does not list what is there")
	case !z.points(count, length, start):
		return z.disagree("an end that points elsewhere than to its directory")
	}
	z.left = int64(le.Uint16(b[16:]))
	z.goTo(zipComment, 0)
	if z.left == 0 {
		z.goTo(zipDone, 0)
	}
	return nil
}

func wideOr(stated, full, wide int64) int64 {
	if stated == full {
		return wide
	}
	return stated
}

func (z *zip) end(int64) *Refusal {
	if z.state != zipDone {
		return truncated("an archive without the end of its directory")
	}
	if z.gap && z.facts.is() != "apk" {
		return z.disagree("bytes that are no member")
	}
	if r := z.charts.end(); r != nil || z.want == "" {
		return r
	}
	if !z.facts.mayBe(z.want) {
		return &Refusal{Rule: RuleMismatch, Reason: "the members make it a " + z.facts.is() + ", not a " + z.want, Problem: unsupported}
	}
	return nil
}

// alsoNamed judges the name in UTF-8 that a header may have besides its own
// (APPNOTE 4.6.9), and that Info-ZIP, libarchive and Python prefer. What a document's
// parts are is told by their names, so there it must be the same.
func (z *zip) alsoNamed(e *zipEntry, extra []byte) *Refusal {
	const unicodePath, before = 0x7075, 5 // a version and a sum
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if len(extra) < 4+n {
			return nil
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != unicodePath || n <= before || string(field[before:]) == e.name {
			continue
		}
		switch name := string(field[before:]); {
		case z.want != "" && z.want != "zip" && z.want != "jar":
			return z.disagree("a member of two names, " + quote(e.name))
		case unsafeMember(name):
			return refuse("GH-ARC-001", "an archive with the member "+quote(name)+", by its other name")
		case programName(name):
			return refuse("GH-ARC-004", "an archive with the program "+quote(name)+", by its other name")
		}
	}
	return nil
}

// endsAsZIP tells whether a reader that begins at the end finds an archive.
func endsAsZIP(tail []byte) bool {
	const mark = "PK\x05\x06"
	if !blocks.Contains(blocks.String(tail), mark) {
		return false
	}
	i := bytes.LastIndex(tail, []byte(mark))
	return i >= 0 && len(tail)-i >= 22 && len(tail)-i-22 == int(binary.LittleEndian.Uint16(tail[i+20:]))
}

func unsafeMember(name string) bool {
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, `\`) || strings.Contains(name, "\x00") || len(name) > 1 && name[1] == ':' {
		return true
	}
	if strings.Contains(name, ":") || runesMistake(name) != "" {
		return true
	}
	name = strings.ReplaceAll(name, `\`, "/")
	for segment := range strings.SplitSeq(name, "/") {
		if segment == ".." || deviceMember(segment) {
			return true
		}
	}
	return disguisedAscent(strings.ToLower(name))
}

// deviceMember leaves aux.c and aux.h alone, which archives of sources have.
func deviceMember(segment string) bool {
	base, _, extended := strings.Cut(segment, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	return isDevice(base) && !(base == "AUX" && extended)
}

// disguisedAscent tells names that become ones with ".." where percent signs are
// resolved, or where "../" is taken out once.
func disguisedAscent(lower string) bool {
	for _, part := range [...]string{"%2e%2e", "..%2f", "..%5c", ".%2e/", "%2e./", "....//"} {
		if strings.Contains(lower, part) {
			return true
		}
	}
	return false
}

// zipFacts is what tells kinds of archives apart.
type zipFacts struct {
	typed    bool // the member mimetype is being read
	seen     bool // a member
	late     bool // mimetype is not the first member, or compressed
	mimetype []byte
	has      map[string]bool
}

func newZIPFacts() zipFacts { return zipFacts{has: map[string]bool{}} }

func (f *zipFacts) begin(e *zipEntry) {
	f.typed = e.name == "mimetype" && len(f.mimetype) == 0 && (e.method == 0 || e.method == 8)
	f.late = f.late || f.typed && (f.seen || e.method != 0)
	f.seen = true
	for _, telling := range [...]string{"AndroidManifest.xml", "META-INF/MANIFEST.MF", "[Content_Types].xml", "word/", "xl/", "ppt/"} {
		if strings.HasPrefix(e.name, telling) {
			f.has[telling] = true
		}
	}
}

func (f *zipFacts) content(b []byte) {
	if f.typed && len(f.mimetype) < 80 {
		f.mimetype = append(f.mimetype, b[:min(len(b), 80-len(f.mimetype))]...)
	}
}

// says names the kind that the member mimetype tells, "" if it tells none.
func (f *zipFacts) says() string {
	mimetype := strings.TrimSpace(string(f.mimetype))
	for i := range kinds {
		if mimetype != "" && isContainer(kinds[i].id) && kinds[i].hasMedia(mimetype) {
			return kinds[i].id
		}
	}
	return ""
}

// mayBe tells whether readers take the archive for a file of that kind. Those of
// OpenDocument and EPUB find mimetype wherever it lies, as packed again it does; an
// archive of such a document's parts is still one.
func (f *zipFacts) mayBe(kind string) bool {
	is := f.is()
	return is == kind || f.late && is == "zip" && !f.has["[Content_Types].xml"] && f.says() == kind
}

// is names what the members make of the archive.
func (f *zipFacts) is() string {
	if says := f.says(); says != "" && !f.late {
		return says
	}
	switch {
	case f.has["AndroidManifest.xml"]:
		return "apk"
	case f.has["META-INF/MANIFEST.MF"]:
		return "jar"
	case !f.has["[Content_Types].xml"]:
		return "zip"
	case f.has["word/"]:
		return "docx"
	case f.has["xl/"]:
		return "xlsx"
	case f.has["ppt/"]:
		return "pptx"
	}
	return "zip"
}
