package e2e

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"testing"

	"gatehouse/e2e/pack"
)

// multipartFile is a form with one file.
func multipartFile(t *testing.T, name, declared, content string) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = new(bytes.Buffer)
	form := multipart.NewWriter(body)
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", name)},
		"Content-Type":        {declared},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return body, form.FormDataContentType()
}

// upload posts one file to /upload over HTTP/1.1.
func upload(t *testing.T, p *pack.Pack, name, declared, content string, edits ...pack.Edit) pack.Response {
	t.Helper()
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	body, contentType := multipartFile(t, name, declared, content)
	edits = append(edits, pack.With("Content-Type", contentType))
	return pack.Do(t, c, pack.Request(t, http.MethodPost, p.URL("/upload"), body, edits...))
}

// preflight asks as a browser would before a POST with JSON (Fetch standard,
// section 4.8).
func preflight(t *testing.T, p *pack.Pack, origin string, edits ...pack.Edit) pack.Response {
	t.Helper()
	c := pack.HTTP1()
	defer c.CloseIdleConnections()
	edits = append(edits, pack.With("Origin", origin), pack.With("Access-Control-Request-Method", "POST"))
	return pack.Do(t, c, pack.Request(t, http.MethodOptions, p.URL("/public/form"), nil, edits...))
}
