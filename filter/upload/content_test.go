package upload

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

func sniff(t *testing.T, c Config, name, content string) Result {
	t.Helper()
	r, err := policyOf(t, c).Sniff(strings.NewReader(content), name, "")
	must(t, err)
	return r
}

func TestARecordIsFoundWhereverItIsCutBetweenSectors(t *testing.T) {
	t.Parallel()
	for offset := 490; offset <= 512; offset++ {
		for _, apart := range []bool{false, true} {
			if r := sniff(t, Config{}, "a.doc", sampleOLE(offset, apart)); r.Rule != RuleOffice {
				t.Errorf("at %d, apart %v: %+v", offset, apart, r)
			}
		}
	}
	honest := strings.ReplaceAll(sampleOLE(500, true), "DDEAUTO", "OTHERS!")
	if r := sniff(t, Config{}, "a.doc", honest); !r.Accepted {
		t.Errorf("another field: %+v", r)
	}
	// The two halves are there, but no table says that they follow one another.
	unrelated := []byte(sampleOLE(505, true))
	binary.LittleEndian.PutUint32(unrelated[512*4+8:], 1)
	if r := sniff(t, Config{}, "a.doc", string(unrelated)); !r.Accepted {
		t.Errorf("halves that do not follow one another: %+v", r)
	}
}

func TestPixelsAreCountedInEveryFormatThatStatesThem(t *testing.T) {
	t.Parallel()
	box := func(kind, name string, skip int, first, second uint32) string {
		b := []byte("\x00\x00\x00\x18ftyp" + kind + "\x00\x00\x00\x00" + kind + "mif1" + name + strings.Repeat("\x00", skip))
		return string(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, first), second)) + strings.Repeat("\x00", 40)
	}
	jxl := func(bits uint64) string {
		return "\xff\x0a" + string(binary.LittleEndian.AppendUint64(nil, bits)) + strings.Repeat("\x00", 40)
	}
	riff := func(chunk string) string {
		b := "RIFF\x00\x00\x00\x00WEBP" + chunk + strings.Repeat("\x00", 40)
		return "RIFF" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(b)-8))) + b[8:]
	}
	for _, c := range []struct {
		what, name, content string
		large               bool
	}{
		{"a TIFF", "a.tif", sampleTIFF(9, 9), false},
		{"a large TIFF", "a.tif", sampleTIFF(90_000, 90_000), true},
		{"a large BigTIFF", "a.tif", sampleBigTIFF(90_000, 90_000), true},
		{"an AVIF", "a.avif", box("avif", "ispe", 4, 9, 9), false},
		{"a large AVIF", "a.avif", box("avif", "ispe", 4, 90_000, 90_000), true},
		{"a large HEIC behind a small one", "a.heic", box("heic", "ispe", 4, 9, 9) + box("heic", "ispe", 4, 90_000, 90_000), true},
		{"a lossy WebP", "a.webp", riff("VP8 \x20\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\x09\x00\x09\x00"), false},
		{"a large lossy WebP", "a.webp", riff("VP8 \x20\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f"), true},
		{"a large lossless WebP", "a.webp", riff("VP8L\x20\x00\x00\x00\x2f\xff\xff\xff\x0f"), true},
		{"a JPEG XL of 256 by 256", "a.jxl", jxl(1 | 31<<1 | 1<<6), false},
		{"a large JPEG XL", "a.jxl", jxl(0 | 3<<1 | 99_999<<3 | 1<<33), true},
		{"a large JPEG 2000", "a.jp2", "\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x16ihdr\x00\x01\x86\xa0\x00\x01\x86\xa0" + strings.Repeat("\x00", 40), true},
		{"an icon with a large PNG", "a.ico", "\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x01\x00\x20\x00\x00\x00\x00\x00\x16\x00\x00\x00" +
			"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x01\x86\xa0\x00\x01\x86\xa0", true},
	} {
		r := sniff(t, Config{}, c.name, c.content)
		if c.large != (r.Rule == RulePixels) || !c.large && !r.Accepted {
			t.Errorf("%s: %+v", c.what, r)
		}
	}
}

func TestAPolicySaysWhatBecomesOfWhatLeadsOutOfAPDF(t *testing.T) {
	t.Parallel()
	const link, opened = "/X << /S /URI /URI (http://x) >> ", "/OpenAction << /S /URI /URI (http://x) >> "
	const file, share = "/X << /S /GoToR /F (x.pdf) >> ", "/OpenAction << /S /GoToR /F (\\\\\\\\x\\\\y) >> "
	for _, c := range []struct {
		pdf     PDF
		refused []string
	}{
		{PDF{}, []string{opened, share}},
		{PDF{URI: LeadClick, GoToRemote: LeadClick}, []string{opened, share}},
		{PDF{URI: LeadAllow}, []string{share}},
		{PDF{URI: LeadReject}, []string{link, opened, share}},
		{PDF{GoToRemote: LeadReject}, []string{opened, file, share}},
		{PDF{URI: LeadAllow, GoToRemote: LeadAllow}, nil},
	} {
		for _, inside := range []string{link, opened, file, share} {
			want := strings.Contains(strings.Join(c.refused, "\n"), inside)
			if r := sniff(t, Config{PDF: c.pdf}, "a.pdf", samplePDF(inside)); (r.Rule == RulePDF) != want {
				t.Errorf("%+v %s: %+v", c.pdf, inside, r)
			}
		}
	}
	if _, err := Compile(Config{Allow: []string{"pdf"}, PDF: PDF{URI: "yes", GoToRemote: "no"}}); err == nil || !strings.Contains(err.Error(), "pdf.uri") || !strings.Contains(err.Error(), "pdf.goto_remote") {
		t.Errorf("words that are none: %v", err)
	}
}

