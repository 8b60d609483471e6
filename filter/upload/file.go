package upload

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
	"gatehouse/filter/verdict"
)

// file judges one file.
type file struct {
	fileState
	ending [fileTail]byte // the memory of tail
	spare  *inflater
}

// fileState is all of a file that one has to be forgotten of before the next.
type fileState struct {
	policy   *Policy
	name     string // "" for a raw body without one
	sent     string // what the client called it, if it was rewritten
	named    bool   // whether a name is to be expected
	declared string // media type, "" if undeclared

	head    []byte // of the beginning that is kept, until the type is decided
	size    int64
	decided bool
	kind    *kind
	check   checker
	tail    tail
	// partial says that this is the first stretch of a file: its end says nothing.
	partial bool
	tap     Tap // nil if nobody is to scan it
	budget  budget
	kept    beginning
	at      int64 // where what was written last begins
}

// undeclaredMedia are what clients send that do not know the type.
func undeclaredMedia(media string) bool {
	switch media {
	case "", "application/octet-stream", "binary/octet-stream", "application/x-octet-stream", "application/unknown", "application/offset+octet-stream",
		"application/binary", "application/download", "application/x-download", "application/force-download", "application/x-force-download":
		return true
	}
	return false
}

func (p *Policy) newFile(name, declared string, named bool) (*file, *Refusal) {
	return p.fileIn(new(file), name, declared, named)
}

// fileIn is newFile in memory that another file does not need any more.
func (p *Policy) fileIn(f *file, name, declared string, named bool) (*file, *Refusal) {
	f.kept.release()
	f.fileState = fileState{policy: p, name: name, named: named, declared: declared, kept: beginning{pool: p.beginnings}}
	f.tail = tail{buf: f.ending[:0], max: fileTail}
	if undeclaredMedia(declared) {
		f.declared = ""
	}
	if name == "" {
		return f, nil // judged when it turns out not to be empty
	}
	return f, judgeName(name)
}

// judgeName says whether a file may have the name at all.
func judgeName(name string) *Refusal {
	if reason := nameMistake(name); reason != "" {
		return unsafe(RuleName, reason)
	}
	if hidesProgram(name) {
		return unsafe(RuleName, "the name hides the extension of a program")
	}
	return normalMistake(name)
}

// take is write for who settles the file afterwards, or ends it.
func (f *file) take(b []byte) *Refusal {
	f.at = f.size
	f.kept.write(b)
	if r := f.grow(int64(len(b))); r != nil {
		return r
	}
	f.tail.write(b)
	if f.decided {
		f.scanned(b)
		return f.rest(f.looked(b))
	}
	had := len(f.head)
	if f.head = f.kept.head(); len(f.head) < headSize {
		return nil
	}
	n := headSize - had
	if r := f.decide(); r != nil {
		return r
	}
	f.scanned(b[n:])
	return f.rest(f.looked(b[n:]))
}

// settle makes the file one that looks no more at what was written last. Until then,
// that must not change.
func (f *file) settle() {
	f.kept.settle()
	if f.head != nil {
		f.head = f.kept.head()
	}
}

// write judges the next bytes of the file.
func (f *file) write(b []byte) *Refusal {
	r := f.take(b)
	f.settle()
	return r
}

func (f *file) grow(n int64) *Refusal {
	if f.size += n; f.size > f.policy.maxFile {
		return &Refusal{Rule: RuleFileSize, Problem: tooLarge,
			Reason: "a file larger than " + strconv.FormatInt(f.policy.maxFile, 10) + " bytes"}
	}
	return nil
}

// unseen tells whether of all that follows only the end is looked at.
func (f *file) unseen() bool { return f.tap == nil && f.size >= f.reach() }

// pass is write for n bytes that nobody looks at.
func (f *file) pass(n int64) *Refusal {
	f.tail.buf = f.tail.buf[:0]
	f.at = f.size
	return f.grow(n)
}

// mediaLook is how far into audio and video one looks for code. Their headers and
// tags stand there; what follows is the recording, whatever its size.
const mediaLook = 1 << 20

// typeLook is how far one looks into media of which the policy wants the type alone:
// a picture's size stands behind its comments and its colour profile.
const typeLook = 256 << 10

// reach is how far into the file one looks.
func (f *file) reach() int64 {
	switch {
	case f.typeOnly():
		return typeLook
	case f.headOnly():
		return mediaLook
	}
	return math.MaxInt64
}

