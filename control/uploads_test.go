package control

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"gatehouse/control/api"
	"gatehouse/control/policy"
	"gatehouse/control/scan"
	filterpolicy "gatehouse/filter/policy"
)

// fakeClamd answers each INSTREAM with what it is told, once the file has ended.
func fakeClamd(t *testing.T, answer string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				r := bufio.NewReader(c)
				if _, err := r.ReadString(0); err != nil {
					return
				}
				for {
					var size [4]byte
					if _, err := io.ReadFull(r, size[:]); err != nil {
						return
					}
					n := binary.BigEndian.Uint32(size[:])
					if n == 0 {
						_, _ = io.WriteString(c, answer+"\x00")
						return
					}
					if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// judgeOf judges by three policies that allow texts: one that scans, one in report
// mode, and one without uploads.
func judgeOf(t *testing.T, scanner *scan.Config, s filterpolicy.Scan) *uploads {
	t.Helper()
	u := &uploads{scans: scan.NewService(slog.New(slog.DiscardHandler))}
	if err := u.scans.Use(scanner); err != nil {
		t.Fatal(err)
	}
	s.When = filterpolicy.ScanAlways
	err := u.use(&policy.Compiled{Filter: filterpolicy.Config{
		Version: "v1", DefaultPolicy: "plain", ScanService: "gatehouse_scan",
		Policies: map[string]filterpolicy.Policy{
			"plain":  {Uploads: &filterpolicy.Uploads{Allow: []string{"txt", "png"}, MaxFileSize: 1 << 20}},
			"report": {Uploads: &filterpolicy.Uploads{Mode: "report", Allow: []string{"png"}}},
			"scans":  {Uploads: &filterpolicy.Uploads{Allow: []string{"txt"}, Scan: &s}},
			"none":   {},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAFileOfTheAPIIsJudgedByThePolicyThatItNames(t *testing.T) {
	t.Parallel()
	const text = "All is well.\n"
	sum := sha256.Sum256([]byte(text))
	for _, c := range []struct {
		name, scanner, answer string // scanner: "", clamd or gone
		scan                  filterpolicy.Scan
		file                  api.UploadFile
		verdict, rule         string
		scanned, noted        bool
	}{
		{name: "an honest text", file: api.UploadFile{Policy: "plain", Name: "a.txt", ContentType: "Text/Plain; charset=utf-8"}, verdict: "accept"},
		{name: "a text without a name", file: api.UploadFile{Policy: "plain"}, verdict: "accept"},
		{name: "a text that says it is a picture", file: api.UploadFile{Policy: "plain", Name: "a.png"}, verdict: "reject", rule: "type_mismatch"},
		{name: "a name that leads elsewhere", file: api.UploadFile{Policy: "plain", Name: "../a.txt"}, verdict: "reject", rule: "name_unsafe"},
		{name: "report decides all the same, and says so", file: api.UploadFile{Policy: "report", Name: "a.txt"}, verdict: "reject", rule: "type_not_allowed"},
		{name: "the scanner knows nothing bad", scanner: "clamd", answer: "stream: OK", file: api.UploadFile{Policy: "scans", Name: "a.txt"}, verdict: "accept", scanned: true},
		{name: "the scanner knows it", scanner: "clamd", answer: "stream: Bad.Thing FOUND", file: api.UploadFile{Policy: "scans", Name: "a.txt"}, verdict: "reject", rule: "scanner_found"},
		{name: "the scanner fails", scanner: "clamd", answer: "stream: broken ERROR", file: api.UploadFile{Policy: "scans", Name: "a.txt"}, verdict: "reject", rule: "scanner_unavailable"},
		{name: "the scanner fails, and the policy lets pass", scanner: "clamd", answer: "stream: broken ERROR", scan: filterpolicy.Scan{OnError: filterpolicy.Accept},
			file: api.UploadFile{Policy: "scans", Name: "a.txt"}, verdict: "accept", noted: true},
		{name: "no scanner", file: api.UploadFile{Policy: "scans", Name: "a.txt"}, verdict: "reject", rule: "scanner_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var scanner *scan.Config
			if c.scanner != "" {
				scanner = &scan.Config{Kind: scan.Clamd, Address: fakeClamd(t, c.answer)}
			}
			c.file.Body = strings.NewReader(text)
			v, err := judgeOf(t, scanner, c.scan).JudgeUpload(t.Context(), c.file)
			if err != nil {
				t.Fatal(err)
			}
			if v.Verdict != c.verdict || v.Rule != c.rule || v.Scanned != c.scanned || (v.Note != "") != c.noted ||
				(v.Verdict == "reject") != (v.Offset != nil && v.RuleID != "" && v.Reason != "") || (v.Mode == "report") != (c.file.Policy == "report") {
				t.Errorf("got %+v", v)
			}
			if c.rule != "name_unsafe" && (v.Size != int64(len(text)) || v.SHA256 != hex.EncodeToString(sum[:])) {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestAFileIsNotReadBeyondWhatItsPolicyTakes(t *testing.T) {
	t.Parallel()
	endless := io.LimitReader(letters{}, 1<<40)
	v, err := judgeOf(t, nil, filterpolicy.Scan{}).JudgeUpload(t.Context(), api.UploadFile{Policy: "plain", Name: "a.txt", Body: endless})
	if err != nil || v.Verdict != "reject" || v.Size > 1<<20+64<<10 {
		t.Errorf("%+v, %v", v, err)
	}
}

type letters struct{}

func (letters) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	return len(b), nil
}

func TestAPolicyWithoutUploadsJudgesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"none", "nope", ""} {
		_, err := judgeOf(t, nil, filterpolicy.Scan{}).JudgeUpload(t.Context(), api.UploadFile{Policy: name, Body: strings.NewReader("x")})
		if !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
