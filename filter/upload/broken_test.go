package upload

import (
	"strings"
	"testing"
)

func TestWhatIsBrokenIsToldApart(t *testing.T) {
	t.Parallel()
	png := samplePNG(t)
	bmp := "BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x10\x00\x00\x00\x10\x00\x00\x00\x01\x00\x18\x00" + strings.Repeat("\x00", 24)
	sevenZip := "7z\xbc\xaf\x27\x1c\x00\x04\x00\x00\x00\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	for _, c := range []struct {
		name, content string
		want          bool
	}{
		{"a.jpg", "\xff\xd8\xff\xd9", false}, {"a.gif", "GIF89a\x01\x00\x01\x00\x00\x00\x00;", false}, {"a.png", png, true},
		{"a.png", png[:16] + "\x00\x00\x00\x00" + png[20:], false}, {"a.tif", "II*\x00\xff\x00\x00\x00", false}, {"a.tif", "II*\x00", false},
		{"a.bmp", bmp + strings.Repeat("\x01", 48*16), true}, {"a.bmp", bmp + strings.Repeat("\x01", 48*15), true}, {"a.bmp", bmp + strings.Repeat("\x01", 48*8), false},
		{"a.xml", "<a/>", true}, {"a.xml", "<a></a><!-- x --><?y z?>\n", true}, {"a.xml", "<a/><b/>", false}, {"a.svg", "<svg/><svg/>", false},
		{"a.7z", sevenZip + "123456", true}, {"a.7z", sevenZip + "12345", false}, {"a.7z", sevenZip + "1234567", false}, {"a.7z", sevenZip[:20], false},
		{"a.xz", "\xfd7zXZ\x00\x00\x04aaaaYZ", true}, {"a.xz", "\xfd7zXZ\x00\x00\x04aaaaYZ\x00\x00\x00\x00", true}, {"a.xz", "\xfd7zXZ\x00\x00\x04aaaa", false},
	} {
		if r := sniff(t, Config{Allow: []string{"image", "archive", "text"}}, c.name, c.content); r.Accepted != c.want {
			t.Errorf("%s %.30q: %+v", c.name, c.content, r)
		}
	}
}

func TestNamesOfMembersThatOnlyAreHarmlessAsTheyStand(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"CON": true, "a/nul": true, "COM1.txt": true, "aux": true, "%2e%2e/x": true, "..%2fx": true, "..%5Cx": true, "....//x": true, `..\x`: true, "a/..": true,
		"drivers/aux.c": false, "console/x": false, "a..b/c...d": false, "100%/x": false, "می\u200cخواهم": false, "folder /x": false, "-x": false,
	} {
		if got := unsafeMember(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	for name, want := range map[string]bool{"x.exe.": true, "x.exe ": true, "a/x.SCR. .": true, "x.settingcontent-ms": true, "x.msc": true, "x.exercise": false, "exe": false} {
		if got := programName(name); got != want {
			t.Errorf("%q is a program: %v", name, got)
		}
	}
}
