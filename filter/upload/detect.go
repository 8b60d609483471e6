package upload

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"gatehouse/filter/upload/internal/blocks"
)

// headSize is what a type is decided on.
const headSize = 4096

// detect names the type of a file by its first bytes, "" if it is none that is
// known. The containers that only their members tell apart are "zip" here.
func detect(head []byte) string {
	if id := detectMagic(head); id != "" {
		return id
	}
	return detectText(head)
}

// isProseAbout tells a text that happens to begin with the mark of another type:
// pictures, sounds and fonts are never all text, and the two documents that may be
// have more than a mark.
func isProseAbout(id string, head []byte) bool {
	switch id {
	case "pdf":
		return isProse(head) && !blocks.Contains(blocks.String(head), "obj")
	case "rtf":
		return len(head) > 6 && head[5] == ' ' && isASCIILetter(head[6])
	case "gif", "mp3", "flac", "woff", "woff2", "wav", "avi", "webp", "aiff":
		return isProse(head)
	}
	return false
}

// detectMagic is detect without the kinds of text.
func detectMagic(head []byte) string {
	if len(head) == 0 {
		return ""
	}
	for left := magicsOf[head[0]]; left != 0; left &= left - 1 {
		if m := &magics[bits.TrailingZeros64(left)]; m.matches(head) && !isProseAbout(m.id, head) {
			return m.id
		}
	}
	return ""
}

// magic is what a type begins with.
type magic struct {
	id string
	// first are the bytes that such a file can begin with, any if it is empty: most
	// of the others need not be asked about it then.
	first   string
	matches func(b []byte) bool
}

// magicsOf has, by a file's first byte, a bit for each of the magics that may match.
var magicsOf = func() (of [256]uint64) {
	for i := range magics {
		for c := range of {
			if first := magics[i].first; first == "" || strings.IndexByte(first, byte(c)) >= 0 { // #nosec G115 -- below 256
				of[c] |= 1 << i
			}
		}
	}
	return of
}()

func prefix(id, s string) magic {
	return magic{id, s[:1], func(b []byte) bool { return at(b, 0, s) }}
}

func at(b []byte, offset int, s string) bool {
	return len(b) >= offset+len(s) && blocks.String(b[offset:offset+len(s)]) == s
}

func brand(names ...string) func([]byte) bool {
	return func(b []byte) bool {
		if !at(b, 4, "ftyp") || len(b) < 16 {
			return false
		}
		end := int(min(int64(binary.BigEndian.Uint32(b)), int64(len(b)), 256))
		for i := 8; i+4 <= end; i += 4 {
			if i == 12 { // the minor version
				continue
			}
			for _, name := range names {
				if blocks.String(b[i:i+4]) == name {
					return true
				}
			}
		}
		return false
	}
}

