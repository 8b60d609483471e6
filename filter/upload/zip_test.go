package upload

import (
	stdzip "archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

func TestTheMemberThatTellsADocumentsTypeMayLieAnywhere(t *testing.T) {
	t.Parallel()
	const odt, epub, content = "mimetype=application/vnd.oasis.opendocument.text", "mimetype=application/epub+zip", "content.xml=<x/>"
	var packed bytes.Buffer // with mimetype compressed
	w := stdzip.NewWriter(&packed)
	for name, text := range map[string]string{"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": "<x/>"} {
		m, err := w.Create(name)
		must(t, err)
		_, err = m.Write([]byte(text))
		must(t, err)
	}
	must(t, w.Close())
	for _, c := range []struct {
		what, file, content, refused string
	}{
		{"last, in a document", "a.odt", sampleZIP(t, content, odt), ""},
		{"compressed", "a.odt", packed.String(), ""},
		{"last, in a book", "a.epub", sampleZIP(t, "META-INF/container.xml=<a/>", epub), ""},
		{"last, of another document", "a.ods", sampleZIP(t, content, odt), "GH-TYP-003"},
		{"last, in an archive of a document's parts", "a.zip", sampleZIP(t, content, odt), ""},
		{"first, under another name", "a.zip", sampleZIP(t, odt, content), "GH-TYP-003"},
		{"missing", "a.odt", sampleZIP(t, content), "GH-TYP-003"},
		{"twice", "a.odt", sampleZIP(t, content, odt, "mimetype=application/epub+zip"), "GH-ARC-009"},
		{"last, in a document of Office", "a.odt", sampleDOCX(t, odt), "GH-TYP-003"},
		{"last, in a document of Office that is named so", "a.docx", sampleDOCX(t, odt), ""},
		{"last, in a program of Android", "a.odt", sampleZIP(t, "AndroidManifest.xml=\x03\x00\x08\x00", odt), "GH-TYP-003"},
		{"last, in a JAR", "a.odt", sampleZIP(t, "META-INF/MANIFEST.MF=a: b\n", odt), "GH-TYP-003"},
		{"last, behind macros", "a.odt", sampleZIP(t, "Basic/Standard/Module1.xml=<x/>", odt), "GH-OFF-001"},
	} {
		if r := sniff(t, Config{}, c.file, c.content); r.Accepted != (c.refused == "") || r.ID != c.refused {
			t.Errorf("%s: %+v, want %q", c.what, r, c.refused)
		}
	}
}

func TestBehindAnArchiveNothingButTheEndOfALineMayFollow(t *testing.T) {
	t.Parallel()
	for behind, accepted := range map[string]bool{
		"": true, "\n": true, "\r\n": true, "\n\n\n": false, " ": false, "\x00": false, "x": false, "\nx": false, "\r\nPK\x03\x04": false,
	} {
		for name, content := range map[string]string{"a.zip": sampleZIP(t, "a.txt=hello"), "a.docx": sampleDOCX(t)} {
			p := policyOf(t, Config{})
			whole := sniff(t, Config{}, name, content+behind)
			pieces, err := p.Sniff(&pieceReader{[]byte(content + behind), 1}, name, "")
			must(t, err)
			if whole.Accepted != accepted || pieces.Accepted != accepted || !accepted && whole.ID != "GH-TYP-006" {
				t.Errorf("%s and %q: %+v, in pieces %+v", name, behind, whole, pieces)
			}
		}
	}
}

func TestAMemberThatIsSaidToBeCompressedMayBeEmpty(t *testing.T) {
	t.Parallel()
	const name, described = "empty.xml", "\x14\x00\x08\x00\x08\x00\x00\x00\x00\x00"
	archive := func(data, sum, packed, size string) string {
		member := "PK\x03\x04" + described + strings.Repeat("\x00", 12) + "\x09\x00\x00\x00" + name + data
		entry := "PK\x01\x02\x14\x00" + described + sum + packed + size + "\x09\x00" + strings.Repeat("\x00", 16) + name
		end := "PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00"
		end += string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(len(entry))), uint32(len(member)))) + "\x00\x00" //nolint:gosec // short
		return member + entry + end
	}
	const none, mark, two, four = "\x00\x00\x00\x00", "PK\x07\x08", "\x02\x00\x00\x00", "\x04\x00\x00\x00"
	for what, c := range map[string]struct {
		content  string
		accepted bool
	}{
		"without data":                    {archive(mark+none+none+none, none, none, none), true},
		"without data, with a size":       {archive(mark+none+none+four, none, none, four), false},
		"without data, with a sum":        {archive(mark+four+none+none, four, none, none), false},
		"without data, and longer":        {archive(mark+none+four+none, none, four, none), false},
		"with an empty block":             {archive("\x03\x00"+mark+none+two+none, none, two, none), true},
		"with an empty block, and a size": {archive("\x03\x00"+mark+none+two+four, none, two, four), false},
		"with a mark instead of a block":  {archive(mark+mark+none+four+none, none, four, none), false},
	} {
		for _, size := range []int{1, 3, 4, len(c.content)} {
			r, err := policyOf(t, Config{}).Sniff(&pieceReader{[]byte(c.content), size}, "a.zip", "")
			must(t, err)
			if r.Accepted != c.accepted {
				t.Errorf("%s, in pieces of %d: %+v", what, size, r)
			}
		}
	}
}
