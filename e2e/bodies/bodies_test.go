package bodies

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatehouse/e2e/pack"
)

const boundary = "gatehouse-bodies"

func pdf(size int) string {
	return "%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%" + strings.Repeat("x", size) + "\ntrailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
}

func exe(size int) string {
	return "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff" + strings.Repeat("\x01", size)
}

func file(name, content string) string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\nContent-Type: application/pdf\r\n\r\n" + content + "\r\n"
}

// fields are small, and mostly head: a read ends in a head nearly always.
func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"%s%d\"\r\n\r\n1\r\n", boundary, strings.Repeat("n", 250), i)
	}
	return b.String()
}

// small are files that are decided only at their ends.
func small(n int) string { return strings.Repeat(file("a.pdf", pdf(3500)), n) }

func form(parts ...string) string { return strings.Join(parts, "") + "--" + boundary + "--\r\n" }

func document(content string) string {
	return `{"document":{"name":"a","content":"data:application/pdf;base64,` + base64.StdEncoding.EncodeToString([]byte(content)) + `"}}`
}

// ends are the ways in which a body may end.
var ends = []struct {
	name             string
	client           func() *http.Client
	length, trailers bool
}{
	{"HTTP/1.1 with Content-Length", pack.HTTP1, true, false},
	{"HTTP/1.1 chunked", pack.HTTP1, false, false},
	{"HTTP/1.1 chunked with trailers", pack.HTTP1, false, true},
	{"HTTP/2 with content-length", pack.HTTP2, true, false},
	{"HTTP/2 without content-length", pack.HTTP2, false, false},
	{"HTTP/2 with trailers", pack.HTTP2, false, true},
	{"HTTP/2 with content-length and trailers", pack.HTTP2, true, true},
}

// bodies are what is sent; a status of 204 is the application's.
var bodies = []struct {
	name, path, media, body string
	status                  int
	wholly                  bool // refused before anything may have left
}{
	{"an honest form", "/", "multipart/form-data; boundary=" + boundary, form(file("a.pdf", pdf(300_000)), file("b.pdf", pdf(10))), 204, false},
	{"an empty form", "/", "multipart/form-data; boundary=" + boundary, form(file("", "")), 204, false},
	{"a form of small fields", "/", "multipart/form-data; boundary=" + boundary, form(fields(990)), 204, false},
	{"a form of small files", "/many", "multipart/form-data; boundary=" + boundary, form(small(90)), 204, false},
	{"a form of small files of which the last lies", "/many", "multipart/form-data; boundary=" + boundary, form(small(90), file("b.pdf", exe(100))), 415, false},
	{"a form that lies from its first byte", "/", "multipart/form-data; boundary=" + boundary, form(file("a.pdf", exe(100))), 415, true},
	{"a form whose last file lies", "/", "multipart/form-data; boundary=" + boundary, form(file("a.pdf", pdf(300_000)), file("b.pdf", exe(100))), 415, false},
	{"a form that lies in its middle", "/", "multipart/form-data; boundary=" + boundary, form(file("a.pdf", pdf(900_000)), file("b.pdf", exe(10)), file("c.pdf", pdf(900_000))), 415, false},
	{"a form without its end", "/", "multipart/form-data; boundary=" + boundary, strings.TrimSuffix(form(file("a.pdf", pdf(100_000))), "--\r\n"), 422, false},
	{"a file that is cut off", "/", "application/pdf", "%PDF-1.4\n1 0 obj\n" + strings.Repeat("x", 100_000), 422, false},
	{"a PDF in JSON", "/json", "application/json", document(pdf(200_000)), 204, false},
	{"a program in JSON", "/json", "application/json", document(exe(200_000)), 415, true},
	{"a program behind others in JSON", "/json", "application/json", `{"x":"` + strings.Repeat("y", 200_000) + `",` + document(exe(10))[1:], 415, false},
	{"a later stretch of a file", "/stretches", "application/octet-stream", exe(1000), 204, false},
	{"a later stretch where that is not accepted", "/", "application/octet-stream", pdf(1000), 415, true},
}

