package uploadpaths

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// taken is how many bytes Envoy has read from its clients.
func (e *edge) taken(ctx context.Context) (int, error) {
	return e.stat(ctx, "http.edge.downstream_cx_rx_bytes_total")
}

// films are some in a form.
func films(sizes ...int) sample {
	var parts []string
	for _, n := range sizes {
		one := film(n).inForm("a.mp4")
		part, _, _ := strings.Cut(one.body, "\r\n--"+boundary+"--")
		parts = append(parts, part)
	}
	return sample{name: fmt.Sprint("a form of films of ", sizes), contentType: "multipart/form-data; boundary=" + boundary,
		body: strings.Join(parts, "\r\n") + "\r\n--" + boundary + "--\r\n"}
}

// expectNoPauseToCost413 has Envoy read bodies up to where the filter holds back
// what it has, and then so much at once that both together pass Envoy's buffer of
// 1 MiB: where a host is told to pause it answers 413 to that by itself.
func expectNoPauseToCost413(t *testing.T, e *edge) {
	t.Helper()
	raw, form := film(3_000_000), films(1_200_000, 1_200_000, 5_000)
	second := strings.Index(form.body[1:], "--"+boundary) + 1
	third := strings.LastIndex(form.body, "--"+boundary+"\r\n")
	for _, c := range []struct {
		name   string
		s      sample
		stages []int // of the body, read one after the other
	}{
		{"behind the head of a file", raw, []int{1_000}},
		{"behind nothing but the headers", raw, []int{0}},
		{"before the last stretch", raw, []int{len(raw.body) - 1_000}},
		{"before the last byte", raw, []int{2_000, len(raw.body) - 1}},
		{"behind the first boundary", form, []int{20}},
		{"in a boundary behind a whole film", form, []int{500, second + 10}},
		{"in the head of a part behind a whole film", form, []int{second + 60}},
		{"in the head of a file behind a whole film", form, []int{second + 160, third + 160}},
		{"before the last boundary", form, []int{len(form.body) - 30}},
	} {
		for _, path := range []string{toHTTP1, toHTTP2, toHTTP1 + rewriting, toHTTP2 + rewriting} {
			for _, how := range []ending{endings[0], endings[1]} {
				t.Run(c.name+", "+how.name+" to "+path, func(t *testing.T) { e.expectStages(t, how, path, c.s, c.stages) })
			}
		}
	}
}

func (e *edge) expectStages(t *testing.T, how ending, path string, s sample, stages []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sendTimeout)
	defer cancel()
	mark := pack.NewMark()
	whole := http1(how, path, s, mark)
	if !how.length {
		whole = oneChunk(path, s, mark)
	}
	response, err := e.inStages(ctx, t, whole, strings.Index(whole, s.body), stages)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v: %+v", err, response)
	}
	_ = response.Body.Close()
	sum := sha256.Sum256([]byte(s.body))
	seen := e.app.Requests(t, mark)
	if len(seen) != 1 || !seen[0].Complete || seen[0].SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the upstream got something else than the %d bytes sent: %+v", len(s.body), seen)
	}
}

func oneChunk(path string, s sample, mark string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: shop.example\r\nContent-Type: " + s.contentType + "\r\n" + pack.MarkHeader + ": " + mark +
		"\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(s.body)) + s.body + "\r\n0\r\n\r\n"
}

// inStages sends a request whose body begins at an offset, each stage once Envoy has
// read the one before.
func (e *edge) inStages(ctx context.Context, t *testing.T, whole string, body int, stages []int) (*http.Response, error) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", e.addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	before, err := e.taken(ctx)
	if err != nil {
		return nil, err
	}
	sent := 0
	for _, stage := range stages {
		if _, err := io.WriteString(conn, whole[sent:body+stage]); err != nil {
			return nil, err
		}
		sent = body + stage
		pack.Eventually(t, 20*time.Second, "Envoy has read a stage", func(ctx context.Context) error {
			now, err := e.taken(ctx)
			if err == nil && now-before < sent {
				err = fmt.Errorf("only %d of %d bytes", now-before, sent)
			}
			return err
		})
	}
	go func() { _, _ = io.WriteString(conn, whole[sent:]) }() // Envoy may hang up: the answer tells
	return http.ReadResponse(bufio.NewReader(conn), nil)
}