// typeOnly tells whether of the file no more than its type is wanted. A drawing is
// no medium, but a text.
func (f *file) typeOnly() bool {
	if !f.policy.mediaType || f.kind == nil || f.kind.id == "svg" {
		return false
	}
	return f.kind.group == groupImage || f.kind.group == groupAudio || f.kind.group == groupVideo
}

// looked cuts off what nobody looks at of the last bytes written.
func (f *file) looked(b []byte) []byte {
	return b[:min(int64(len(b)), max(0, f.reach()-(f.size-int64(len(b)))))]
}

// headOnly tells whether a look at the beginning and the size are all that this
// file is judged by.
func (f *file) headOnly() bool {
	if f.kind == nil || f.kind.group != groupAudio && f.kind.group != groupVideo {
		return false
	}
	switch f.check.(type) {
	case *image, *raster, *riff:
		return true
	}
	return false
}

func (f *file) rest(b []byte) *Refusal {
	if f.check == nil {
		return nil
	}
	return f.check.write(b)
}

func (f *file) end() *Refusal {
	if f.size == 0 {
		return f.empty()
	}
	if !f.decided {
		if r := f.decide(); r != nil {
			return r
		}
	}
	if r := f.ended(); r != nil {
		return r
	}
	f.endScan()
	return nil
}

func (f *file) ended() *Refusal {
	f.at = f.size
	if f.partial {
		return nil
	}
	if f.check != nil && (f.size <= typeLook || !f.typeOnly() || f.headOnly()) {
		if r := f.check.end(f.size); r != nil {
			return r
		}
	}
	if f.kind.id == "xz" && !bytes.HasSuffix(bytes.TrimRight(f.tail.buf, "\x00"), []byte("YZ")) {
		return truncated("an XZ without its footer")
	}
	if o, is := f.check.(*ole); is && !o.named(extension(f.name)) {
		return &Refusal{Rule: RuleMismatch, Reason: "a compound file of another program than the name says", Problem: unsupported}
	}
	if f.headOnly() && f.size > f.reach() {
		if r := f.lastLook(); r != nil {
			return r
		}
	}
	if f.kind.group != groupArchive && !isContainer(f.kind.id) && endsAsZIP(f.tail.buf) {
		return unsafe(RulePolyglot, "a "+f.kind.id+" that is a ZIP archive from its end")
	}
	return nil
}

// lastLook looks for code in the last bytes of a recording, of which only the beginning
// was looked at: that is where it is appended.
func (f *file) lastLook() *Refusal {
	last := raster{}
	if r := last.write(f.tail.buf); r != nil {
		return r
	}
	return last.code.end()
}

// fileTail is where the end of an archive's directory would stand.
const fileTail = 512

func isContainer(id string) bool { return contentIs("zip", kindByID(id)) }

// empty: a form with no file chosen sends an empty part without a name.
func (f *file) empty() *Refusal {
	if f.name == "" {
		return nil
	}
	if k := kindByExtension(extension(f.name)); k == nil || k.group != groupText || k.id == "json" || k.id == "xml" {
		return truncated("an empty file")
	}
	return nil
}

// decide compares content, name and declaration, once the head is there.
func (f *file) decide() *Refusal {
	f.decided = true
	if f.name == "" && f.named {
		return unsafe(RuleName, "a file without a name")
	}
	if isEICAR(f.head) {
		return unsafe(RuleTestVirus, "the EICAR test file")
	}
	found := detect(f.head)
	if extension(f.name) == "pdf" && latePDF(f.head) {
		found = "pdf"
	}
	if found == "html" {
		found = likePage(extension(f.name), f.head)
	}
	k, r := f.agree(found)
	if r != nil {
		return r
	}
	f.kind = k
	if k.id == "json" && found == "txt" && !beginsJSON(f.head) {
		return &Refusal{Rule: RuleMismatch, Reason: "a text that is no JSON", Problem: unsupported}
	}
	if !f.policy.allow[k.id] {
		return &Refusal{Rule: RuleNotAllowed, Reason: "type " + k.id + " is not allowed here", Problem: unsupported}
	}
	f.budget = budget{max: f.policy.maxUnpacked}
	e := env{policy: f.policy, budget: &f.budget, kind: k.id, picture: k.group == groupImage, spare: &f.spare}
	if r := e.headPixels(k.id, f.head); r != nil {
		return r
	}
	if alsoOther(k, f.head) {
		return unsafe(RulePolyglot, "a "+k.id+" that begins as something else, too")
	}
	if k.check != nil {
		f.check = k.check(e)
	}
	head := f.head
	f.head = nil
	f.beginScan()
	f.scanned(head)
	return f.rest(head)
}

