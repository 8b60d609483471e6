package upload

import (
	"bytes"
	"hash/fnv"
	"strconv"
	"strings"
)

const (
	tarBlock    = 512
	maxTarLinks = 1024
	maxTarNames = 16 << 10 // of one extended header
)

// tar follows the headers (POSIX.1-2017, pax; GNU long names) and judges the
// members.
type tar struct {
	env   env
	block []byte
	left  int64 // bytes of the member, without padding
	pad   int64
	inner *member
	// An extended header describes the member after it.
	ext      byte
	extended []byte
	name     string
	link     string
	renamed  bool // name is that of a sparse member, which counts before its path
	mapFirst bool // the next member's content has its map before it
	hasSize  bool
	size     int64
	zeros    int
	pax      bool // there has been an extended header
	mapped   bool // this block tells where the pieces of a sparse member belong
	sparse   sparseMap
	links    map[uint64]bool // the links so far, by a hash of their names
}

func newTAR(e env) checker { return &tar{env: e, links: map[uint64]bool{}} }

func (t *tar) write(b []byte) *Refusal {
	for len(b) > 0 {
		var n int64
		var r *Refusal
		switch {
		case t.left > 0 && !t.mapped:
			n = min(t.left, int64(len(b)))
			r = t.content(b[:n])
		case t.pad > 0 && !t.mapped:
			n = min(t.pad, int64(len(b)))
			t.pad -= n
		default:
			n = int64(min(tarBlock-len(t.block), len(b)))
			t.block = append(t.block, b[:n]...)
			if len(t.block) == tarBlock {
				r = t.read(t.block)
				t.block = t.block[:0]
			}
		}
		if r != nil {
			return r
		}
		b = b[n:]
	}
	return nil
}

func (t *tar) content(b []byte) *Refusal {
	t.left -= int64(len(b))
	if t.ext != 0 {
		t.extended = append(t.extended, b...)
		if t.left == 0 {
			return t.extension()
		}
		return nil
	}
	if t.inner == nil {
		return nil
	}
	if r := t.env.budget.spend(len(b)); r != nil {
		return r
	}
	if r := t.inner.write(t.sparse.skip(b)); r != nil {
		return r
	}
	return t.finish()
}

// sparseMap is what stands before the content of a sparse member of GNU's format 1.0: how
// many pieces there are, then two numbers for each, one a line, up to the end of a block.
type sparseMap struct {
	lines  int64 // that are still to come
	number int64 // the first, as far as it has been read
	at     int64
	first  bool
}

func (m *sparseMap) begin() { *m = sparseMap{lines: 1, first: true} }

// skip is what b has behind the map.
func (m *sparseMap) skip(b []byte) []byte {
	for len(b) > 0 && (m.lines > 0 || m.at%tarBlock != 0) {
		if m.lines > 0 {
			m.read(b[0])
		}
		m.at++
		b = b[1:]
	}
	if m.lines == 0 {
		m.at = 0
	}
	return b
}

func (m *sparseMap) read(c byte) {
	switch {
	case c == '\n':
		if m.lines--; m.first {
			m.lines, m.first = 2*m.number, false
		}
	case m.first && c >= '0' && c <= '9' && m.number < 1<<32:
		m.number = m.number*10 + int64(c-'0')
	}
}

// finish ends the member if all of it has been seen.
func (t *tar) finish() *Refusal {
	if t.left > 0 || t.inner == nil {
		return nil
	}
	inner := t.inner
	t.inner = nil
	return inner.end()
}

// read takes a block that is no content.
func (t *tar) read(b []byte) *Refusal {
	if t.mapped { // the rest of an old sparse member's map
		t.mapped = b[504] != 0
		return nil
	}
	return t.header(b)
}

