package up

import (
	"bytes"
	"image/png"
	"os"
	"strings"
	"testing"
)

func TestSamplesAreWhatTheyAreMeantToBe(t *testing.T) {
	s := newState(t)
	for range 2 { // the second time finds them there
		if err := writeSamples(s); err != nil {
			t.Fatal(err)
		}
	}
	for name, head := range map[string]string{"report.pdf": "%PDF-1.4", "photo.png": "\x89PNG\r\n", "malicious.pdf": "MZ", "script.pdf": "#!"} {
		data, err := os.ReadFile(s.path("samples", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte(head)) {
			t.Errorf("%s begins with %q", name, data[:8])
		}
	}
	photo, err := os.Open(s.path("samples", "photo.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = photo.Close() }()
	if _, err := png.Decode(photo); err != nil {
		t.Error(err)
	}
}

func TestTheSamplePDFsTableIsRight(t *testing.T) {
	pdf := samplePDF()
	_, table, found := bytes.Cut(pdf, []byte("xref\n0 6\n"))
	if !found {
		t.Fatal("no table")
	}
	rows := strings.Split(string(table), "\n")
	for i := 1; i <= 5; i++ {
		offset := 0
		for _, digit := range rows[i][:10] {
			offset = offset*10 + int(digit-'0')
		}
		if want := string(rune('0'+i)) + " 0 obj"; !bytes.HasPrefix(pdf[offset:], []byte(want)) {
			t.Errorf("object %d: at %d is %q", i, offset, pdf[offset:offset+8])
		}
	}
}
