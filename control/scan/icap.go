package scan

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatehouse/filter/scan"
)

// icap speaks ICAP (RFC 3507) as a client: OPTIONS once in a while, then for
// each file a RESPMOD, or a REQMOD where the service knows no other.
type icap struct {
	at      dialer
	service string

	mu      sync.Mutex
	options icapOptions
	until   time.Time // options are good until then
}

// icapOptions are what a service says of itself (section 4.10.2).
type icapOptions struct {
	method  string // RESPMOD or REQMOD
	preview int    // bytes; -1: none wanted
}

const (
	optionsFor    = 5 * time.Minute // without an Options-TTL
	maxOptionsFor = time.Hour
	maxPreview    = 64 << 10
)

func newICAP(at dialer, service string) *icap {
	return &icap{at: at, service: strings.TrimPrefix(service, "/")}
}

func (c *icap) host() string {
	if c.at.network == "unix" {
		return "localhost"
	}
	return c.at.address
}

func (c *icap) uri() string { return "icap://" + c.host() + "/" + c.service }

// ask returns the service's options, which it asks for when they are out of date.
func (c *icap) ask(ctx context.Context, silence time.Duration) (icapOptions, error) {
	c.mu.Lock()
	known, until := c.options, c.until
	c.mu.Unlock()
	if time.Now().Before(until) {
		return known, nil
	}
	conn, err := c.at.dial(ctx, silence)
	if err != nil {
		return icapOptions{}, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(silence)); err != nil {
		return icapOptions{}, fmt.Errorf("ask for ICAP options: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, "OPTIONS "+c.uri()+" ICAP/1.0\r\nHost: "+c.host()+
		"\r\nUser-Agent: Gatehouse\r\nConnection: close\r\nEncapsulated: null-body=0\r\n\r\n"); err != nil {
		return icapOptions{}, fmt.Errorf("ask for ICAP options: %w", err)
	}
	head, err := readICAPHead(bufio.NewReader(io.LimitReader(conn, maxICAPHead)))
	if err != nil {
		return icapOptions{}, fmt.Errorf("read ICAP options: %w", err)
	}
	found, keep, err := optionsOf(head)
	if err != nil {
		return icapOptions{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options, c.until = found, time.Now().Add(keep)
	return found, nil
}

func optionsOf(head icapHead) (o icapOptions, keep time.Duration, err error) {
	if head.status != 200 {
		return o, 0, fmt.Errorf("the ICAP service answers OPTIONS with %d: is its name right?", head.status)
	}
	methods := strings.Split(strings.ToUpper(strings.ReplaceAll(head.header.Get("Methods"), " ", "")), ",")
	switch {
	case slices.Contains(methods, "RESPMOD"):
		o.method = "RESPMOD"
	case slices.Contains(methods, "REQMOD"):
		o.method = "REQMOD"
	default:
		return o, 0, errors.New("the ICAP service knows neither RESPMOD nor REQMOD")
	}
	o.preview = -1
	if n, err := strconv.Atoi(head.header.Get("Preview")); err == nil && n >= 0 {
		o.preview = min(n, maxPreview)
	}
	keep = optionsFor
	if n, err := strconv.Atoi(head.header.Get("Options-TTL")); err == nil && n >= 0 {
		keep = min(time.Duration(n)*time.Second, maxOptionsFor)
	}
	return o, keep, nil
}

func (c *icap) Begin(ctx context.Context, kind string, silence time.Duration) (File, error) {
	o, err := c.ask(ctx, silence)
	if err != nil {
		return nil, err
	}
	conn, err := c.at.dial(ctx, silence)
	if err != nil {
		return nil, err
	}
	f := &icapFile{
		conn: conn, silence: silence, preview: o.preview, sum: sha256.New(), goOn: make(chan struct{}),
		answers: make(chan icapAnswer, 1), stop: context.AfterFunc(ctx, func() { _ = conn.Close() }),
	}
	if err := f.send([]byte(c.head(o, kind))); err != nil {
		f.Close()
		return nil, fmt.Errorf("send to the ICAP server: %w", err)
	}
	go f.read()
	return f, nil
}

// head is the request up to the encapsulated body (section 4.4.1). The file's
// name is nobody's business.
func (c *icap) head(o icapOptions, kind string) string {
	request := "GET /upload HTTP/1.1\r\nHost: gatehouse.invalid\r\n\r\n"
	response := "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
	parts := fmt.Sprintf("req-hdr=0, res-hdr=%d, res-body=%d", len(request), len(request)+len(response))
	if o.method == "REQMOD" {
		request = "PUT /upload HTTP/1.1\r\nHost: gatehouse.invalid\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
		response = ""
		parts = fmt.Sprintf("req-hdr=0, req-body=%d", len(request))
	}
	head := o.method + " " + c.uri() + " ICAP/1.0\r\nHost: " + c.host() + "\r\nUser-Agent: Gatehouse\r\nAllow: 204\r\nConnection: close\r\n"
	if o.preview >= 0 {
		head += "Preview: " + strconv.Itoa(o.preview) + "\r\n"
	}
	return head + "X-Gatehouse-Type: " + kind + "\r\nEncapsulated: " + parts + "\r\n\r\n" + request + response
}

// icapFile is one file on its way to the ICAP server.
type icapFile struct {
	conn    net.Conn
	silence time.Duration
	stop    func() bool
	sum     hash.Hash // of what was sent, for servers that give it back
	size    int64

	preview int // bytes still to be held for the preview; -1: it is over, or there is none
	begin   []byte
	goOn    chan struct{} // closed by 100 Continue

	answers chan icapAnswer
	answer  *icapAnswer
	broken  error
}

func (f *icapFile) send(b []byte) error {
	if err := f.conn.SetWriteDeadline(time.Now().Add(f.silence)); err != nil {
		return err
	}
	_, err := f.conn.Write(b)
	return err
}

func (f *icapFile) Write(b []byte) (done bool) {
	if f.preview >= 0 {
		// More than a preview must be there before it is known that it is one.
		if f.begin = append(f.begin, b...); len(f.begin) <= f.preview {
			return false
		}
		b = f.begin[f.preview:]
		if f.offer(); f.broken != nil || f.answer != nil {
			return true
		}
	}
	select {
	case a := <-f.answers:
		f.answer = &a
	default:
	}
	if f.answer != nil || f.broken != nil {
		return true
	}
	f.broken = f.chunk(b, "")
	return f.broken != nil
}

// offer sends the preview and waits for what the server wants (section 4.5).
func (f *icapFile) offer() {
	preview := f.begin[:f.preview]
	f.preview = -1
	if f.broken = f.chunk(preview, "0\r\n\r\n"); f.broken != nil {
		return
	}
	f.await(f.goOn)
}

func (f *icapFile) chunk(b []byte, last string) error {
	if len(b) == 0 {
		if last == "" {
			return nil
		}
		return f.send([]byte(last))
	}
	_, _ = f.sum.Write(b) // a hash takes all
	f.size += int64(len(b))
	framed := append([]byte(strconv.FormatInt(int64(len(b)), 16)+"\r\n"), b...)
	return f.send(append(append(framed, "\r\n"...), last...))
}

// await waits for the final answer, or for the other event if that is first.
func (f *icapFile) await(other <-chan struct{}) {
	if f.broken = f.conn.SetReadDeadline(time.Now().Add(f.silence)); f.broken != nil {
		return
	}
	select {
	case a := <-f.answers:
		f.answer = &a
	case <-other:
		f.broken = f.conn.SetReadDeadline(time.Time{})
	}
}

func (f *icapFile) Finish() scan.Finding {
	if f.answer == nil && f.broken == nil {
		if f.preview >= 0 {
			f.preview, f.broken = -1, f.chunk(f.begin, "0; ieof\r\n\r\n")
		} else {
			f.broken = f.chunk(nil, "0\r\n\r\n")
		}
	}
	failed := f.broken
	if f.answer == nil {
		f.await(nil)
	}
	switch {
	case f.answer != nil && f.answer.err == nil:
		return f.judge(f.answer)
	case failed != nil:
		return failure(fmt.Errorf("send to the ICAP server: %w", failed))
	case f.answer == nil:
		return failure(errors.New("the ICAP server cannot be heard"))
	}
	return failure(fmt.Errorf("read from the ICAP server: %w", f.answer.err))
}

func (f *icapFile) Close() {
	f.stop()
	_ = f.conn.Close() // which ends read
}
