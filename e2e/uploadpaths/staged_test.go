package uploadpaths

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	small := films(200_000, 200_000, 5_000)
	next := strings.Index(small.body[1:], "--"+boundary) + 1
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
		{"in a boundary behind a short film", small, []int{500, next + 10}},
		{"in the head of a part behind a short film", small, []int{next + 60}},
		{"in the head of a part behind a part of a short film", small, []int{100_000, next + 60}},
		{"in the head of a part, little by little", small, []int{100_000, next - 60, next + 10, next + 60, next + 90}},
		{"before the last boundary behind short films", small, []int{len(small.body) - 30}},
		{"before the last boundary", form, []int{len(form.body) - 30}},
	} {
		for _, path := range []string{toHTTP1, toHTTP2, toHTTP1 + rewriting, toHTTP2 + rewriting, toHTTP1 + retried} {
			for _, how := range []ending{endings[0], endings[1]} {
				t.Run(c.name+", "+how.name+" to "+path, func(t *testing.T) { e.expectStages(t, how, path, c.s, c.stages) })
			}
		}
	}
}

// expectNothingUndecidedBehind has another filter, behind this one, keep a request while
// undecided bytes of it come: what it sends on when it goes on must be none of them.
func expectNothingUndecidedBehind(t *testing.T, e *edge) {
	t.Helper()
	form := films(200_000, 5_000)
	second := strings.Index(form.body[1:], "--"+boundary) + 1
	for _, c := range []struct {
		name    string
		stages  []int
		decided int // of the body, at most
	}{
		{"the head of a part", []int{second - 60, second + 60}, second},
		{"the head of a part, little by little", []int{100_000, second - 60, second + 10, second + 60, second + 90}, second + 10}, // so much of a boundary is none
	} {
		for _, how := range []ending{endings[0], endings[1]} {
			t.Run(c.name+", "+how.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), sendTimeout)
				defer cancel()
				mark := pack.NewMark()
				whole := strings.Replace(atOnce(how, toHTTP1, form, mark), "\r\n", "\r\nx-envoy-fault-delay-request: 1500\r\n", 1)
				conn, _, err := e.stages(ctx, t, whole, strings.Index(whole, form.body), c.stages)
				if err != nil {
					t.Fatal(err)
				}
				pack.Eventually(t, 20*time.Second, "the other filter goes on", func(ctx context.Context) error {
					n, err := e.stat(ctx, "cluster.app_http1.upstream_rq_active$")
					if err == nil && n == 0 {
						err = errors.New("nothing is under way to the upstream")
					}
					return err
				})
				_ = conn.Close() // the upstream has what had come until then
				pack.Eventually(t, 20*time.Second, "the request is over", func(ctx context.Context) error {
					n, err := e.stat(ctx, "cluster.app_http1.upstream_rq_active$")
					if err == nil && n != 0 {
						err = fmt.Errorf("%d are under way", n)
					}
					return err
				})
				seen := e.app.Requests(t, mark)
				if len(seen) != 1 || seen[0].Complete || seen[0].BodyBytes == 0 || seen[0].BodyBytes > int64(c.decided) {
					t.Errorf("%d of the body's bytes are decided; the upstream: %+v", c.decided, seen)
				}
			})
		}
	}
}

func (e *edge) expectStages(t *testing.T, how ending, path string, s sample, stages []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sendTimeout)
	defer cancel()
	mark := pack.NewMark()
	whole := atOnce(how, path, s, mark)
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

// atOnce is a whole request whose body stands in it without a break.
func atOnce(how ending, path string, s sample, mark string) string {
	if how.length {
		return http1(how, path, s, mark)
	}
	return "POST " + path + " HTTP/1.1\r\nHost: shop.example\r\nContent-Type: " + s.contentType + "\r\n" + pack.MarkHeader + ": " + mark +
		"\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(s.body)) + s.body + "\r\n0\r\n\r\n"
}

// inStages sends a request whose body begins at an offset, each stage once Envoy has
// read the one before.
func (e *edge) inStages(ctx context.Context, t *testing.T, whole string, body int, stages []int) (*http.Response, error) {
	t.Helper()
	conn, sent, err := e.stages(ctx, t, whole, body, stages)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.WriteString(conn, whole[sent:]) }() // Envoy may hang up: the answer tells
	return http.ReadResponse(bufio.NewReader(conn), nil)
}

// stages sends no more than the stages.
func (e *edge) stages(ctx context.Context, t *testing.T, whole string, body int, stages []int) (conn net.Conn, sent int, err error) {
	t.Helper()
	conn, err = new(net.Dialer).DialContext(ctx, "tcp4", e.addr)
	if err != nil {
		return nil, 0, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, 0, err
	}
	before, err := e.taken(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, stage := range stages {
		if _, err := io.WriteString(conn, whole[sent:body+stage]); err != nil {
			return nil, 0, err
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
	return conn, sent, nil
}
