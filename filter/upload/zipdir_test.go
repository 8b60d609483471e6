package upload

import (
	stdzip "archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
)

// wideEnd gives a ZIP the ends of an archive that needs 64 bits (APPNOTE 4.3.14), which
// edit changes; full says that the other end refers to them.
func wideEnd(content string, full bool, edit func(end64, locator []byte)) string {
	le, end := binary.LittleEndian, len(content)-22
	old := []byte(content[end:])
	record := make([]byte, 56+20)
	end64, locator := record[:56], record[56:]
	copy(end64, "PK\x06\x06")
	le.PutUint64(end64[4:], 44)
	le.PutUint64(end64[24:], uint64(le.Uint16(old[8:])))
	le.PutUint64(end64[32:], uint64(le.Uint16(old[10:])))
	le.PutUint64(end64[40:], uint64(le.Uint32(old[12:])))
	le.PutUint64(end64[48:], uint64(le.Uint32(old[16:])))
	copy(locator, "PK\x06\x07")
	le.PutUint64(locator[8:], uint64(end))
	le.PutUint32(locator[16:], 1)
	if full {
		copy(old[8:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	}
	if edit != nil {
		edit(end64, locator)
	}
	return content[:end] + string(record) + string(old)
}

func TestAllEndsOfADirectoryPointToIt(t *testing.T) {
	t.Parallel()
	le, content := binary.LittleEndian, sampleZIP(t, "a.txt=hello")
	end := func(at int, by int) string {
		b := []byte(content)
		field := b[len(b)-22+at:]
		le.PutUint16(field, uint16(int(le.Uint16(field))+by))
		return string(b)
	}
	add := func(at int) func(end64, locator []byte) {
		return func(end64, _ []byte) { end64[at]++ }
	}
	for what, c := range map[string]struct {
		content  string
		accepted bool
	}{
		"an archive":                          {content, true},
		"a directory that is longer":          {end(12, 1), false},
		"a directory that is shorter":         {end(12, -1), false},
		"a directory elsewhere":               {end(16, -1), false},
		"another number of members":           {end(10, 1), false},
		"an end of 64 bits":                   {wideEnd(content, true, nil), true},
		"both ends":                           {wideEnd(content, false, nil), true},
		"no end of 64 bits where one must be": {wideEnd(content, true, nil)[:len(content)-22] + wideEnd(content, true, nil)[len(content)-22+76:], false},
		"a wide end that is longer":           {wideEnd(content, true, add(4)), false},
		"another wide number":                 {wideEnd(content, true, add(32)), false},
		"another wide number here":            {wideEnd(content, true, add(24)), false},
		"another wide length":                 {wideEnd(content, false, add(40)), false},
		"a wide end that points elsewhere":    {wideEnd(content, true, add(48)), false},
		"a locator of something else":         {wideEnd(content, false, func(_, locator []byte) { locator[8]-- }), false},
	} {
		if r := sniff(t, Config{}, "a.zip", c.content); r.Accepted != c.accepted || !r.Accepted && r.ID != "GH-ARC-003" {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

func TestTheOtherNameOfAMemberIsJudged(t *testing.T) {
	t.Parallel()
	for other, id := range map[string]string{
		"größe.txt": "", "../../evil.txt": "GH-ARC-001", "/etc/passwd": "GH-ARC-001", `a\..\b`: "GH-ARC-001", "a.exe": "GH-ARC-004",
	} {
		extra := binary.LittleEndian.AppendUint16([]byte("up"), uint16(5+len(other)))
		extra = binary.LittleEndian.AppendUint32(append(extra, 1), crc32.ChecksumIEEE([]byte("a.txt")))
		var b bytes.Buffer
		w := stdzip.NewWriter(&b)
		_, err := w.CreateHeader(&stdzip.FileHeader{Name: "a.txt", Extra: append(extra, other...)})
		must(t, err)
		must(t, w.Close())
		if r := sniff(t, Config{}, "a.zip", b.String()); r.ID != id {
			t.Errorf("%q: %+v", other, r)
		}
		// In the directory alone.
		central := strings.Replace(b.String(), "up", "xx", 1)
		if r := sniff(t, Config{}, "a.zip", central); r.ID != id {
			t.Errorf("%q in the directory: %+v", other, r)
		}
	}
}