// magics are tried in order: what is more exact comes first.
var magics = []magic{
	{"jpeg", "\xff", func(b []byte) bool {
		return len(b) > 3 && b[0] == 0xff && b[1] == 0xd8 && b[2] == 0xff && b[3] >= 0xc0 && b[3] != 0xff
	}},
	{"png", "\x89", func(b []byte) bool { return at(b, 0, "\x89PNG\r\n\x1a\n") && at(b, 12, "IHDR") }},
	{"gif", "G", func(b []byte) bool { return at(b, 0, "GIF87a") || at(b, 0, "GIF89a") }},
	{"webp", "R", func(b []byte) bool { return at(b, 0, "RIFF") && at(b, 8, "WEBPVP8") }},
	{"wav", "R", func(b []byte) bool { return at(b, 0, "RIFF") && at(b, 8, "WAVE") }},
	{"avi", "R", func(b []byte) bool { return at(b, 0, "RIFF") && at(b, 8, "AVI ") }},
	{"jxl", "\x00\xff", func(b []byte) bool {
		return at(b, 0, "\x00\x00\x00\x0cJXL \r\n\x87\n") || at(b, 0, "\xff\x0a") && !isProse(b)
	}},
	{"jp2", "\x00\xff", func(b []byte) bool { // in boxes, or a bare codestream
		return at(b, 0, "\x00\x00\x00\x0cjP  \r\n\x87\n") || at(b, 0, jp2Stream)
	}},
	{"avif", "", func(b []byte) bool { return brand("avif", "avis")(b) || at(b, 4, "ftypmif3avif") }},
	{"heic", "", brand("heic", "heix", "hevc", "mif1", "msf1", "heim", "heis")},
	{"mov", "", func(b []byte) bool {
		return at(b, 4, "ftypqt  ") || at(b, 4, "moov") || at(b, 4, "mdat") || at(b, 4, "wide")
	}},
	{"mp4", "", brand("isom", "iso2", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "M4V ", "M4A ", "M4VH", "dash", "MSNV", "f4v ", "3gp4", "3gp5", "3gp6", "3gp7", "3g2a", "3g2b", "3g2c", "M4B ", "M4P ", "iso3", "iso7", "iso8", "iso9")},
	{"bmp", "B", func(b []byte) bool {
		if !at(b, 0, "BM") || len(b) < 30 {
			return false
		}
		dib := binary.LittleEndian.Uint32(b[14:])
		return dib == 12 || dib == 16 || dib == 40 || dib == 52 || dib == 56 || dib == 64 || dib == 108 || dib == 124
	}},
	{"ico", "\x00", func(b []byte) bool {
		return len(b) > 22 && at(b, 0, "\x00\x00\x01\x00") && b[4] > 0 && b[5] == 0 && b[9] == 0
	}},
	{"tiff", "IM", func(b []byte) bool {
		return at(b, 0, "II*\x00") || at(b, 0, "MM\x00*") || at(b, 0, "II+\x00") || at(b, 0, "MM\x00+")
	}},
	{"pdf", "%\xef", func(b []byte) bool { return at(b, 0, "%PDF-") || at(b, 0, "\xef\xbb\xbf%PDF-") }},
	{"zip", "P", func(b []byte) bool { return at(b, 0, "PK\x03\x04") || at(b, 0, "PK\x05\x06") }},
	prefix("gzip", "\x1f\x8b\x08"),
	{"bzip2", "B", func(b []byte) bool { return at(b, 0, "BZh") && at(b, 4, "1AY&SY") }},
	prefix("xz", "\xfd7zXZ\x00"),
	{"zstd", "\x28PQRSTUVWXYZ[\\]^_", func(b []byte) bool { // or a frame that readers skip (RFC 8878, section 3.1.2)
		return at(b, 0, "\x28\xb5\x2f\xfd") || at(b, 1, "\x2a\x4d\x18") && b[0]&0xf0 == 0x50
	}},
	prefix("7z", "7z\xbc\xaf\x27\x1c"),
	prefix("rar", "Rar!\x1a\x07"),
	{"tar", "", isTar},
	prefix("flac", "fLaC"),
	{"aiff", "F", func(b []byte) bool { return at(b, 0, "FORM") && (at(b, 8, "AIFF") || at(b, 8, "AIFC")) }},
	prefix("midi", "MThd\x00\x00\x00\x06"),
	prefix("amr", "#!AMR"),
	{"mpeg", "\x00", func(b []byte) bool { return at(b, 0, "\x00\x00\x01\xba") || at(b, 0, "\x00\x00\x01\xb3") }},
	{"ttf", "\x00t", func(b []byte) bool { return isSFNT(b, "\x00\x01\x00\x00") || isSFNT(b, "true") || at(b, 0, "ttcf\x00") }},
	{"otf", "O", func(b []byte) bool { return isSFNT(b, "OTTO") }},
	prefix("woff", "wOFF"),
	prefix("woff2", "wOF2"),
	prefix("psd", "8BPS\x00\x01"),
	prefix("flv", "FLV\x01"),
	{"swf", "FCZ", func(b []byte) bool {
		return (at(b, 0, "FWS") || at(b, 0, "CWS") || at(b, 0, "ZWS")) && len(b) > 3 && b[3] < 50 && !isProse(b)
	}},
	prefix("sqlite", "SQLite format 3\x00"),
	prefix("cab", "MSCF\x00\x00\x00\x00"),
	prefix("deb", "!<arch>\n"),
	prefix("rpm", "\xed\xab\xee\xdb"),
	prefix("dex", "dex\n03"),
	prefix("chm", "ITSF\x03\x00\x00\x00"),
	prefix("ogg", "OggS\x00"),
	{"webm", "\x1a", func(b []byte) bool {
		return at(b, 0, "\x1aE\xdf\xa3") && blocks.Contains(blocks.String(b[:min(64, len(b))]), "webm")
	}},
	{"mkv", "\x1a", func(b []byte) bool {
		return at(b, 0, "\x1aE\xdf\xa3") && blocks.Contains(blocks.String(b[:min(64, len(b))]), "matroska")
	}},
	{"aac", "\xffA", func(b []byte) bool {
		return at(b, 0, "ADIF") && !isProse(b) || len(b) > 3 && b[0] == 0xff && b[1]&0xf6 == 0xf0 && b[2]>>2&0xf < 13
	}},
	{"mp3", "I\xff", func(b []byte) bool {
		return at(b, 0, "ID3") || len(b) > 3 && b[0] == 0xff && b[1]&0xe6 == 0xe2 && b[2]>>4 != 0xf && b[2]&0x0c != 0x0c
	}},
	prefix("rtf", "{\\rtf"),
	prefix("ole", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
	{"exe", "M", func(b []byte) bool { return at(b, 0, "MZ") && !isProse(b) }},
	prefix("elf", "\x7fELF"),
	{"macho", "\xcf\xce\xfe\xca", func(b []byte) bool {
		return isFatMachO(b) || at(b, 0, "\xcf\xfa\xed\xfe") || at(b, 0, "\xce\xfa\xed\xfe") || at(b, 0, "\xfe\xed\xfa\xcf") || at(b, 0, "\xfe\xed\xfa\xce")
	}},
	{"class", "\xca", func(b []byte) bool { return at(b, 0, "\xca\xfe\xba\xbe") }},
	prefix("wasm", "\x00asm\x01"),
	prefix("lnk", "L\x00\x00\x00\x01\x14\x02\x00"),
}

// isFatMachO tells programs for several processors from Java's classes, which begin
// with the same bytes: of the ones so many follow, of the others the format's version,
// which is 45 at least (JVM specification, 4.1).
func isFatMachO(b []byte) bool {
	if len(b) < 8 || !at(b, 0, "\xca\xfe\xba\xbe") && !at(b, 0, "\xca\xfe\xba\xbf") {
		return false
	}
	count := binary.BigEndian.Uint32(b[4:])
	return count > 0 && count < 45
}

// endsID3 tells whether the tag that stands before a recording ends within the head,
// so that what it is of can be seen (ID3v2.4, section 3.1).
func endsID3(head []byte) bool {
	if !at(head, 0, "ID3") || len(head) < 10 {
		return true
	}
	size := int(head[6]&0x7f)<<21 | int(head[7]&0x7f)<<14 | int(head[8]&0x7f)<<7 | int(head[9]&0x7f)
	return 10+size+4 <= len(head) && !at(head, 10+size, "fLaC")
}

// isSFNT wants a table directory of a sensible length behind the version
// (OpenType 1.9, "Organization of an OpenType font").
func isSFNT(b []byte, version string) bool {
	return at(b, 0, version) && len(b) >= 12 && b[4] == 0 && b[5] > 0 && b[5] < 64
}

// isTar checks the header's sum (POSIX ustar): the magic alone would not do for
// old archives, and would do for anything that has it at 257.
func isTar(b []byte) bool {
	if len(b) < 512 {
		return false
	}
	stated, digits := 0, 0
	for _, c := range b[148:156] {
		if c >= '0' && c <= '7' {
			stated, digits = stated*8+int(c-'0'), digits+1
		} else if digits > 0 {
			break
		}
	}
	if digits == 0 || b[0] == 0 {
		return false
	}
	sum := 0
	for i, c := range b[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int(c)
	}
	return stated == sum
}
