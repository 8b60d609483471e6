package upload

import (
	"bytes"
	"compress/gzip"
	"runtime"
	"strings"
	"testing"
)

// unfinished are bodies that have not ended, each as far as a kind of inspection
// goes: what it keeps is in use.
func unfinished(t *testing.T) map[string]openBody {
	t.Helper()
	open := "/ObjStm\nstream\n" + string(deflatedOpen(t))
	deepest := samplePDF("") + open + open + noisy(60_000, false)
	deepest = strings.ReplaceAll(deepest, "/J", "xx")
	nested := sampleZIP(t, "c.zip="+sampleZIP(t, "b.zip="+sampleZIP(t, "a.pdf="+deepest)))
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte(inForm("a.pdf", "application/pdf", deepest)))
	must(t, err)
	must(t, w.Close())
	return map[string]openBody{
		"a JPEG":             {form: inForm("a.jpg", "image/jpeg", largeJPEG(300_000))},
		"a PNG":              {form: inForm("a.png", "image/png", largePNG(300_000))},
		"a film":             {form: inForm("a.mp4", "video/mp4", string(film(300_000, 50, "")))},
		"a text":             {form: inForm("a.txt", "text/plain", strings.Repeat("All is well. ", 20_000))},
		"a table":            {form: inForm("a.csv", "text/csv", strings.Repeat("a,b,c\n", 20_000))},
		"a JSON":             {form: inForm("a.json", "application/json", `{"a":"`+strings.Repeat("x", 300_000))},
		"a drawing":          {form: inForm("a.svg", "image/svg+xml", "<svg a='"+strings.Repeat("x", 300_000))},
		"a PDF":              {form: inForm("a.pdf", "application/pdf", deepest)},
		"a document":         {form: inForm("a.docx", "application/octet-stream", sampleDOCX(t, "word/a.xml="+noisy(200_000, false)))},
		"a PDF in archives":  {form: inForm("a.zip", "application/zip", nested)},
		"a form in gzip":     {form: zipped.String(), encoding: "gzip"},
		"a tar":              {form: inForm("a.tar", "application/x-tar", sampleTAR()[:1024]+sampleTAR()[:1024])},
		"a head without end": {form: inForm("a.jpg", "image/jpeg", "")[:60] + strings.Repeat("x", 8_000)},
	}
}

// openBody is a body in a form, under a Content-Encoding.
type openBody struct{ form, encoding string }

//nolint:paralleltest // it counts what the whole program keeps
func TestManyUploadsAtOnceKeepNoMoreThanTheirShareEach(t *testing.T) {
	const many = 8
	p := policyOf(t, Config{MaxFileSize: 64 << 20})
	chunk := make([]byte, 64<<10)
	for name, body := range unfinished(t) {
		t.Run(name, func(t *testing.T) {
			before := live()
			inspectors := make([]*Inspector, many)
			for n := range inspectors {
				i, refusal := p.Inspect(Request{Method: "POST", ContentType: "multipart/form-data; boundary=" + longBoundary,
					ContentEncoding: body.encoding, ContentLength: -1})
				inspectors[n] = i
				for at := 0; refusal == nil && at < len(body.form)*9/10; at += len(chunk) {
					_, refusal = i.Write(chunk[:copy(chunk, body.form[at:len(body.form)*9/10])])
				}
				if refusal != nil {
					t.Fatal(refusal.Reason)
				}
			}
			each := (live() - before) / many
			t.Logf("%d KiB each", each>>10)
			if each > maxMemory {
				t.Errorf("an upload keeps %d bytes", each)
			}
			runtime.KeepAlive(inspectors)
		})
	}
}