func TestFormulasInACSVAreToldAndLetThrough(t *testing.T) {
	t.Parallel()
	for content, noted := range map[string]bool{
		"a,b\n=1+1,2\n": true, "a\n\"=HYPERLINK(\"\"http://x\"\")\"\n": true, "a\n@SUM(A1)\n": true, "\xef\xbb\xbf=A1,2\n": true,
		"a,b\n-5,+49 30 12\n": false, "a\n@name\n": false, "a\n-\n": false, "a=b\n": false, "a\n- a remark (short)\n": true,
	} {
		i, refusal := policyOf(t, Config{}).Inspect(Request{Method: "POST", ContentType: "text/csv", ContentLength: -1})
		if refusal != nil {
			t.Fatal(refusal.Reason)
		}
		_, refusal = i.Write([]byte(content))
		if refusal == nil {
			refusal = i.Close()
		}
		if refusal != nil {
			t.Fatalf("%q: %s", content, refusal.Reason)
		}
		if note := i.Note(); (note != nil) != noted || note != nil && note.ID() != "GH-CSV-002" {
			t.Errorf("%q: %+v", content, note)
		}
	}
}

func TestAnIconOfPixelsIsNoCode(t *testing.T) {
	t.Parallel()
	// Pixels whose values are printable have "<?=" and "<%" among them.
	pixels := bytes.Repeat([]byte("<?=KMN<%=OPQ<% RST<svgUVW"), 400)
	r := sniff(t, Config{}, "a.bmp", "BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x10\x00\x00\x00\x10\x00\x00\x00\x01\x00\x18\x00"+strings.Repeat("\x00", 24)+string(pixels))
	if !r.Accepted {
		t.Errorf("%+v", r)
	}
}

func TestATemplateOnOnesOwnDriveIsNoLinkOutside(t *testing.T) {
	t.Parallel()
	for target, local := range map[string]bool{
		`C:\Users\a\Normal.dotm`: true, "file:///C:\\Program%20Files\\x.dot": true, "file:///c:/x.dotx": true, "Normal.dotm": true, "file:///Users/a/x.dotm": true,
		"file://localhost/c:/x.dot": true, "../x.dot": true, `file:////C:\Users\a\x.dotx`: true, "Macintosh%20HD:Users:a:x.dotx": true,
		"http://x/y.dotm": false, "https://x/y.dotm": false, `\\x\y.dotm`: false, "//x/y.dotm": false, "file://x/y.dotm": false, "file:////x/y.dotm": false,
		`file:///\\x\y.dotm`: false, "file:///%5C%5Cx%5Cy.dotm": false, "file:///c:///x/y": false, "ftp://x/y": false, "mhtml:http://x!y": false, "file:///": false, "": false,
		"C:": false, `C:\`: false, `c:\\x\y`: false, "file:////c://x/y": false, "Macintosh%20HD:/x/y": false, `Macintosh%20HD:\\x\y`: false,
		"%20http:x": false, "http:%20x": false, "mhtml:http:x%20y": false,
	} {
		if got := staysHere(target); got != local {
			t.Errorf("%q: %v", target, got)
		}
	}
}

func TestPicturesFromSharesAndRibbonsOfOtherFilesAreRefused(t *testing.T) {
	t.Parallel()
	image := func(target string) string {
		return `word/_rels/document.xml.rels=<Relationships><Relationship Id="r" Type="http://x/image" Target="` + target + `" TargetMode="External"/></Relationships>`
	}
	for part, accepted := range map[string]bool{
		image(`\\\\x\y.png`): false, image("file://x/y.png"): false, image(`file:///\\x\y.png`): false, image("file:////x/y.png"): false,
		image("https://x/y.png"): true, image("file:///C:/y.png"): true, image("media/y.png"): true,
		`customUI/customUI.xml=<customUI xmlns="x" onLoad="http://x/y.dotm!z"/>`: false, `customUI/customUI.xml=<customUI xmlns="x" onLoad="Loaded"/>`: true,
	} {
		if r := sniff(t, Config{}, "a.docx", sampleDOCX(t, part)); r.Accepted != accepted || !accepted && r.ID != "GH-OFF-002" {
			t.Errorf("%s: %+v", part, r)
		}
	}
}

