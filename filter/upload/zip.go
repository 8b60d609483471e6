package upload

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// zip follows the local headers of an archive as they stream past, to learn
// from the names what the archive is, and wants its directory's end at the end.
// Members are not inflated.
type zip struct {
	want   string
	tail   tail
	carry  []byte
	names  []string
	macro  string
	bad    string
	first  string
	stored string // content of a stored first member "mimetype"
}

const (
	zipTail     = 4096
	maxZipNames = 4096
	localHeader = 30
)

func newZIP(want string) func() checker {
	return func() checker { return &zip{want: want, tail: tail{max: zipTail}} }
}

var localSignature = []byte("PK\x03\x04")

func (z *zip) write(b []byte) *Refusal {
	z.tail.write(b)
	data := b
	if len(z.carry) > 0 {
		z.carry = append(z.carry, b...)
		data = z.carry
	}
	for {
		i := bytes.Index(data, localSignature)
		if i < 0 {
			data = data[max(0, len(data)-len(localSignature)+1):]
			break
		}
		data = data[i:]
		if len(data) < localHeader {
			break
		}
		n := int(binary.LittleEndian.Uint16(data[26:]))
		extra := int(binary.LittleEndian.Uint16(data[28:]))
		// 128 bytes beyond: the content of a first member named mimetype.
		if n <= 1024 && len(data) < localHeader+n+extra+128 && len(data) < 2048 {
			break
		}
		z.entry(data, n, extra)
		data = data[len(localSignature):]
	}
	z.carry = append(z.carry[:0], data...)
	return z.refusal()
}

func (z *zip) refusal() *Refusal {
	switch {
	case z.macro != "":
		return unsafe(RuleMacro, "macros in "+z.macro)
	case z.bad != "":
		return unsafe(RuleArchive, "an archive with the member "+z.bad)
	}
	return nil
}

func (z *zip) entry(data []byte, n, extra int) {
	if n == 0 || n > 1024 || len(data) < localHeader+n {
		return
	}
	name := string(data[localHeader : localHeader+n])
	if z.first == "" {
		z.first = name
		if name == "mimetype" && binary.LittleEndian.Uint16(data[8:]) == 0 {
			start := min(localHeader+n+extra, len(data))
			z.stored = string(data[start:min(start+80, len(data))])
		}
	}
	if len(z.names) < maxZipNames {
		z.names = append(z.names, name)
	}
	lower := strings.ToLower(name)
	if strings.HasSuffix(lower, "vbaproject.bin") || strings.HasSuffix(lower, "vbadata.xml") {
		z.macro = name
	}
	if unsafeMember(name) {
		z.bad = name
	}
}

func unsafeMember(name string) bool {
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, `\`) || strings.Contains(name, "\x00") || len(name) > 1 && name[1] == ':' {
		return true
	}
	for _, r := range name {
		if r == ':' || runeMistake(r) != "" {
			return true
		}
	}
	for segment := range strings.SplitSeq(strings.ReplaceAll(name, `\`, "/"), "/") {
		if segment == ".." {
			return true
		}
	}
	return false
}

func (z *zip) end(int64) *Refusal {
	// What is left may be an archive shorter than the window.
	for rest := z.carry; ; {
		i := bytes.Index(rest, localSignature)
		if i < 0 || len(rest[i:]) < localHeader {
			break
		}
		rest = rest[i:]
		z.entry(rest, int(binary.LittleEndian.Uint16(rest[26:])), int(binary.LittleEndian.Uint16(rest[28:])))
		rest = rest[len(localSignature):]
	}
	if r := z.refusal(); r != nil {
		return r
	}
	if r := z.endRecord(); r != nil {
		return r
	}
	if is := z.is(); is != z.want && !(z.want == "zip" && is == "zip") {
		return &Refusal{Rule: RuleMismatch, Reason: "the members make it a " + is + ", not a " + z.want, Problem: unsupported}
	}
	return nil
}

// endsAsZIP tells whether a reader that begins at the end finds an archive.
func endsAsZIP(tail []byte) bool {
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	return i >= 0 && len(tail)-i >= 22 && len(tail)-i-22 == int(binary.LittleEndian.Uint16(tail[i+20:]))
}

// endRecord wants the end of central directory (APPNOTE 4.3.16) as the last
// thing in the file.
func (z *zip) endRecord() *Refusal {
	t := z.tail.buf
	i := bytes.LastIndex(t, []byte("PK\x05\x06"))
	if i < 0 || len(t)-i < 22 {
		return truncated("an archive without the end of its directory")
	}
	if !endsAsZIP(t) {
		return unsafe(RuleAppended, "bytes after an archive's end")
	}
	return nil
}

// is names what the members make of the archive.
func (z *zip) is() string {
	has := func(prefix string) bool {
		for _, n := range z.names {
			if strings.HasPrefix(n, prefix) {
				return true
			}
		}
		return false
	}
	if strings.HasPrefix(z.stored, "application/") {
		for _, m := range [...][2]string{
			{"application/vnd.oasis.opendocument.text", "odt"}, {"application/vnd.oasis.opendocument.spreadsheet", "ods"},
			{"application/vnd.oasis.opendocument.presentation", "odp"}, {"application/epub+zip", "epub"},
		} {
			if strings.HasPrefix(z.stored, m[0]) {
				return m[1]
			}
		}
	}
	switch {
	case has("AndroidManifest.xml"):
		return "apk"
	case has("META-INF/MANIFEST.MF"):
		return "jar"
	case !has("[Content_Types].xml"):
		return "zip"
	case has("word/"):
		return "docx"
	case has("xl/"):
		return "xlsx"
	case has("ppt/"):
		return "pptx"
	}
	return "zip"
}
