package upload

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestFontsMayBeNamedByTheirFormatOrTheirOutlines(t *testing.T) {
	t.Parallel()
	outlines := func(version string) string {
		return version + "\x00\x0b\x00\x80\x00\x03\x00\x30" + strings.Repeat("\x00", 64)
	}
	for name, content := range map[string]string{
		"a.ttf": outlines("OTTO"), "b.otf": outlines("\x00\x01\x00\x00"), "c.otc": "ttcf\x00\x01\x00\x00" + strings.Repeat("\x00", 64), "d.otf": outlines("OTTO"),
	} {
		if r := sniff(t, Config{}, name, content); !r.Accepted {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := sniff(t, Config{}, "a.woff", outlines("OTTO")); r.Accepted {
		t.Error("a font of another format is taken")
	}
}

func TestABareStreamOfJPEG2000IsMeasured(t *testing.T) {
	t.Parallel()
	stream := func(width, height, x, y uint32) string {
		b := []byte(jp2Stream + "\x00\x29\x00\x00")
		for _, v := range [...]uint32{width, height, x, y} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return string(b) + strings.Repeat("\x00", 40)
	}
	for content, rule := range map[string]string{
		stream(9, 9, 0, 0): "", stream(90_000, 90_000, 0, 0): RulePixels, stream(90_009, 90_009, 90_000, 90_000): "",
	} {
		for _, name := range []string{"a.j2k", "a.jp2", "a.j2c"} {
			if r := sniff(t, Config{}, name, content); r.Rule != rule {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

func TestAnAACMayHaveItsOldHeader(t *testing.T) {
	t.Parallel()
	if r := sniff(t, Config{}, "a.aac", "ADIF\x00\x02\xee\x00\x00\x40\x10"+strings.Repeat("\x00", 40)); !r.Accepted {
		t.Errorf("%+v", r)
	}
	if r := sniff(t, Config{}, "a.txt", "ADIF is how radio amateurs exchange logs.\n"); !r.Accepted {
		t.Errorf("a text: %+v", r)
	}
}

func TestASoundMayMistakeItsSizeIfItEndsWithItsData(t *testing.T) {
	t.Parallel()
	sized := func(content string, by int) string {
		return "RIFF" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(content)-8+by))) + content[8:]
	}
	whole := sized(sampleWAV(), 0)
	for what, c := range map[string]struct {
		content  string
		accepted bool
	}{
		"a sound":                      {whole, true},
		"four too few":                 {sized(whole, -4), true},
		"eight too many":               {sized(whole, 8), true},
		"that of an empty one":         {sized(whole, 44-len(whole)), true},
		"a chunk that is cut off":      {sized(whole[:len(whole)-1], 4), false},
		"bytes that are no chunk":      {sized(whole+"abcd", -4), false},
		"a chunk that the sound omits": {sized(whole+"LIST\x04\x00\x00\x00abcd", -12), false},
	} {
		if r := sniff(t, Config{}, "a.wav", c.content); r.Accepted != c.accepted {
			t.Errorf("%s: %+v", what, r)
		}
	}
	webp := "RIFF\x14\x00\x00\x00WEBPVP8L\x08\x00\x00\x00\x2f\x00\x00\x00\x00\x00\x00\x00"
	if r := sniff(t, Config{}, "a.webp", sized(webp, -4)); r.Accepted {
		t.Error("a picture may not")
	}
}

func TestPixelsThatLookLikeAnAssignmentToAConstantAreNoCode(t *testing.T) {
	t.Parallel()
	for mark, code := range map[string]bool{
		"<?=DRJIJECF=;9974": false, "<?= ABC ='x'": false, "<?=ABC==system(1)": true, "<?=ABC=>x": true, "<?=$a=1;system": true, "<?=system($a)": true, "<?=`id`": true,
	} {
		content := sampleTIFF(9, 9) + "HC58" + mark + strings.Repeat("F", 30)
		if r := sniff(t, Config{}, "a.tif", content); (r.ID == "GH-COD-001") != code {
			t.Errorf("%q: %+v", mark, r)
		}
	}
}

func TestAnXMLMayBeInACharsetOfDOS(t *testing.T) {
	t.Parallel()
	for charset, accepted := range map[string]bool{"cp866": true, "IBM850": true, "cp949": true, "windows_1251": true, "cp037": false, "IBM871": false, "utf-7": false, "hz-gb-2312": false} {
		if r := sniff(t, Config{}, "a.xml", `<?xml version="1.0" encoding="`+charset+`"?><a/>`); r.Accepted != accepted {
			t.Errorf("%s: %+v", charset, r)
		}
	}
}