func TestAnOpenDocumentTakesInNothingFromElsewhereAndStartsNothing(t *testing.T) {
	t.Parallel()
	for content, accepted := range map[string]bool{
		`<draw:floating-frame xlink:href="http://x/y"/>`: false, `<draw:floating-frame xlink:href="file://x/y.odt"/>`: false, `<draw:floating-frame xlink:href="\\x\y"/>`: false,
		`<draw:floating-frame xlink:href="file:///C:/y.odt"/>`: true, `<draw:floating-frame xlink:href="./Object 1"/>`: true,
		`<draw:object xlink:href="https://x/y.ods"/>`: false, `<draw:object-ole xlink:href="https://x/y"/>`: false, `<draw:object xlink:href="./Object 1"/>`: true, `<draw:object xlink:href="../y.ods"/>`: true,
		`<draw:image xlink:href="https://x/y.png"/>`: true, `<text:a xlink:href="https://x/y"/>`: true,
		`<presentation:event-listener presentation:action="execute" xlink:href="../../x"/>`: false, `<presentation:event-listener presentation:action="next-page"/>`: true,
	} {
		file := sampleZIP(t, "mimetype=application/vnd.oasis.opendocument.presentation", "content.xml=<x>"+content+"</x>")
		if r := sniff(t, Config{}, "a.odp", file); r.Accepted != accepted || !accepted && r.ID != "GH-OFF-002" {
			t.Errorf("%s: %+v", content, r)
		}
	}
}

func TestAnObjectMayCallItselfXMLAndDDEAFunction(t *testing.T) {
	t.Parallel()
	for part, id := range map[string]string{
		"word/a.xml=" + oleMagic + "x": "GH-OFF-004", "word/b.xml=<w:a/>": "",
		"xl/a.xml=<f>1+DDE(&quot;a&quot;,B1)</f>": "GH-OFF-003", "xl/b.xml=<f>dde (1)</f>": "", "xl/c.xml=<f>ADDE(1)</f>": "", "xl/d.xml=<f>IF(A1=&quot;DDE(&quot;,1,2)</f>": "",
	} {
		if r := sniff(t, Config{}, "a.docx", sampleDOCX(t, part)); r.ID != id {
			t.Errorf("%s: %+v", part, r)
		}
	}
}

func TestAPresentationWithoutMacrosMayHaveTheirRecord(t *testing.T) {
	t.Parallel()
	const record = "\x1f\x00\xff\x03\x14\x00\x00\x00\x02\x00\x00\x04\x0c\x00\x00\x00"
	for rest, accepted := range map[string]bool{
		"\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00": true,
		"\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00": false,
		"\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00": false,
		"\x03\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00": false,
	} {
		for _, at := range [...]int{600, 1000, 1003, 1008, 1012} {
			file := []byte(strings.ReplaceAll(sampleOLE(0, false), "DDEAUTO", "OTHERS!"))
			copy(file[at:], record+rest)
			if r := sniff(t, Config{}, "a.ppt", string(file)); r.Accepted != accepted {
				t.Errorf("%x at %d: %+v", rest, at, r)
			}
		}
	}
	apart := []byte(strings.ReplaceAll(sampleOLE(0, true), "DDEAUTO", "OTHERS!"))
	copy(apart[2048-len(record)-4:], record+"\x00\x00\x00\x00")
	if r := sniff(t, Config{}, "a.ppt", string(apart)); r.Rule != RuleMacro {
		t.Errorf("what the record says is elsewhere: %+v", r)
	}
}

func TestWhatCamerasLeaveBehindAPNGIsLetThroughWithoutCodeInIt(t *testing.T) {
	t.Parallel()
	for behind, accepted := range map[string]bool{
		"\x00\x00\xa1\x0b\x18\x00\x00\x00PhotoEditor_Re_Edit_Data{}SEFHj\x00\x00\x00SEFT": true, "\x00\n": true,
		"\x00\x00\xa1\x0b<?php x(); ?>SEFT": false, "\x00\x00\xa1\x0bMZ\x90PE\x00\x00\x4c\x01SEFT": false, "PK\x03\x04SEFT": false,
		"\x00\x00\xa1\x0bx": false, "alert(1)//SEFT": false, "\x00\x00<script>alert(1)</script>SEFT": false,
	} {
		if r := sniff(t, Config{}, "a.png", samplePNG(t)+behind); r.Accepted != accepted {
			t.Errorf("%q: %+v", behind, r)
		}
	}
}

func TestAPDFMayBePaddedBehindItsEnd(t *testing.T) {
	t.Parallel()
	for behind, accepted := range map[string]bool{
		strings.Repeat("\x00", 40<<10): true, strings.Repeat(" \n", 20<<10): true, strings.Repeat("\x00", 20<<10) + "x" + strings.Repeat("\x00", 20<<10): false,
	} {
		if r := sniff(t, Config{}, "a.pdf", samplePDF("")+behind); r.Accepted != accepted {
			t.Errorf("%d bytes: %+v", len(behind), r)
		}
	}
}