func (t *tar) header(b []byte) *Refusal {
	if bytes.Count(b, []byte{0}) == tarBlock {
		t.zeros++
		return nil
	}
	if t.zeros >= 2 {
		return unsafe(RuleAppended, "something after a TAR's end")
	}
	t.zeros = 0
	if !isTar(b) {
		return truncated("a TAR whose header's sum is wrong")
	}
	size, ok := tarNumber(b[124:136])
	if !ok || size < 0 {
		return truncated("a TAR whose member has no size")
	}
	t.ext, t.extended = 0, t.extended[:0]
	switch b[156] {
	case 'x', 'g', 'L', 'K':
		if size > maxTarNames {
			return refuse("GH-ARC-001", "a TAR with a name longer than 16 KiB")
		}
		t.ext = b[156]
		t.pax = t.pax || t.ext == 'x' || t.ext == 'g'
		t.left, t.pad = size, padding(size)
		return nil
	}
	if t.hasSize {
		size = t.size
	}
	t.left, t.pad = size, padding(size)
	return t.begin(b)
}

func padding(size int64) int64 { return (tarBlock - size%tarBlock) % tarBlock }

// begin judges a member's header, with what an extended one said before it.
func (t *tar) begin(b []byte) *Refusal {
	name, link := t.name, t.link
	if name == "" {
		name = cString(b[:100])
		switch prefix := cString(b[345:500]); {
		case prefix == "":
		case bytes.HasPrefix(b[257:], []byte("ustar\x00")):
			name = prefix + "/" + name
		case strings.HasPrefix(prefix, "/") || strings.Contains("/"+prefix+"/", "/../"): // which some readers heed in older formats, too
			return refuse("GH-ARC-001", "a TAR with the member "+quote(prefix+"/"+name))
		}
	}
	if link == "" {
		link = cString(b[157:257])
	}
	mapFirst := t.mapFirst
	t.name, t.link, t.hasSize, t.renamed, t.mapFirst = "", "", false, false, false
	inner, r := newMember(t.env, name)
	if r != nil {
		return r
	}
	if t.through(name) {
		return refuse("GH-ARC-002", "a TAR that writes through its own link, "+quote(name))
	}
	if t.left > 0 && t.ambiguous(b[156], name) {
		return refuse("GH-ARC-003", "a TAR with content where readers disagree whether there is any, "+quote(name))
	}
	switch b[156] {
	case '0', 0, '7', 'S', 'D', 'V': // a list of GNU's tar, and its label, are files to other readers
		if b[156] == 'S' {
			if r := t.grown(b); r != nil {
				return r
			}
		}
		if t.sparse = (sparseMap{}); mapFirst {
			t.sparse.begin()
		}
		t.inner = inner
		return t.finish()
	case '1', '2':
		t.left, t.pad = 0, 0
		return t.linked(b[156], name, link)
	case '5':
		return nil
	default:
		return refuse("GH-ARC-002", "a TAR with a device, a pipe or a member of no known kind, "+quote(name))
	}
}

// grown counts what the holes of an old sparse member grow to.
func (t *tar) grown(b []byte) *Refusal {
	t.mapped = b[482] != 0
	whole, ok := tarNumber(b[483:495])
	if !ok {
		return truncated("a TAR whose sparse member has no size")
	}
	return t.env.budget.spend64(max(0, whole-t.left))
}

// ambiguous tells members whose size some readers skip, and others take for a mistake,
// so that they go on with other headers: folders, also by a slash at the end of a name,
// and links, of which a hard one may have content in pax, and had a size without any
// before (POSIX.1-2017, pax, "ustar Interchange Format").
func (t *tar) ambiguous(kind byte, name string) bool {
	switch kind {
	case '1':
		return t.pax
	case '2', '5':
		return true
	case '0', 0:
		return strings.HasSuffix(name, "/")
	}
	return false
}

func (t *tar) linked(kind byte, name, target string) *Refusal {
	base := ""
	if i := strings.LastIndexByte(strings.TrimSuffix(name, "/"), '/'); kind == '2' && i >= 0 {
		base = name[:i]
	}
	if leaves(base, target) {
		return refuse("GH-ARC-002", "a TAR with a link that leads out, "+quote(name)+" to "+quote(target))
	}
	if kind == '2' {
		if len(t.links) >= maxTarLinks {
			return refuse("GH-ARC-002", "a TAR with more than "+strconv.Itoa(maxTarLinks)+" links")
		}
		t.links[pathHash(clean(name))] = true
	}
	return nil
}

