package upload

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"strings"
	"testing"
)

func zipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(content))
	must(t, err)
	must(t, w.Close())
	return b.String()
}

func zlibbed(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := w.Write([]byte(content))
	must(t, err)
	must(t, w.Close())
	return b.String()
}

func TestAnEncodedBodyIsJudgedAsTheServerSeesIt(t *testing.T) {
	t.Parallel()
	active := samplePDF("/OpenAction << /S /JavaScript /JS (x) >> ")
	tests := []struct {
		name, coding, body, rule string
	}{
		{"gzip", "gzip", zipped(t, samplePDF("")), ""},
		{"GZIP in capitals", " GZip ", zipped(t, samplePDF("")), ""},
		{"deflate", "deflate", zlibbed(t, samplePDF("")), ""},
		{"active content in gzip", "gzip", zipped(t, active), RulePDF},
		{"active content in deflate", "deflate", zlibbed(t, active), RulePDF},
		{"a program in gzip", "gzip", zipped(t, sampleEXE()), RuleMismatch},
		{"raw DEFLATE", "deflate", string(deflated(t, []byte(samplePDF("")), 6)), RuleEncoding},
		{"gzip that is none", "gzip", samplePDF(""), RuleAppended},
		{"gzip cut off", "gzip", zipped(t, samplePDF(""))[:60], RuleTruncated},
		{"deflate without its sum", "deflate", strings.TrimSuffix(zlibbed(t, samplePDF("")), zlibbed(t, samplePDF(""))[len(zlibbed(t, samplePDF("")))-4:]), RuleTruncated},
		{"deflate with more behind it", "deflate", zlibbed(t, samplePDF("")) + "x", RuleMalformed},
		{"beyond the request's size", "gzip", zipped(t, strings.Repeat("hello, world ", 20_000)), RuleRequestSize},
		{"gzip twice, one behind the other", "gzip", zipped(t, samplePDF("")) + zipped(t, "more"), RuleMalformed},
		{"gzip with more behind it", "gzip", zipped(t, samplePDF("")) + "\x00", RuleMalformed},
		{"a coding and identity", "gzip, identity", zipped(t, samplePDF("")), RuleEncoding},
		{"an unknown coding", "zstd", samplePDF(""), RuleEncoding},
		{"two codings", "gzip, gzip", zipped(t, zipped(t, samplePDF(""))), RuleEncoding},
		{"br", "br", "x", RuleEncoding},
	}
	p := policyOf(t, Config{MaxFileSize: 100_000, MaxRequestSize: 200_000})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			declared := "application/pdf"
			if tt.rule == RuleRequestSize {
				declared = "application/x-www-form-urlencoded"
			}
			for _, n := range []int{1, 3, 100, 1 << 20} {
				if rule, _ := inspect(t, p, Request{ContentType: declared, ContentEncoding: tt.coding, ContentLength: -1}, tt.body, n); rule != tt.rule {
					t.Errorf("in pieces of %d: %q, want %q", n, rule, tt.rule)
				}
			}
		})
	}
}