//nolint:paralleltest // one Envoy for all
func TestBodiesInARealEnvoy(t *testing.T) {
	e := start(t)
	for name, addr := range map[string]string{"as it comes: ": e.plain, "gathered: ": e.gathering} {
		e.addr = addr
		t.Run(name+"a body that ends in any way is judged before its end", func(t *testing.T) { everyEnd(t, e) })
		t.Run(name+"a name is rewritten wherever the body ends", func(t *testing.T) { rewrites(t, e) })
		t.Run(name+"Expect: 100-continue is answered and the body judged", func(t *testing.T) { expects100(t, e) })
		t.Run(name+"a length that lies completes nothing", func(t *testing.T) { lyingLengths(t, e); lyingLengthsHTTP2(t, e) })
	}
	t.Run("a host that cannot hold headers is noticed and does not hang", func(t *testing.T) { blindHost(t, e) })
	e.envoy.MustRun(t)
}

func everyEnd(t *testing.T, e *edge) {
	t.Helper()
	for _, end := range ends {
		for _, upstream := range []string{"h1", "h2"} {
			for _, b := range bodies {
				t.Run(b.name+", "+end.name+" to "+upstream, func(t *testing.T) {
					r := request(t, e, end.length, end.trailers, b.path, b.media, b.body)
					r.Header.Set("X-Upstream", upstream)
					if b.media == "application/octet-stream" {
						r.Header.Set("Upload-Offset", "4096")
					}
					c := end.client()
					defer c.CloseIdleConnections()
					expect(t, e, pack.Do(t, c, r), r, b.status, b.body, b.wholly)
				})
			}
		}
	}
}

func request(t *testing.T, e *edge, length, trailers bool, path, media, body string) *http.Request {
	t.Helper()
	r := pack.Request(t, http.MethodPost, "http://"+e.addr+path, io.NopCloser(strings.NewReader(body)), pack.With("Content-Type", media), pack.With(idHeader, pack.NewMark()))
	r.ContentLength = -1
	if length {
		r.ContentLength = int64(len(body))
	}
	if trailers {
		r.Trailer = http.Header{"X-Checksum": {"1"}}
	}
	return r
}

// expect: what passes arrives as it was sent, and what is refused never does.
func expect(t *testing.T, e *edge, response pack.Response, r *http.Request, status int, body string, wholly bool) {
	t.Helper()
	if response.Status != status {
		t.Fatalf("status %d, want %d: %s", response.Status, status, response.Body)
	}
	got, seen := e.got(t, r.Header.Get(idHeader))
	if status != http.StatusNoContent {
		response.Problem(t)
		if seen && (got.complete || wholly) {
			t.Errorf("the application got %d bytes, complete: %v", len(got.body), got.complete)
		}
		return
	}
	switch {
	case !seen || !got.complete || !bytes.Equal(got.body, []byte(body)):
		t.Errorf("the application got %d bytes of %d, complete: %v", len(got.body), len(body), got.complete)
	case r.ContentLength >= 0 && got.length != r.ContentLength:
		t.Errorf("Content-Length was %d and arrives as %d", r.ContentLength, got.length)
	case len(r.Trailer) > 0 && got.trailer.Get("X-Checksum") != "1" && !(got.proto == "HTTP/1.1" && got.length >= 0): // which HTTP/1.1 has in chunks alone
		t.Errorf("the trailers %v", got.trailer)
	}
}

