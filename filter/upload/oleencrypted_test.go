package upload

import (
	"strings"
	"testing"
)

// oleWith is a compound file with something at a place of its first sector.
func oleWith(at int, content string) string {
	file := []byte(strings.ReplaceAll(sampleOLE(0, false), "DDEAUTO", "OTHERS!"))
	copy(file[512+at:], content)
	return string(file)
}

func TestEncryptedOldDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	const bof = "\x09\x08\x10\x00\x00\x06\x05\x00\x67\x32\xcd\x07\xc9\x80\x01\x00\x06\x06\x00\x00"
	const fib = "\xec\xa5\xc1\x00\x07\x80\x09\x04\x00\x00"
	for name, files := range map[string]map[string]bool{
		"a.xls": {
			bof + "\x2f\x00\x36\x00\x01\x00\x01\x00": false, bof + "\x86\x00\x00\x00\x2f\x00\x36\x00": false,
			"\x09\x08\x08\x00\x00\x05\x05\x00\x0a\x54\xcd\x07\x2f\x00\x04\x00": false,
			bof + "\xe1\x00\x02\x00\xb0\x04":                                   true, bof + "\xe1\x00\x04\x00\x2f\x00\x36\x00\xc1\x00\x02\x00": true,
		},
		"a.doc": {fib + "\x00\x13": false, fib + "\x00\x12": true, "\xec\xa5\xc1\x55\x07\x80\x09\x04\x00\x00\x00\x13": true},
		"a.ppt": {"\x00\x00\xf6\x0f\x20\x00\x00\x00\x14\x00\x00\x00\xdf\xc4\xd1\xf3": false, "\x00\x00\xf6\x0f\x20\x00\x00\x00\x14\x00\x00\x00\x5f\xc0\x91\xe3": true},
	} {
		for beginning, accepted := range files {
			for _, at := range []int{0, 128, 192} {
				if r := sniff(t, Config{}, name, oleWith(at, beginning)); r.Accepted != accepted || !accepted && r.ID != "GH-OFF-006" {
					t.Errorf("%s with %x at %d: %+v", name, beginning, at, r)
				}
			}
			if r := sniff(t, Config{}, name, oleWith(33, beginning)); !r.Accepted {
				t.Errorf("%s with %x where no stream begins: %+v", name, beginning, r)
			}
		}
	}
}

func TestSheetsOfMacrosAreFoundInTheListsOfBothVersions(t *testing.T) {
	t.Parallel()
	for list, accepted := range map[string]bool{
		"\x85\x00\x0e\x00\x8e\x1b\x00\x00\x00\x01\x06\x00Macro1": false, "\x85\x00\x0d\x00\x8e\x1b\x00\x00\x00\x01\x06Macro1": false,
		"\x85\x00\x0d\x00\x8e\x1b\x00\x00\x00\x00\x06Sheet1": true, "\x85\x00\x0c\x00\x8e\x1b\x00\x00\x00\x01\x06Macro1": true,
	} {
		if r := sniff(t, Config{}, "a.xls", oleWith(300, list)); r.Accepted != accepted || !accepted && r.ID != "GH-OFF-001" {
			t.Errorf("%x: %+v", list, r)
		}
	}
}
