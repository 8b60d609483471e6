package upload

import (
	"fmt"
	"strings"
	"testing"
)

func TestPHPNeedsNoWordBehindItsTag(t *testing.T) {
	t.Parallel()
	for code, found := range map[string]bool{
		"<? system($_GET[0]); ?>": true, "<?system($_GET[0]);?>": true, "<?$a=1;?>": true, "<? `id` ?>": true, "<? echo 'x'; ?>": true, "<?\n@eval($x);": true,
		`<?xpacket begin="" id="W5M0"?>`: false, `<?xml version="1.0"?>`: false, "<? is a tag": false, "<?@CDGHKLOPST": false, "<?@z>": false, "<?$ab%cd": false, "<?(": false, "<?a\x00": false, `<?adobe-xap-filters esc="CR"?>`: false,
	} {
		finder := codeFinder{}
		r := finder.write([]byte("media " + code + strings.Repeat(" ", codeLook)))
		if (r != nil) != found {
			t.Errorf("%q: %+v", code, r)
		}
	}
	for _, tag := range []string{"<video src=x onerror=alert(1)>", "<details open ontoggle=alert(1)>", "<meta http-equiv=refresh content=0>", "<input autofocus onfocus=x>"} {
		if r := sniff(t, Config{}, "a.jpg", strings.Replace(sampleJPEG(t), "\xff\xd8", "\xff\xd8\xff\xfe\x00"+string(rune(len(tag)+2))+tag, 1)); r.Accepted {
			t.Errorf("a picture with %s", tag)
		}
	}
	text := sniff(t, Config{}, "a.txt", "<? system($_GET[0]); ?>")
	if text.Accepted {
		t.Errorf("as a text: %+v", text)
	}
	archive := sampleZIP(t, "a.txt=x")
	long := archive[:len(archive)-2] + "\x58\x02" + strings.Repeat("c", 600)
	for name, file := range map[string]string{"a.jpg": sampleJPEG(t) + "\xe0\xe1\xe2\xe3", "a.wav": sampleWAV(), "a.pdf": samplePDF("") + "\n"} {
		if r := sniff(t, Config{}, name, file+long); r.Accepted {
			t.Errorf("%s with an archive that has a long comment", name)
		}
	}
}

func TestObjectsOfAPDFAreNotHiddenByMoreFiltersThanAreUndone(t *testing.T) {
	t.Parallel()
	const objects = "10 0 << /S /JavaScript /JS (x) >>"
	flate := func(s string, n int) string {
		for range n {
			s = zlibbed(t, s)
		}
		return s
	}
	inHex := func(s string, n int) string {
		for range n {
			s = fmt.Sprintf("%x>", s)
		}
		return s
	}
	stream := func(before, data string) string {
		return samplePDF(before + "\n9 0 obj\n<< /N 1 /First 5 >>\nstream\n" + data + "\nendstream\nendobj\n8 0 obj\n<<>>\nstream\nx\nendstream\nendobj\n")
	}
	for name, file := range map[string]string{
		"four of Flate":         stream("", flate(objects, 4)),
		"five of hex":           stream("", inHex(objects, 5)),
		"a filter of no stream": stream("7 0 obj\n[/FlateDecode /ASCII85Decode]\nendobj", flate(objects, 1)),
	} {
		if r := sniff(t, Config{}, "a.pdf", file); r.Accepted {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := sniff(t, Config{}, "a.pdf", stream("", flate("10 0 << /Font 1 >>", 2))); !r.Accepted {
		t.Errorf("fonts: %+v", r)
	}
	if r := sniff(t, Config{}, "a.pdf", stream("", flate(strings.Repeat("3", 4000), 1))); !r.Accepted {
		t.Errorf("a grey picture: %+v", r)
	}
}
