package uploadpaths

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"gatehouse/e2e/pack"
)

// ending is a way in which HTTP tells where a body ends.
type ending struct {
	name            string
	http2           bool
	length, trailer bool
}

var endings = []ending{ //nolint:gochecknoglobals // a table, never written to
	{name: "HTTP/1 with Content-Length", length: true},
	{name: "HTTP/1 chunked"},
	{name: "HTTP/1 chunked with trailers", trailer: true},
	{name: "HTTP/2 with content-length", http2: true, length: true},
	{name: "HTTP/2 without", http2: true},
	{name: "HTTP/2 with trailers", http2: true, trailer: true},
	{name: "HTTP/2 with content-length and trailers", http2: true, length: true, trailer: true},
}

// Paths by what Envoy speaks to the upstream.
const (
	toHTTP1 = "/http1"
	toHTTP2 = "/http2"
	// rewriting, behind one of them, is where names are rewritten.
	rewriting = "/rewriting"
	// retried, behind the first, is where the router keeps what it may send again.
	retried = "/retried"
	// scanning is where files are to be scanned, in an Envoy that has no gate for it.
	scanning = "/scanning"
)

// sendTimeout bounds one upload, under whatever load.
const sendTimeout = 60 * time.Second

// send uploads a sample and returns the status of the answer.
func (e *edge) send(ctx context.Context, http2 *http.Client, how ending, path string, s sample, mark string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if !how.http2 {
		return e.sendHTTP1(ctx, how, path, s, mark)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.addr+path, io.NopCloser(strings.NewReader(s.body)))
	if err != nil {
		return 0, err
	}
	return ask(http2, request, how, s, mark)
}

// ask sends a request that has its body, with what tells where it ends.
func ask(client *http.Client, request *http.Request, how ending, s sample, mark string) (status int, err error) {
	request.Host, request.ContentLength = "shop.example", -1
	request.Header.Set("Content-Type", s.contentType)
	request.Header.Set(pack.MarkHeader, mark)
	if how.length {
		request.ContentLength = int64(len(s.body))
	}
	if how.trailer {
		request.Trailer = http.Header{"X-Sum": {"1"}}
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// sendHTTP1 reads the answer while it sends: a refusal in mid-body may close the
// connection, which net/http's client may report instead of the answer.
func (e *edge) sendHTTP1(ctx context.Context, how ending, path string, s sample, mark string) (status int, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", e.addr)
	if err != nil {
		return 0, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, http1(how, path, s, mark)) // Envoy may hang up: the answer tells
	}()
	defer func() { _ = conn.Close(); <-sent }()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// http1 is the whole request as it goes over the wire.
func http1(how ending, path string, s sample, mark string) string {
	head := "POST " + path + " HTTP/1.1\r\nHost: shop.example\r\nContent-Type: " + s.contentType + "\r\n" + pack.MarkHeader + ": " + mark + "\r\n"
	if how.length {
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(s.body)) + s.body
	}
	var b strings.Builder
	b.WriteString(head + "Transfer-Encoding: chunked\r\n")
	if how.trailer {
		b.WriteString("Trailer: X-Sum\r\n")
	}
	b.WriteString("\r\n")
	const piece = 16 << 10
	for rest := s.body; rest != ""; {
		n := min(piece, len(rest))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	b.WriteString("0\r\n")
	if how.trailer {
		b.WriteString("X-Sum: 1\r\n")
	}
	return b.String() + "\r\n"
}

// abort sends half of a sample over HTTP/1 and hangs up, once Envoy has taken it.
func (e *edge) abort(ctx context.Context, path string, s sample, mark string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", e.addr)
	if err != nil {
		return err
	}
	whole := http1(endings[0], path, s, mark)
	if _, err := io.WriteString(conn, whole[:len(whole)-len(s.body)/2]); err != nil {
		return err
	}
	return conn.Close()
}