func rewrites(t *testing.T, e *edge) {
	t.Helper()
	// The second name begins wherever the first file happens to end.
	for _, size := range []int{10, 5000, 65_000, 65_400, 200_000} {
		sent := form(file("first.pdf", pdf(size)), file("../../e\u0301.php.pdf", pdf(20_000)), file("CON.pdf", pdf(10)))
		for _, end := range ends {
			for _, upstream := range []string{"h1", "h2"} {
				r := request(t, e, end.length, end.trailers, "/rewrite", "multipart/form-data; boundary="+boundary, sent)
				r.Header.Set("X-Upstream", upstream)
				c := end.client()
				response := pack.Do(t, c, r)
				c.CloseIdleConnections()
				got, seen := e.got(t, r.Header.Get(idHeader))
				if response.Status != http.StatusNoContent || !seen || !got.complete || len(got.body) != len(sent) || end.length && got.length != int64(len(sent)) {
					t.Fatalf("%s to %s: status %d %s, %d bytes of %d, Content-Length %d", end.name, upstream, response.Status, response.Body, len(got.body), len(sent), got.length)
				}
				expectNames(t, got.body, []int{size, 20_000, 10}, "first.pdf", "\u00e9_php.pdf", "_ON.pdf")
			}
		}
	}
}

func expectNames(t *testing.T, body []byte, sizes []int, names ...string) {
	t.Helper()
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for i, want := range names {
		part, err := reader.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(part)
		if err != nil || params["filename"] != want || string(content) != pdf(sizes[i]) {
			t.Errorf("part %d: %q with %d bytes, want %q: %v", i, params["filename"], len(content), want, err)
		}
	}
}

