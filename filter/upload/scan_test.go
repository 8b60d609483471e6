package upload

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gatehouse/filter/scan"
)

// tapped is what a scanner would have got.
type tapped struct {
	log   []string
	files [][]byte
}

func (r *tapped) Begin(kind string) {
	r.files = append(r.files, nil)
	r.log = append(r.log, kind)
}
func (r *tapped) Write(b []byte) { r.files[len(r.files)-1] = append(r.files[len(r.files)-1], b...) }
func (r *tapped) End(uncertain bool) {
	r.log = append(r.log, fmt.Sprintf("end %v", uncertain))
}

func TestTheScannerGetsEachFileAsTheServerWillSeeIt(t *testing.T) {
	t.Parallel()
	always := policyOf(t, Config{Allow: []string{"txt", "7z", "pdf"}, Scan: &scan.Settings{Always: true}})
	short, long := "short text", strings.Repeat("a long text\n", 10_000)
	body := "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nnot scanned\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a.txt\"\r\n\r\n" + short + "\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b.txt\"\r\n\r\n" + long + "\r\n--b--\r\n"
	for _, size := range []int{1, 7, 1000, len(body)} {
		tap := &tapped{}
		i, refusal := always.Inspect(Request{Method: "POST", ContentType: "multipart/form-data; boundary=b", ContentLength: -1, Tap: tap})
		if refusal != nil {
			t.Fatal(refusal.Reason)
		}
		for rest := []byte(body); len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, refusal := i.Write(bytes.Clone(rest[:min(size, len(rest))])); refusal != nil {
				t.Fatal(refusal.Reason)
			}
		}
		if refusal := i.Close(); refusal != nil {
			t.Fatal(refusal.Reason)
		}
		if got := strings.Join(tap.log, " "); got != "txt end false txt end false" {
			t.Errorf("chunks of %d: %s", size, got)
		}
		if len(tap.files) != 2 || string(tap.files[0]) != short || string(tap.files[1]) != long {
			t.Errorf("chunks of %d: the scanner got other bytes", size)
		}
	}
}

func TestArchivesThatNobodySeesIntoAreScannedWhereThePolicySaysSo(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"7z", "rar", "xz", "bzip2", "zstd"} {
		if !kindByID(id).opaque() {
			t.Errorf("%s counts as seen into", id)
		}
	}
}