// agree finds the one type that content, extension and declaration agree about.
func (f *file) agree(found string) (*kind, *Refusal) {
	ext := extension(f.name)
	if found == "" {
		return nil, &Refusal{Rule: RuleUnknown, Reason: "the content is of no known type, the name says " + quote(ext), Problem: unsupported}
	}
	f.kind = kindByID(found)
	for _, i := range f.policy.holding[found] {
		k := &kinds[i]
		if f.name != "" && !k.hasExtension(ext) || f.declared != "" && !k.hasMedia(f.declared) ||
			found == "mp3" && k.id == "flac" && endsID3(f.head) {
			continue
		}
		return k, nil
	}
	return nil, &Refusal{
		Rule: RuleMismatch, Problem: unsupported,
		Reason: "the content is " + found + ", the name says " + quote(ext) + ", the declaration " + quote(f.declared),
	}
}

// alsoOther tells media that readers of PDF would take for one, because they look
// for its header in the first 1024 bytes, and those whose first number begins a
// comment of JavaScript.
func alsoOther(k *kind, head []byte) bool {
	switch k.group {
	case groupImage, groupAudio, groupVideo, groupFont:
	default:
		return false
	}
	return k.id != "svg" && blocks.Contains(blocks.String(head[:min(len(head), 1024)]), "%PDF-") ||
		k.id == "gif" && at(head, 6, "/*") || k.id == "jpeg" && at(head, 4, "/*") && !at(head, 6, "JFIF")
}

// beginsJSON tells the values that are no object and no array, and UTF-16.
func beginsJSON(head []byte) bool {
	b := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n\x1e")
	return len(b) > 0 && strings.IndexByte("{[\"-0123456789tfn\xff\xfe", b[0]) >= 0
}

// latePDF finds the header of a PDF behind other bytes, where readers accept it
// (ISO 32000-1, annex H.3.4.1). Only a file that is named so is taken for one.
func latePDF(head []byte) bool {
	head = head[:min(len(head), 1024)]
	i := bytes.Index(head, []byte("%PDF-"))
	return i > 0 && detect(head[:i]) != "html" && detect(head[:i]) != "php" && detect(head[:i]) != "script" && !knownBinary(head)
}

func knownBinary(head []byte) bool { return detectMagic(head) != "" }

func quote(s string) string { return strconv.Quote(s) }

// contentIs tells whether a head of that kind may belong to a file of kind k.
func contentIs(found string, k *kind) bool {
	if found == k.id {
		return true
	}
	switch found {
	case "zip":
		switch k.id {
		case "docx", "xlsx", "pptx", "odt", "ods", "odp", "odg", "epub", "jar", "apk":
			return true
		}
	case "ole":
		return k.id == "msi"
	case "mp3":
		return k.id == "flac" // behind a tag that is no part of the format
	case "mov", "mp4":
		return k.id == "mov" || k.id == "mp4"
	case "ttf", "otf": // either extension, whatever the outlines (OpenType 1.9, "Recommendations")
		return k.id == "ttf" || k.id == "otf"
	case "txt":
		// XML too: in UTF-16 it does not begin with a byte "<".
		return k.id == "csv" || k.id == "yaml" || k.id == "json" || k.id == "xml"
	case "json":
		return k.id == "txt" || k.id == "yaml" || k.id == "csv"
	case "xml":
		return k.id == "txt"
	}
	return false
}

func kindByExtension(ext string) *kind {
	for i := range kinds {
		if ext != "" && kinds[i].hasExtension(ext) {
			return &kinds[i]
		}
	}
	return nil
}

func (f *file) report() verdict.File {
	out := verdict.File{Name: f.name, Sent: f.sent, Declared: f.declared, Size: f.size}
	if len(out.Name) > maxName {
		out.Name = out.Name[:maxName]
	}
	if len(out.Sent) > maxName {
		out.Sent = out.Sent[:maxName]
	}
	if len(out.Declared) > 100 {
		out.Declared = out.Declared[:100]
	}
	if f.kind != nil {
		out.Detected = f.kind.id
	} else if len(f.head) > 0 {
		out.Detected = detect(f.head)
	}
	return out
}
