package upload

import (
	"fmt"
	"testing"
)

func TestNoTwoMembersOfADocumentHaveOneName(t *testing.T) {
	t.Parallel()
	odt := []string{"mimetype=application/vnd.oasis.opendocument.text", "content.xml=<a/>"}
	epub := []string{"mimetype=application/epub+zip", "META-INF/container.xml=<a/>"}
	apk := []string{"AndroidManifest.xml=\x03\x00\x08\x00", "classes.dex=dex\n035\x00"}
	tests := []struct {
		name, file, content, refused string
	}{
		{"a document", "a.docx", sampleDOCX(t), ""},
		{"a part twice", "a.docx", sampleDOCX(t, "word/document.xml=<other/>"), "GH-ARC-009"},
		{"a part twice, in another case", "a.docx", sampleDOCX(t, "word/Document.XML=<other/>"), "GH-ARC-009"},
		{"a part twice, with a backslash", "a.docx", sampleDOCX(t, `word\document.xml=<other/>`), "GH-ARC-009"},
		{"a folder twice", "a.docx", sampleDOCX(t, "word/", "word/"), ""},
		{"the content of an OpenDocument twice", "a.odt", sampleZIP(t, append(odt, "content.xml=<b/>")...), "GH-ARC-009"},
		{"names that differ in case, in an OpenDocument", "a.odt", sampleZIP(t, append(odt, "Content.xml=<b/>")...), ""},
		{"a chapter twice", "a.epub", sampleZIP(t, append(epub, "1.xhtml=<a/>", "1.xhtml=<b/>")...), "GH-ARC-009"},
		{"a program of Android with two manifests", "a.apk", sampleZIP(t, append(apk, "AndroidManifest.xml=\x03\x00\x08\x00")...), "GH-ARC-009"},
		{"names that differ in case, in an APK", "a.apk", sampleZIP(t, append(apk, "res/a.xml=1", "res/A.xml=2")...), ""},
		{"a name twice in an archive", "a.zip", sampleZIP(t, "a.txt=1", "a.txt=2"), ""},
		{"a licence twice in a JAR", "a.jar", sampleZIP(t, "META-INF/MANIFEST.MF=a: b\n", "META-INF/LICENSE=1", "META-INF/LICENSE=2"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, r := policyOf(t, Config{Allow: append(KnownGroups(), "apk", "jar")}).newFile(tt.file, "", true)
			if r == nil {
				r = f.write([]byte(tt.content))
			}
			if r == nil {
				r = f.end()
			}
			got := ""
			if r != nil {
				got = r.ID()
			}
			if got != tt.refused {
				t.Errorf("%q (%+v), want %q", got, r, tt.refused)
			}
		})
	}
}

func TestNamesOfADocumentAreComparedUpToABound(t *testing.T) {
	t.Parallel()
	var n memberNames
	n.compares("docx")
	for i := range maxZipNames {
		if isNew, compared := n.add(fmt.Sprintf("word/media/image%d.png", i)); !isNew || !compared {
			t.Fatalf("name %d: new %v, compared %v", i, isNew, compared)
		}
		if isNew, _ := n.add(fmt.Sprintf("Word/media/image%d.png", i/2)); isNew && n.count < maxZipNames {
			t.Fatalf("name %d is new a second time", i/2)
		}
	}
	if _, compared := n.add("another"); compared || len(n.slots)*8 > 64<<10 {
		t.Errorf("compared: %v, in %d bytes", compared, len(n.slots)*8)
	}
}
