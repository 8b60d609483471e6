package upload

import (
	"strings"
	"testing"
)

func TestWhatIsAppendedToMediaAndDocumentsIsFound(t *testing.T) {
	t.Parallel()
	ole := strings.ReplaceAll(sampleOLE(0, false), "DDEAUTO", "OTHERS!")
	ogg := "OggS\x00" + strings.Repeat("\x00\x01", 3000)
	files := map[string]string{"a.doc": ole, "a.rtf": `{\rtf1\ansi {\b x}}`, "a.ogg": ogg, "a.flac": "fLaC" + ogg, "a.mp3": "ID3\x04" + ogg, "long.ogg": ogg + strings.Repeat("\x00\x01", 1<<20)}
	for name, file := range files {
		if r := sniff(t, Config{Allow: []string{"audio", "document"}}, name, file+"\n\x00"); !r.Accepted {
			t.Fatalf("%s: %+v", name, r)
		}
		for _, code := range [...]string{
			"<?php x(); ?>", "<script>alert(1)</script>", `<%eval request("a")%>`, `<%execute request("a")%>`, "<% Response.Write(1) %>", "<%Response.Write(1)%>",
			"#!/bin/sh\nid", "\x7fELF\x02\x01\x01", "MZ\x90PE\x00\x00\x4c\x01", "7z\xbc\xaf\x27\x1c", "Rar!\x1a\x07", "%PDF-1.4",
		} {
			if r := sniff(t, Config{Allow: []string{"audio", "document"}}, name, file+"\n"+code); r.Accepted {
				t.Errorf("%s with %q behind it", name, code)
			}
		}
	}
	if r := sniff(t, Config{Allow: []string{"svg"}}, "a.svg", "<svg/>\n<?=`id`?>"); r.Rule != RuleTextCode {
		t.Errorf("a short tag: %+v", r)
	}
	if r := sniff(t, Config{Allow: []string{"ogg"}}, "a.ogg", ogg+"<%evaluate this%> <%settings%>"); !r.Accepted {
		t.Errorf("no code: %+v", r)
	}
}
