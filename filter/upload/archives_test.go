package upload

import (
	stdzip "archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

func TestNoCommentOfAZIPHoldsAnotherEnd(t *testing.T) {
	t.Parallel()
	archive := sampleZIP(t, "a.txt=hello")
	for comment, accepted := range map[string]bool{
		"made by hand, PK\x05 PK\x06": true, "PK\x05\x06" + strings.Repeat("\x00", 18): false, "PPK" + archive: false,
	} {
		b := []byte(archive)
		binary.LittleEndian.PutUint16(b[len(b)-2:], uint16(len(comment)))
		if r := sniff(t, Config{}, "a.zip", string(b)+comment); r.Accepted != accepted {
			t.Errorf("%q: %+v", comment, r)
		}
	}
}

func TestWhatAZIPSaysOfItsMembersCountsWhoeverReadsIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, id string
		header   stdzip.FileHeader
	}{
		{"a link from DOS", "GH-ARC-002", stdzip.FileHeader{Name: "a", ExternalAttrs: 0o120777 << 16}},
		{"a link from BeOS", "GH-ARC-002", stdzip.FileHeader{Name: "a", CreatorVersion: 16 << 8, ExternalAttrs: 0o120777 << 16}},
		{"a file from Unix", "", stdzip.FileHeader{Name: "a", CreatorVersion: 3 << 8, ExternalAttrs: 0o100644 << 16}},
		{"headers that are masked", "GH-ARC-008", stdzip.FileHeader{Name: "a", Flags: 0x2000}},
		{"a script that looks like a document", "GH-ARC-004", stdzip.FileHeader{Name: "x/invoice.pdf.js"}},
		{"a script", "", stdzip.FileHeader{Name: "x/jquery.min.js"}},
		{"a query", "GH-ARC-004", stdzip.FileHeader{Name: "rates.iqy"}},
	} {
		var b bytes.Buffer
		z := stdzip.NewWriter(&b)
		w, err := z.CreateRaw(&tt.header)
		must(t, err)
		_, err = w.Write(nil)
		must(t, err)
		must(t, z.Close())
		f, r := policyOf(t, Config{}).newFile("a.zip", "", true)
		if r == nil {
			if r = f.write(b.Bytes()); r == nil {
				r = f.end()
			}
		}
		if got := r.idOrNone(); got != tt.id {
			t.Errorf("%s: %q, want %q (%+v)", tt.name, got, tt.id, r)
		}
	}
	// A document's parts are told by their names.
	if r := sniff(t, Config{}, "a.zip", sampleZIP(t, "word/a.xml=MZ\x90\x00\x03\x00\x00\x00\x04")); r.Accepted {
		t.Errorf("a program as a part: %+v", r)
	}
	if r := sniff(t, Config{}, "a.zip", sampleZIP(t, "a.rels="+eicarText+"-STANDARD")); r.Rule != RuleTestVirus {
		t.Errorf("EICAR as a part: %+v", r)
	}
	if r := sniff(t, Config{}, "a.zip", sampleZIP(t, "a=\xca\xfe\xba\xbe\x00\x00\x00\x02\x01\x00\x00\x07")); r.Accepted {
		t.Errorf("a program for two processors: %+v", r)
	}
	if r := sniff(t, Config{}, "a.zip", sampleZIP(t, "a.class=\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10")); !r.Accepted {
		t.Errorf("a class: %+v", r)
	}
}

func (r *Refusal) idOrNone() string {
	if r == nil {
		return ""
	}
	return r.ID()
}

func TestReadersOfTARsSeeTheNamesThatWereJudged(t *testing.T) {
	t.Parallel()
	extended := func(kind byte, record string) string {
		return tarMember(kind, "x", record)
	}
	file := tarMember('0', "a", "hi")
	link := func(name, target string) string {
		return tarHeader('2', name, 0, func(b []byte) { copy(b[157:], target) })
	}
	prefixed := func(magic string) string {
		return tarHeader('0', "a", 0, func(b []byte) {
			copy(b[257:265], magic)
			copy(b[345:], "../..")
		})
	}
	sparse := func(size string) string {
		return tarHeader('S', "a", 0, func(b []byte) {
			copy(b[257:265], "ustar  \x00")
			copy(b[483:], size)
		})
	}
	for name, tt := range map[string]struct {
		file     string
		accepted bool
	}{
		"a comment for all members":               {extended('g', "15 comment=abc\n") + file, true},
		"a name for all members":                  {extended('g', "15 path=../../x\n") + file, false},
		"a name of a file with holes":             {extended('x', "21 GNU.sparse.name=b\n") + file, true},
		"one that leads out":                      {extended('x', "26 GNU.sparse.name=../../x\n") + file, false},
		"holes of a terabyte":                     {extended('x', "37 GNU.sparse.realsize=1099511627776\n") + file, false},
		"holes of eight gigabytes, in the header": {sparse("77777777777\x00"), false},
		"a file with a hole":                      {sparse("00000001000\x00"), true},
		"a prefix in the oldest format":           {prefixed("\x00\x00\x00\x00\x00\x00\x00\x00"), false},
		"a prefix in GNU's format":                {prefixed("ustar  \x00"), false},
		"a link up":                               {link("d/e/l", "../../a"), true},
		"a link through another, then up":         {link("d/e/l", "../..") + link("m", "d/e/l/.."), false},
		"the same the other way round":            {link("m", "d/e/l/..") + link("d/e/l", "../.."), false},
		"a write through a link":                  {link("d/a", "b") + tarHeader('0', "d/./a//x", 0, nil), false},
	} {
		if r := sniff(t, Config{}, "a.tar", tt.file+strings.Repeat("\x00", 2*tarBlock)); r.Accepted != tt.accepted {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