func expects100(t *testing.T, e *edge) {
	t.Helper()
	for content, status := range map[string]int{pdf(100_000): 204, exe(100_000): 415} {
		body := form(file("a.pdf", content))
		conn, err := net.DialTimeout("tcp4", e.addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		id := pack.NewMark()
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\n%s: %s\r\nExpect: 100-continue\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n", idHeader, id, boundary, len(body))
		answers := bufio.NewReader(conn)
		if interim, err := http.ReadResponse(answers, nil); err != nil || interim.StatusCode != http.StatusContinue {
			t.Fatalf("the interim answer: %+v, %v", interim, err)
		}
		if _, err := io.WriteString(conn, body); err != nil {
			t.Fatal(err)
		}
		final, err := http.ReadResponse(answers, nil)
		if err != nil || final.StatusCode != status {
			t.Fatalf("the answer: %+v, %v, want %d", final, err, status)
		}
		_ = final.Body.Close()
		got, seen := e.got(t, id)
		if passes := status == http.StatusNoContent; seen && got.complete != passes || passes && string(got.body) != body {
			t.Errorf("the application got %d bytes, complete: %v", len(got.body), got.complete)
		}
	}
}

// lyingLengths: a client that ends too early, or says two lengths, gets nothing to the upstream.
func lyingLengths(t *testing.T, e *edge) {
	t.Helper()
	body := form(file("a.pdf", pdf(50_000)))
	for name, head := range map[string]string{
		"a length beyond the body":      fmt.Sprintf("Content-Length: %d", len(body)+10),
		"two lengths":                   fmt.Sprintf("Content-Length: %d\r\nContent-Length: %d", len(body), len(body)-4),
		"a length and chunks":           fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked", len(body)),
		"a length before the body ends": fmt.Sprintf("Content-Length: %d", len(body)-8),
	} {
		conn, err := net.DialTimeout("tcp4", e.addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		id := pack.NewMark()
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n"+idHeader+": "+id+"\r\nContent-Type: multipart/form-data; boundary="+boundary+"\r\n"+head+"\r\n\r\n"+body)
		_ = conn.(*net.TCPConn).CloseWrite() // Envoy may have hung up
		if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && answer.StatusCode < 400 {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
		_ = conn.Close()
		if got, _ := e.got(t, id); got.complete {
			t.Errorf("%s: the application took %d bytes for a whole request", name, len(got.body))
		}
	}
}

// lyingLengthsHTTP2: what comes behind an announced end is judged, or reaches nobody.
func lyingLengthsHTTP2(t *testing.T, e *edge) {
	t.Helper()
	honest := form(file("a.pdf", pdf(5_000)))
	body := form(file("a.pdf", pdf(5_000)), file("b.pdf", exe(8000)))
	for _, trailers := range []bool{false, true} {
		for name, c := range map[string]struct {
			body   string
			length int
		}{
			"a length beyond the body":         {honest, len(honest) + 10},
			"a length before the body ends":    {body, len(body) - 8},
			"a length before a program begins": {body, len(honest)},
			"a length of nothing":              {body, 0},
		} {
			id := pack.NewMark()
			if err := sendFrames(t, e.addr, id, c.body, c.length, trailers); err != nil {
				t.Errorf("%s, trailers %v: %v", name, trailers, err)
			}
			if got, _ := e.got(t, id); got.complete {
				t.Errorf("%s, trailers %v: the application took %d bytes for a whole request", name, trailers, len(got.body))
			}
		}
	}
}

// sendFrames sends a form over HTTP/2 in small frames, whatever is announced, and waits
// for an answer that is a refusal, or for the end of the stream or connection.
func sendFrames(t *testing.T, addr, id, body string, length int, trailers bool) error {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var out, block bytes.Buffer // written at once: Envoy may hang up in the midst
	framer, encoder := http2.NewFramer(&out, conn), hpack.NewEncoder(&block)
	head := func(end bool, lines ...[2]string) error {
		block.Reset()
		for _, line := range lines {
			_ = encoder.WriteField(hpack.HeaderField{Name: line[0], Value: line[1]})
		}
		return framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
	}
	out.WriteString(http2.ClientPreface)
	err = errors.Join(framer.WriteSettings(), head(false,
		[2]string{":method", "POST"}, [2]string{":scheme", "http"}, [2]string{":authority", "a"}, [2]string{":path", "/"}, [2]string{strings.ToLower(idHeader), id},
		[2]string{"content-type", "multipart/form-data; boundary=" + boundary}, [2]string{"content-length", strconv.Itoa(length)}))
	for rest := body; rest != ""; {
		n := min(4000, len(rest))
		err = errors.Join(err, framer.WriteData(1, !trailers && n == len(rest), []byte(rest[:n])))
		rest = rest[n:]
	}
	if trailers {
		err = errors.Join(err, head(true, [2]string{"x-checksum", "1"}))
	}
	if _, e := out.WriteTo(conn); err != nil || e != nil {
		return err
	}
	decoder := hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return nil // Envoy has hung up
		}
		switch f := frame.(type) {
		case *http2.HeadersFrame:
			fields, err := decoder.DecodeFull(f.HeaderBlockFragment())
			if err == nil && (len(fields) == 0 || fields[0].Value < "400") {
				err = fmt.Errorf("answer %v", fields)
			}
			return err
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return nil
		}
	}
}

// blindHost: a host without allow_on_headers_stop_iteration takes held headers for a held
// stream. The first uploads wait for the filter's clock, no one hangs, all are judged.
func blindHost(t *testing.T, e *edge) {
	t.Helper()
	body := form(file("a.pdf", pdf(10_000)))
	bad := form(file("a.pdf", pdf(100_000)), file("b.pdf", exe(100)))
	send := func(body string) (int, time.Duration) {
		begun := time.Now()
		r := request(t, e, true, false, "/", "multipart/form-data; boundary="+boundary, body)
		r.URL.Host = e.blind
		c := pack.HTTP1()
		defer c.CloseIdleConnections()
		response := pack.Do(t, c, r)
		if got, _ := e.got(t, r.Header.Get(idHeader)); got.complete != (response.Status == http.StatusNoContent) {
			t.Errorf("status %d, complete: %v", response.Status, got.complete)
		}
		return response.Status, time.Since(begun)
	}
	for range 3 {
		if status, took := send(body); status != http.StatusNoContent || took > 15*time.Second {
			t.Fatalf("status %d after %v", status, took)
		}
	}
	if status, _ := send(bad); status != http.StatusUnsupportedMediaType {
		t.Errorf("what lies: status %d", status)
	}
	pack.Eventually(t, 10*time.Second, "the filter says what is wrong", func(context.Context) error {
		if !strings.Contains(e.envoy.Log(), "allow_on_headers_stop_iteration is missing") {
			return errors.New("Envoy's log does not say so")
		}
		return nil
	})
}
