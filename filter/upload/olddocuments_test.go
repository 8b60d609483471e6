package upload

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestFieldsOfRTFAreReadAsWordReadsThem(t *testing.T) {
	t.Parallel()
	field := func(s string) string { return `{\rtf1{\field{\*\fldinst ` + s + `}{\fldrslt x}}}` }
	verdicts{
		{"no letters for other readers", field(`\uc0\u68DE x`), false},
		{"two of them", field(`\uc2\u68??\u68??\u69?? x`), false},
		{"none from the outside on", `{\rtf1\uc0{\field{\*\fldinst \u68DE x}}}`, false},
		{"one again behind the group", field(`{\uc0}\u68?DE x`), false},
		{"a letter beyond 65536", field(`\u65604?DE x`), false},
		{"a letter below zero", field(`\u-65468?DE x`), false},
		{"a brace in data", field(`\bin1 }DDE x`), false},
		{"a picture's data", `{\rtf1{\pict\bin9 {}}{{ab c}}`, true},
		{"data that begin at once, and end in a slash", "{\\rtf1{\\pict\\bin5\x01{{}\\}}", true},
		{"data that begin with a brace", `{\rtf1{\pict\bin2{{}}`, true},
		{"a text that nobody shows", field(`{\*\bkmkstart abc}DDE x`), false},
		{"a name for a mark", field(`{\*\bkmkstart DDE}HYPERLINK "http://x"`), true},
		{"a link", field(`LINK Word.Document.8 "http://x/y" \\a`), false},
		{"a link on a drive", field(`LINK Word.Document.8 "C:\\\\x" \\a`), true},
		{"a picture from a share", field(`INCLUDEPICTURE "\\\\\\\\x\\\\y.png" \\d`), false},
		{"a picture", field(`INCLUDEPICTURE "http://x/y.png" \\d`), true},
		{"a text from another host", field(`INCLUDETEXT "file://x/y" \\d`), false},
		{"a template from another host", `{\rtf1{\*\template file://x/y.dotm}}`, false},
		{"a template on a drive", `{\rtf1{\*\template file:///C:/x/y.dotm}}`, true},
	}.check(t, "a.rtf")
}

func TestOldDocumentsThatAreEncryptedOrLinkedAreRefused(t *testing.T) {
	t.Parallel()
	plain := strings.ReplaceAll(sampleOLE(200, false), "\x13 DDEAUTO", "\x13 OTHERS!")
	at := strings.Index(plain, "\x13 OTHERS!")
	with := func(record string) string {
		for len(record) < 9 {
			record += "\x00"
		}
		return plain[:at] + record + plain[at+len(record):]
	}
	link := func(s string) string {
		b := binary.LittleEndian.AppendUint16([]byte("\xae\x01"), uint16(5+len(s))) // #nosec G115 -- short
		b = binary.LittleEndian.AppendUint16(append(b, 0, 0), uint16(len(s)))       // #nosec G115 -- short
		return string(append(b, 0)) + s
	}
	verdicts{
		{"a document", plain, true},
		{"a field in small letters", with("\x13  \"ddeauto c"), false},
		{"a field behind a tab", with("\x13\tDDE x"), false},
		{"a word that begins so", with("\x13 DDEx y"), true},
		{"a link to a program", with(link("cmd\x03/c calc")), false},
		{"a link to a file", with(link("\x01Cdir\x03a.xls")), true},
	}.check(t, "a.doc")
	o := newOLE(env{}).(*ole)
	fib := append([]byte("\xec\xa5\xc1\x00"), make([]byte, 124)...)
	if r := o.judge(fib); r != nil {
		t.Errorf("a text: %+v", r)
	}
	if fib[11] = 1; o.judge(fib) == nil {
		t.Error("a text that is encrypted")
	}
}
