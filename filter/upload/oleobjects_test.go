package upload

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// oleNaming is a compound file whose directory has an entry of that name.
func oleNaming(name string) string {
	entry := make([]byte, oleEntry)
	letters := utf16.Encode([]rune(name + "\x00"))
	for i, c := range letters {
		binary.LittleEndian.PutUint16(entry[2*i:], c)
	}
	entry[64], entry[66], entry[67] = byte(2*len(letters)), 2, 1 //nolint:gosec // short
	return oleWith(256, string(entry))
}

// objectRecord is an ExOleObjStg, compressed or not.
func objectRecord(t testing.TB, content string, packed bool) string {
	le, header := binary.LittleEndian, "\x00\x00\x11\x10"
	if packed {
		header = "\x10\x00\x11\x10"
		content = string(le.AppendUint32(nil, uint32(len(content)))) + zlibbed(t, content) //nolint:gosec // short
	}
	return header + string(le.AppendUint32(nil, uint32(len(content)))) + content //nolint:gosec // short
}

func presentation(stream string) string {
	return oleNaming("PowerPoint Document") + strings.Repeat("\xee", 101) + stream + strings.Repeat("\xee", 512)
}

func TestObjectsInAPresentationAreJudgedByWhatTheyHold(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"\x01Ole10Native": "GH-OFF-004", "Package": "GH-OFF-004", "Equation Native": "GH-OFF-004", "_VBA_PROJECT_CUR": "GH-OFF-001",
		"EncryptedPackage": "GH-OFF-006", "Workbook": "", "Contents": "",
	} {
		for _, packed := range []bool{true, false} {
			record := objectRecord(t, oleNaming(name), packed)
			for what, stream := range map[string]string{
				"alone": record, "behind another": objectRecord(t, oleNaming("Contents"), packed) + record,
				"behind what looks like one": "\x10\x00\x11\x10\x00\x00\x00\x00\x00\x00\x00\x00\x78\x00" + record,
				"behind one that is broken":  "\x10\x00\x11\x10\xff\xff\xff\x00\x00\x00\x00\x00\x78\x9c\xff\xff" + record,
				"within another":             "\x10\x00\x11\x10\xff\xff\xff\x00\x00\x00\x00\x00\x78\x9c\x00\x00\x40\xff\xbf" + record,
			} {
				file := presentation(stream)
				for _, size := range []int{1, 13, 14, 4096, len(file)} {
					r, err := policyOf(t, Config{}).Sniff(&pieceReader{[]byte(file), size}, "a.ppt", "")
					must(t, err)
					if r.ID != id {
						t.Errorf("%q, packed %v, %s, in pieces of %d: %+v", name, packed, what, size, r)
					}
				}
			}
		}
	}
}

func TestAnObjectThatCannotBeReadIsUncertain(t *testing.T) {
	t.Parallel()
	record := objectRecord(t, oleNaming("Contents"), true)
	for stream, id := range map[string]string{record: "", record[:14] + "\xff" + record[15:]: "GH-OFF-004"} {
		if r := sniff(t, Config{}, "a.ppt", presentation(stream)); !r.Accepted {
			t.Errorf("accepting: %+v", r)
		}
		if r := sniff(t, Config{OnUncertain: OnUncertainReject}, "a.ppt", presentation(stream)); r.ID != id {
			t.Errorf("rejecting: %+v, want %q", r, id)
		}
	}
	open := "\x10\x00\x11\x10\xff\xff\xff\x00\x00\x00\x00\x00\x78\x9c\x00\xff\x7f\x00\x80"
	if r := sniff(t, Config{}, "a.ppt", presentation(open+open+open)); r.ID != "GH-OFF-004" {
		t.Errorf("three at once: %+v", r)
	}
	bomb := objectRecord(t, string(filled(40<<20, 0)), true)
	if r := sniff(t, Config{}, "a.ppt", presentation(bomb)); r.ID != "GH-ARC-007" {
		t.Errorf("a bomb: %+v", r)
	}
}
