package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestARefusedFileIsNamedByTheHashOfWhatWasKept(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("All is well that ends well.\n", 9000)
	for _, c := range []struct {
		name, body     string
		hashed, offset int64
		pieces         int
	}{
		{"a program in one piece", "MZ" + strings.Repeat("\x90", 5000), 5002, 0, 64 << 10},
		{"what is too large, after its beginning", text, 64 << 10, 196608, 64 << 10},
		{"what is too large, in small pieces", text, 64 << 10, 200704, 4 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := policyOf(t, Config{MaxFileSize: 200_000 + 1<<10, Allow: []string{"txt"}})
			i, refusal := p.Inspect(Request{Method: "POST", ContentType: "text/plain", ContentLength: -1})
			if refusal != nil {
				t.Fatal(refusal)
			}
			for rest := c.body; rest != "" && refusal == nil; rest = rest[min(c.pieces, len(rest)):] {
				_, refusal = i.Write([]byte(rest[:min(c.pieces, len(rest))]))
			}
			files := i.Files()
			if refusal == nil || len(files) != 1 {
				t.Fatalf("%+v, %+v", refusal, files)
			}
			if f := files[0]; f.SHA256 != hashOf(c.body[:c.hashed]) || f.Hashed != c.hashed || f.Offset != c.offset {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestOfManyFilesTheRefusedOneIsReportedWithItsHash(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{MaxFiles: 20, Allow: []string{"txt"}})
	i, refusal := p.Inspect(Request{Method: "POST", ContentType: "multipart/form-data; boundary=b", ContentLength: -1})
	if refusal != nil {
		t.Fatal(refusal)
	}
	part := func(content string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n" + content + "\r\n"
	}
	program := "MZ\x90\x00" + strings.Repeat("\x01", 90)
	if _, refusal = i.Write([]byte(strings.Repeat(part("hello"), 10) + part(program) + "--b--\r\n")); refusal == nil {
		t.Fatal("accepted")
	}
	files := i.Files()
	if len(files) != maxReported || files[maxReported-1].SHA256 != hashOf(program) || files[maxReported-1].Hashed != int64(len(program)) {
		t.Errorf("got %+v", files)
	}
	for _, f := range files[:maxReported-1] {
		if f.SHA256 != "" {
			t.Errorf("an honest file was hashed: %+v", f)
		}
	}
}

func TestAnHonestFileIsNotHashedAndItsMemoryIsUsedAgain(t *testing.T) {
	t.Parallel()
	p := policyOf(t, Config{Allow: []string{"txt"}})
	for range 3 {
		i, refusal := p.Inspect(Request{Method: "POST", ContentType: "text/plain", ContentLength: -1})
		if refusal != nil {
			t.Fatal(refusal)
		}
		if _, refusal = i.Write([]byte("hello")); refusal != nil || i.Close() != nil {
			t.Fatal("refused")
		}
		if f := i.Files(); len(f) != 1 || f[0].SHA256 != "" || i.carrier.(interface{ current() *file }).current().kept.buf != nil {
			t.Errorf("got %+v", f)
		}
	}
}