// leaves tells whether target, seen from the folder base, is outside of the
// archive. A step up from a folder by name may be one from wherever a link of that
// name leads to.
func leaves(base, target string) bool {
	if target == "" || strings.HasPrefix(target, "/") || strings.ContainsAny(target, "\\\x00") {
		return true
	}
	depth, named := 0, false
	for segment := range strings.SplitSeq(base, "/") {
		if segment != "" && segment != "." {
			depth++ // none is "..": the name would have been refused
		}
	}
	for segment := range strings.SplitSeq(target, "/") {
		switch segment {
		case "", ".":
		case "..":
			if depth--; depth < 0 || named {
				return true
			}
		default:
			named = true
		}
	}
	return false
}

// clean is the name without what makes no difference in it.
func clean(name string) string {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	if !strings.Contains(name, "//") && !strings.Contains(name, "/./") {
		return name
	}
	var out []string
	for segment := range strings.SplitSeq(name, "/") {
		if segment != "" && segment != "." {
			out = append(out, segment)
		}
	}
	return strings.Join(out, "/")
}

// through tells whether a folder of the name is a link of this archive.
func (t *tar) through(name string) bool {
	if len(t.links) == 0 {
		return false
	}
	name = clean(name)
	for i := range len(name) {
		if name[i] == '/' && t.links[pathHash(name[:i])] {
			return true
		}
	}
	return t.links[pathHash(name)]
}

func pathHash(path string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path)) // never fails
	return h.Sum64()
}

// extension reads an extended header: path, linkpath and size count, and what GNU's tar
// says of sparse members.
func (t *tar) extension() *Refusal {
	kind := t.ext
	t.ext = 0
	text := string(t.extended)
	switch kind {
	case 'L':
		t.name = strings.TrimRight(text, "\x00")
		return nil
	case 'K':
		t.link = strings.TrimRight(text, "\x00")
		return nil
	}
	for text != "" {
		number, rest, ok := strings.Cut(text, " ")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n <= len(number)+1 || n > len(text) {
			return truncated("a TAR whose extended header is broken")
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(rest[:n-len(number)-1], "\n"), "=")
		if kind == 'g' {
			if isMembers(key) { // some readers would take it for that of all that follow
				return refuse("GH-ARC-003", "a TAR that says once what all of its members are called, or how large they are")
			}
			key = ""
		}
		switch key {
		case "path", "GNU.sparse.name":
			if unsafeMember(value) {
				return refuse("GH-ARC-001", "an archive with the member "+quote(value))
			}
			if sparse := key != "path"; sparse || !t.renamed {
				t.name, t.renamed = value, sparse
			}
		case "GNU.sparse.realsize", "GNU.sparse.size":
			whole, err := strconv.ParseInt(value, 10, 62)
			if err != nil || whole < 0 {
				return truncated("a TAR whose extended header has no size")
			}
			if r := t.env.budget.spend64(whole); r != nil {
				return r
			}
		case "GNU.sparse.major":
			t.mapFirst = value == "1"
		case "linkpath":
			t.link = value
		case "size":
			t.size, err = strconv.ParseInt(value, 10, 62)
			if t.hasSize = true; err != nil || t.size < 0 {
				return truncated("a TAR whose extended header has no size")
			}
		}
		text = text[n:]
	}
	return nil
}

// isMembers tells the keys that only make sense for one member.
func isMembers(key string) bool {
	return key == "path" || key == "linkpath" || key == "size" || strings.HasPrefix(key, "GNU.sparse.")
}

func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// tarNumber reads octal digits, or GNU's base 256.
func tarNumber(b []byte) (int64, bool) {
	if b[0]&0x80 != 0 {
		v := int64(b[0] & 0x7f)
		for _, c := range b[1:] {
			if v >= 1<<54 {
				return 0, false
			}
			v = v<<8 | int64(c)
		}
		return v, true
	}
	s := strings.Trim(string(b), " \x00")
	if s == "" {
		return 0, true
	}
	v, err := strconv.ParseInt(s, 8, 62)
	return v, err == nil
}

func (t *tar) end(int64) *Refusal {
	if t.left > 0 || len(t.block) > 0 || t.ext != 0 || t.mapped {
		return truncated("a TAR that is cut off")
	}
	return nil
}
