package posture

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"net/http"
)

// program is the head of a DOS and PE executable without any code.
func program() []byte {
	const size, peOffset = 512, 0x80
	out := make([]byte, size)
	copy(out, "MZ")
	out[0x3c] = peOffset
	copy(out[peOffset:], "PE\x00\x00\x64\x86")
	return out
}

// onePixel is a whole PNG.
func onePixel() []byte {
	var out bytes.Buffer
	if png.Encode(&out, image.NewRGBA(image.Rect(0, 0, 1, 1))) != nil {
		return nil // a buffer takes everything
	}
	return out.Bytes()
}

// document is a PDF without pages: the smallest that is whole.
func document() []byte {
	return []byte("%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n" +
		"xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000058 00000 n \ntrailer\n<< /Size 3 /Root 1 0 R >>\nstartxref\n110\n%%EOF\n")
}

func upload(ctx context.Context, p *probe, t *trial, name, contentType string, content []byte) (answered, bool) {
	route := p.target.Routes.Upload
	if !route.Known() {
		t.absent("no route takes uploads of PDF without a session: pass --upload if one does")
		return answered{}, false
	}
	body, header := form(name, contentType, content)
	a, ok := p.ask(ctx, t, request{method: http.MethodPost, base: p.open(), route: route, header: header, body: body})
	if ok {
		t.saw("POST "+p.open()+route.Path+" with "+name+", declared "+contentType, a.String(), "response")
	}
	return a, ok
}

func refusedUpload(a answered) bool {
	return (a.status == http.StatusUnsupportedMediaType || a.status == http.StatusUnprocessableEntity) && isProblem(a)
}

func disguisedUpload(ctx context.Context, p *probe, t *trial) {
	if a, ok := upload(ctx, p, t, "posture.pdf", "application/pdf", program()); ok {
		t.want(refusedUpload(a), "a program named posture.pdf is answered with %s", a)
	}
}

func wrongExtension(ctx context.Context, p *probe, t *trial) {
	if a, ok := upload(ctx, p, t, "posture.pdf", "image/png", onePixel()); ok {
		t.want(refusedUpload(a), "an image named posture.pdf is answered with %s", a)
	}
	if a, ok := upload(ctx, p, t, "posture.exe", "application/pdf", document()); ok {
		t.want(refusedUpload(a), "a PDF named posture.exe is answered with %s", a)
	}
}

// honestUpload keeps a filter that refuses everything from passing. What the
// application makes of the file is its own affair.
func honestUpload(ctx context.Context, p *probe, t *trial) {
	if a, ok := upload(ctx, p, t, "posture.pdf", "application/pdf", document()); ok {
		t.want(!isProblem(a) && a.status < http.StatusInternalServerError, "an honest PDF is answered with %s", a)
	}
}
