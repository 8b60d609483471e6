package upload

import (
	"strings"
	"testing"
)

func TestTypesHaveOtherNamesThatHonestClientsSend(t *testing.T) {
	t.Parallel()
	for media, want := range map[string]string{
		"image/x-jpeg": "jpeg", "image/pjpeg": "jpeg", "image/x-citrix-jpeg": "jpeg", "image/apng": "png", "image/x-windows-bmp": "bmp", "audio/x-mp3": "mp3",
		"audio/x-pn-wav": "wav", "application/x-ogg": "ogg", "audio/m4a": "mp4", "video/3gpp": "mp4", "application/x-msexcel": "ole", "application/x-rtf": "rtf",
		"application/x-gtar": "tar", "application/x-7zip": "7z", "text/x-comma-separated-values": "csv", "application/ld+json": "json", "application/vnd.api+json": "json",
		"application/rss+xml": "xml", "application/x-xml": "xml", "text/vcard": "txt", "application/x-font-sfnt": "ttf",
		"application/x-svg": "", "image/svg+xml": "svg", "application/xhtml+xml": "html", "application/xslt+xml": "", "image/x": "", "x-": "", "": "",
	} {
		found := ""
		for i := range kinds {
			if kinds[i].hasMedia(media) {
				found = kinds[i].id
				break
			}
		}
		if found != want {
			t.Errorf("%q is of %q, want %q", media, found, want)
		}
	}
}

func TestACompoundFileBearsTheNameOfItsProgram(t *testing.T) {
	t.Parallel()
	stream := func(name string) string {
		entry := make([]byte, oleEntry)
		for i := range len(name) {
			entry[2*i] = name[i]
		}
		entry[64], entry[66], entry[67] = byte(2*len(name)+2), 2, 1
		return string(entry)
	}
	for _, c := range []struct {
		name, streams string
		want          bool
	}{
		{"a.doc", stream("WordDocument"), true}, {"a.dot", stream("WordDocument"), true}, {"a.xls", stream("Workbook"), true}, {"a.xls", stream("Book"), true},
		{"a.doc", stream("Workbook") + stream("WordDocument"), true}, {"a.pps", stream("PowerPoint Document"), true}, {"a.doc", "", true},
		{"a.doc", stream("Workbook"), false}, {"a.xls", stream("WordDocument"), false}, {"a.ppt", stream("Workbook"), false}, {"a.msg", stream("WordDocument"), false},
	} {
		file := strings.ReplaceAll(sampleOLE(0, false), "DDEAUTO", "OTHERS!")
		file = file[:1536] + c.streams + file[1536+len(c.streams):]
		if r := sniff(t, Config{}, c.name, file); r.Accepted != c.want || !c.want && r.Rule != RuleMismatch {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}
