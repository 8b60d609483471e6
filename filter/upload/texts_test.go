package upload

import (
	"strings"
	"testing"
)

func TestTextsAreToldFromWhatTheySpeakOf(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"text", "image", "document", "audio"}})
	for _, c := range []struct {
		name, media, text string
		want              bool
	}{
		{"a.txt", "text/plain", "GIF89a is a format of 1989\n", true}, {"a.txt", "text/plain", "ID3 tags stand first\n", true},
		{"a.txt", "text/plain", `{\rtf is how RTF begins`, true}, {"a.txt", "text/plain", "%PDF-1.7 is the last version of Adobe's\n", true},
		{"a.txt", "text/plain", "fLaC is a magic\n", true}, {"a.txt", "text/plain", "wOFF too\n", true},
		{"a.gif", "image/gif", "GIF89a is a format of 1989\n", false}, {"a.gif", "image/gif", "GIF89a=1;alert(1)//", false},
		{"a.mp3", "audio/mpeg", "ID3 tags stand first\n", false}, {"a.pdf", "application/pdf", "%PDF-1.7 is the last version\n", false},
		{"a.txt", "text/plain", "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n", false}, {"a.txt", "text/plain", `{\rtf1\ansi x}`, false},
		{"a.txt", "text/plain", "hello\n%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n", false},
		{"a.txt", "text/plain", "%PDF-1.4\n%" + strings.Repeat("x", 5000) + "\n1 0 obj<</Type/Catalog>>\nendobj\n", false},
		{"a.csv", "text/csv", "a,b\n%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n", false},
		{"a.txt", "text/plain", "A PDF begins with %PDF- and is of objects.\n", true},
		{"a.txt", "text/plain", strings.Repeat("x", 1100) + "%PDF-1.4\n1 0 obj\n<<>>\nendobj\n", true},
		{"a.md", "text/markdown", "<p align=\"center\"><img src=\"logo.png\"></p>\n\n# Title\n", true},
		{"a.md", "text/markdown", "<h1>Title</h1>\n<header>x</header>\n", true}, {"a.markdown", "", "<div>\n\n# T\n\n</div>", true},
		{"a.md", "text/markdown", "<div><script>alert(1)</script></div>", false}, {"a.md", "text/markdown", "<!DOCTYPE html><p>x", false},
		{"a.md", "text/markdown", "<p><iframe src=x></iframe>", false}, {"a.txt", "text/plain", "<p>Hello</p>", false},
		{"a.csv", "text/csv", "<a>,<b>\n1,2\n", true}, {"a.csv", "text/csv", "<a>,<script>alert(1)</script>\n", false},
		{"a.txt", "text/plain", "\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0\n", true},                       // Windows-1251
		{"a.txt", "text/plain", strings.Repeat("\xf0\xd2\xc9\xd7\xc5\xd4 \xcd\xc9\xd2 ", 900), true},    // KOI8-R
		{"a.txt", "text/plain", "\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd\x81A\x90\xa2\x8aE\n", true},   // Shift_JIS
		{"a.txt", "text/plain", strings.Repeat("\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4 ", 900), true}, // EUC-KR
		{"a.txt", "text/plain", "\xc4\xe3\xba\xc3\xca\xc0\xbd\xe7", true},                               // GBK
		{"a.txt", "text/plain", strings.Repeat("\x90", 5000), false}, {"a.txt", "text/plain", "MZ" + strings.Repeat("\x90", 300), false}, {"a.txt", "text/plain", "\x80\xff\x81\xfe\x80\xff", false},
		{"a.csv", "text/csv", "\x00\x01\x02,\xff\xfe", false},
		{"a.txt", "text/plain", "of DOS\r\n\x1a", true}, {"a.csv", "text/csv", "a,b\r\n\x1a", true}, {"a.txt", "text/plain", "of\x1aDOS\r\n", false}, {"a.txt", "text/plain", "\x1a", false},
		{"a.txt", "text/plain", "@echo off\r\ndel *.*\r\n", false}, {"a.txt", "text/plain", "Set s = CreateObject(\"WScript.Shell\")\r\ns.Run \"calc\"", false},
		{"a.txt", "text/plain", "var s = new ActiveXObject('WScript.Shell');", false}, {"a.txt", "text/plain", "#!python\nimport os\n", false},
		{"a.log", "text/plain", "powershell -enc SQBFAFgA", false}, {"a.txt", "text/plain", "IEX (New-Object Net.WebClient).DownloadString('http://x')", false},
		{"a.txt", "text/plain", "<HTA:APPLICATION>", false}, {"a.txt", "text/plain", "$x = (New-Object Net.WebClient)\n", false},
		{"a.txt", "text/plain", "Set theory and functions\n", true}, {"a.txt", "text/plain", "Try CreateObject in VBScript.\n", true}, {"a.txt", "text/plain", "@echo: hi\n", true},
		{"a.txt", "text/plain", "PowerShell is a shell; powershell -enc takes base64.\n", true}, {"a.txt", "text/plain", "var x = 1;\n", true}, {"a.csv", "text/csv", "set ,dim \n1,2\n", true},
	} {
		if got := sniffText(t, p, c.text, c.name, c.media); got != c.want {
			t.Errorf("%s with %.40q: accepted is %v", c.name, c.text, got)
		}
	}
}

func TestATextThatIsAPDFTooIsSeenWhereverItIsCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"hello %\n%PDF-1.4\n1 0 obj\n<<>>":     true,
		"%%%%PDF-1.7\n%\xe2\n12 0 obj<<>>":     true,
		"1 0 obj\n<<>>\n%PDF-1.4\nno objects.": false,
	} {
		for cut := range len(text) {
			var p pdfInText
			if got := p.write([]byte(text[:cut])) || p.write([]byte(text[cut:])); got != want {
				t.Errorf("%q cut at %d: %v", text, cut, got)
			}
		}
	}
}