func TestAStretchOfAFile(t *testing.T) {
	t.Parallel()
	half := samplePDF("")[:100]
	const tus = "application/offset+octet-stream"
	coded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name        string
		r           Request
		body        string
		rule, loose string
	}{
		{"the whole file", Request{ContentRange: "bytes 0-99/100"}, half, RuleTruncated, RuleTruncated},
		{"the first stretch", Request{ContentRange: "bytes 0-99/200"}, half, RuleTruncated, ""},
		{"the first stretch, which is whole for who does not know the header", Request{ContentRange: "bytes 0-99/2000"}, samplePDF(""), "", ""},
		{"a stretch of a file too large", Request{ContentRange: "bytes 0-99/200000000"}, half, RuleFileSize, RuleFileSize},
		{"a stretch that ends beyond the size", Request{ContentRange: "bytes 10485700-10485799/*"}, samplePDF(""), RulePartial, RuleFileSize},
		{"a sign", Request{ContentRange: "bytes +0-99/200"}, half, RuleMalformed, RuleMalformed},
		{"the first stretch of a program", Request{ContentRange: "bytes 0-99/200"}, sampleEXE(), RuleMismatch, RuleMismatch},
		{"a later stretch", Request{ContentRange: "bytes 100-199/200"}, "more", RulePartial, ""},
		{"a first stretch of tus", Request{UploadOffset: "0", ContentType: tus}, half, RuleTruncated, ""},
		{"a whole file by tus", Request{UploadOffset: "0", ContentType: tus}, samplePDF(""), "", ""},
		{"a first stretch of a program by tus", Request{UploadOffset: "0", ContentType: tus}, sampleEXE(), RuleNotAllowed, RuleNotAllowed},
		{"tus, made with a stretch", Request{UploadLength: "2000", ContentType: tus}, half, RuleTruncated, ""},
		{"tus, made with all", Request{UploadLength: "2000", ContentType: tus, ContentLength: 2000}, half, RuleTruncated, RuleTruncated},
		{"tus, made with a name that lies", Request{UploadLength: "2000", ContentType: tus, UploadMetadata: "filename " + coded("a.png")}, half, RuleMismatch, RuleMismatch},
		{"tus, made with a name and type", Request{ContentType: tus, UploadMetadata: "filename " + coded("a.pdf") + ",filetype " + coded("application/pdf") + ",is_confidential"}, samplePDF(""), "", ""},
		{"tus, made with a type that lies", Request{ContentType: tus, UploadMetadata: "filetype " + coded("image/png")}, samplePDF(""), RuleMismatch, RuleMismatch},
		{"tus, made with a name that leads out", Request{ContentType: tus, UploadMetadata: "filename " + coded("../a.pdf")}, samplePDF(""), RuleName, RuleName},
		{"tus, made with two names", Request{ContentType: tus, UploadMetadata: "filename " + coded("a.pdf") + ",name " + coded("b.pdf")}, samplePDF(""), RuleMalformed, RuleMalformed},
		{"tus, made with a name twice", Request{ContentType: tus, UploadMetadata: "filename " + coded("a.pdf") + ",Filename " + coded("a.pdf")}, samplePDF(""), RuleMalformed, RuleMalformed},
		{"tus, made with what is no base64", Request{ContentType: tus, UploadMetadata: "filename a.pdf"}, samplePDF(""), RuleMalformed, RuleMalformed},
		{"tus, put together", Request{ContentType: tus, UploadConcat: "partial"}, half, RulePartial, ""},
		{"tus, beyond its own length", Request{UploadOffset: "9", UploadLength: "7", ContentType: tus}, half, RuleMalformed, RuleMalformed},
		{"an incomplete upload", Request{UploadComplete: "?0"}, half, RuleTruncated, ""},
		{"a complete upload", Request{UploadComplete: "?1"}, half, RuleTruncated, RuleTruncated},
		{"an upload that is neither", Request{UploadComplete: "1"}, half, RuleMalformed, RuleMalformed},
		{"a later stretch of tus", Request{UploadOffset: "7"}, half, RulePartial, ""},
		{"both", Request{UploadOffset: "7", ContentRange: "bytes 0-99/200"}, half, RuleMalformed, RuleMalformed},
		{"another unit", Request{ContentRange: "lines 0-9/20"}, half, RuleMalformed, RuleMalformed},
		{"an end before its beginning", Request{ContentRange: "bytes 9-0/20"}, half, RuleMalformed, RuleMalformed},
		{"no number", Request{UploadOffset: "-1"}, half, RuleMalformed, RuleMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.r.ContentLength == 0 {
				tt.r.ContentLength = -1
			}
			if tt.r.ContentType == "" {
				tt.r.ContentType = "application/pdf"
			}
			if rule, _ := inspect(t, policyOf(t, Config{}), tt.r, tt.body, 64); rule != tt.rule {
				t.Errorf("got %q, want %q", rule, tt.rule)
			}
			if rule, _ := inspect(t, policyOf(t, Config{OnUncertain: OnUncertainAccept}), tt.r, tt.body, 64); rule != tt.loose {
				t.Errorf("with on_uncertain: accept %q, want %q", rule, tt.loose)
			}
		})
	}
}
