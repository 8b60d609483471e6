package upload

import (
	"fmt"
	"strings"
	"testing"
)

// tarHeader is a member's header; edit changes it before it is summed up.
func tarHeader(kind byte, name string, size int, edit func(b []byte)) string {
	b := make([]byte, tarBlock)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
	copy(b[257:], "ustar\x0000")
	b[156] = kind
	if edit != nil {
		edit(b)
	}
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(b)
}

func tarMember(kind byte, name, content string) string {
	return tarHeader(kind, name, len(content), nil) + content + strings.Repeat("\x00", int(padding(int64(len(content)))))
}

// paxRecords is an extended header, of the member that follows or of all.
func paxRecords(kind byte, records ...string) string {
	var b strings.Builder
	for _, record := range records {
		n := len(record) + 3
		for len(fmt.Sprintf("%d %s\n", n, record)) != n {
			n++
		}
		fmt.Fprintf(&b, "%d %s\n", n, record)
	}
	return tarMember(kind, "pax", b.String())
}

func tarOf(members ...string) string {
	return strings.Join(members, "") + strings.Repeat("\x00", 2*tarBlock)
}

func TestMembersOfATARThatToolsWriteAreTaken(t *testing.T) {
	t.Parallel()
	extended := func(b []byte) { b[482] = 1 }
	more := func(next byte) string { return strings.Repeat("\x00", 504) + string(next) + strings.Repeat("\x00", 7) }
	file := tarMember('0', "a.txt", "hello")
	for what, content := range map[string]string{
		"an old sparse member with a longer map":       tarOf(tarHeader('S', "s", 5, extended), more(1), more(0), "hello"+strings.Repeat("\x00", 507), file),
		"a sparse member of holes alone":               tarOf(tarHeader('S', "s", 0, extended), more(0), file),
		"a sparse member with its map before it":       tarOf(paxRecords('x', "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=s"), tarMember('0', "GNUSparseFile.1/s", "1\n0\n5\n"+strings.Repeat("\x00", 506)+"hello"), file),
		"a label":                                      tarOf(tarMember('V', "backup", ""), file),
		"a list of a folder":                           tarOf(tarMember('D', "folder/", "Ya.txt\x00\x00"), file),
		"a comment on all members":                     tarOf(paxRecords('g', "comment=0123456789abcdef"), file),
		"a hard link with a size, as old writers have": tarOf(file, tarHeader('1', "b.txt", 5, func(b []byte) { copy(b[157:], "a.txt") }), file),
	} {
		if r := sniff(t, Config{}, "a.tar", content); !r.Accepted {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

func TestMembersOfATARThatReadersSeeInTwoWaysAreRefused(t *testing.T) {
	t.Parallel()
	hidden := tarMember('0', "../../evil", "x")
	program := sampleEXE() + strings.Repeat("x", 100)
	link := func(b []byte) { copy(b[157:], "a.txt") }
	for what, c := range map[string]struct{ content, id string }{
		"a folder with content":               {tarOf(tarMember('5', "folder", hidden)), "GH-ARC-003"},
		"a folder by its name, with content":  {tarOf(tarMember(0, "folder/", hidden)), "GH-ARC-003"},
		"a link with content":                 {tarOf(tarHeader('2', "l", 512, link), hidden), "GH-ARC-003"},
		"a hard link with content, in pax":    {tarOf(paxRecords('x', "comment=x"), tarHeader('1', "l", 512, link), hidden), "GH-ARC-003"},
		"a path for all members":              {tarOf(paxRecords('g', "path=../../evil"), tarMember('0', "a.txt", "x")), "GH-ARC-003"},
		"the other name of a sparse member":   {tarOf(paxRecords('x', "GNU.sparse.name=../../evil"), tarMember('0', "a.txt", "x")), "GH-ARC-001"},
		"a path before that other name":       {tarOf(paxRecords('x', "path=../../evil", "GNU.sparse.name=a.txt"), tarMember('0', "a.txt", "x")), "GH-ARC-001"},
		"a path behind that other name":       {tarOf(paxRecords('x', "GNU.sparse.name=a.exe", "path=a.txt"), tarMember('0', "a.txt", "x")), "GH-ARC-004"},
		"a program behind a sparse map":       {tarOf(paxRecords('x', "GNU.sparse.major=1"), tarMember('0', "a.txt", "1\n0\n9\n"+strings.Repeat("\x00", 506)+program)), "GH-ARC-004"},
		"a program behind a map of one block": {tarOf(paxRecords('x', "GNU.sparse.major=1"), tarMember('0', "a.txt", "0\n"+strings.Repeat("\x00", 510)+program)), "GH-ARC-004"},
		"a program as the list of a folder":   {tarOf(tarMember('D', "folder", program)), "GH-ARC-004"},
		"a map that is cut off":               {tarHeader('S', "s", 0, func(b []byte) { b[482] = 1 }), ""},
	} {
		r := sniff(t, Config{}, "a.tar", c.content)
		if c.id == "" && r.Rule == RuleTruncated {
			continue
		}
		if r.ID != c.id {
			t.Errorf("%s: %+v", what, r)
		}
	}
}
