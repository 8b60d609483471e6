package upload

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// smallParts is a form of which nearly nothing is decided as soon as it is read.
func smallParts(n int, part func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("--b\r\n" + part(i) + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

func TestNoMoreIsInDoubtThanAHeadAndWhatATypeIsDecidedOn(t *testing.T) {
	t.Parallel()
	field := func(i int) string {
		return fmt.Sprintf("Content-Disposition: form-data; name=\"%s%d\"\r\n\r\n1", strings.Repeat("n", 200), i)
	}
	small := func(i int) string {
		return fmt.Sprintf("Content-Disposition: form-data; name=\"f\"; filename=\"%d.txt\"\r\n\r\n%s", i, strings.Repeat("A line.\n", 375))
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(smallParts(900, field)))
	_ = z.Close()
	// What is in doubt of a body that is packed is known to the byte only where it was written.
	const most = 5 + 250 + headSize
	tests := []struct {
		name, media, coding, body string
		chunk, most               int
	}{
		{"small fields", "multipart/form-data; boundary=b", "", smallParts(900, field), 64 << 10, 400},
		{"small files", "multipart/form-data; boundary=b", "", smallParts(90, small), 64 << 10, most},
		{"small files byte by byte", "multipart/form-data; boundary=b", "", smallParts(90, small), 1, most},
		{"small fields in gzip", "multipart/form-data; boundary=b", "gzip", packed.String(), 1 << 10, 1 << 10},
		{"small files in JSON", "application/json", "", `{"f":["` + strings.Repeat(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("A line.\n", 375)))+`","`, 60) + `"]}`, 64 << 10, 4*headSize/3 + 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := policyOf(t, Config{Allow: []string{"txt"}, MaxFiles: 100, JSONFields: []JSONField{{Path: "$.f[*]"}}})
			i, r := p.Inspect(Request{Method: "POST", ContentType: tt.media, ContentEncoding: tt.coding, ContentLength: -1})
			if r != nil {
				t.Fatal(r)
			}
			held := 0
			for at := 0; at < len(tt.body); at += tt.chunk {
				chunk := tt.body[at:min(len(tt.body), at+tt.chunk)]
				if _, r := i.Write([]byte(chunk)); r != nil {
					t.Fatal(r)
				}
				held += len(chunk)
				if !i.Undecided() {
					held = 0
					continue
				}
				if held = i.Doubt(held); held < 1 || held > tt.most {
					t.Fatalf("%d bytes are in doubt at %d, more than %d", held, at, tt.most)
				}
			}
			if r := i.Close(); r != nil {
				t.Fatal(r)
			}
		})
	}
}
