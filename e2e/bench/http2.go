package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What Chromium says of itself when it connects.
const (
	clientHeaderTable = 64 << 10
	clientWindow      = 6 << 20
	connectionWindow  = 15 << 20
)

// serverHeaderTable is the size of the table that the repeated request is encoded
// with, and the protocol's own initial value (RFC 9113 section 6.5.2).
const serverHeaderTable = 4 << 10

// firstWindow is what a peer takes before it has said anything (RFC 9113 section
// 6.9.2), and frameSize the largest frame that it need take (section 6.5.2).
const (
	firstWindow = 64<<10 - 1
	frameSize   = 16 << 10
)

// client is one HTTP/2 connection that sends the same request over and over, with a
// few streams in flight. It knows no more of the protocol than that takes, and
// allocates nothing for a request: a client that costs more than Envoy would
// measure itself.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	out     *bufio.Writer
	framer  *http2.Framer
	decoder *hpack.Decoder
	// first fills Envoy's table, and again only points into it.
	first, again []byte
	next         uint32
	begun        []open
	status       string
	fields       *[]hpack.HeaderField // of the answer, if somebody wants them
	body         *bytes.Buffer
	unreturned   uint32 // window that is taken and not given back yet
	// What Envoy still takes of bodies: on the connection, on the last stream, and on a
	// new one (RFC 9113 section 5.2).
	window, streamWindow, newWindow int64
}

type open struct {
	stream uint32
	at     time.Time
	headed bool
}

// connect says hello.
func connect(to front, request []hpack.HeaderField, deadline time.Time) (*client, error) {
	conn, err := to.dial(deadline, 10*time.Second, overHTTP2)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 32<<10), out: bufio.NewWriterSize(conn, 16<<10), next: 1,
		window: firstWindow, newWindow: firstWindow}
	c.framer = http2.NewFramer(c.out, c.in)
	c.framer.SetReuseFrames()
	c.decoder = hpack.NewDecoder(clientHeaderTable, c.field)
	if err := c.encode(request); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_, err = c.out.WriteString(http2.ClientPreface)
	err = errors.Join(err, c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingHeaderTableSize, Val: clientHeaderTable},
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: clientWindow},
	), c.framer.WriteWindowUpdate(0, connectionWindow))
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("greet Envoy: %w", err)
	}
	return c, nil
}

// encode makes the first header block, whose lines go into Envoy's table, and the
// one that is sent from then on: it changes the table no more, so that it is the
// same each time.
func (c *client) encode(request []hpack.HeaderField) error {
	blocks := make([][]byte, 3)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSizeLimit(serverHeaderTable)
	for i := range blocks {
		block.Reset()
		for _, f := range request {
			if err := encoder.WriteField(f); err != nil {
				return fmt.Errorf("encode the request: %w", err)
			}
		}
		blocks[i] = bytes.Clone(block.Bytes())
	}
	if !bytes.Equal(blocks[1], blocks[2]) {
		return errors.New("encode the request: it does not fit into the header table")
	}
	c.first, c.again = blocks[0], blocks[1]
	return nil
}

// field is called for each line of an answer.
func (c *client) field(f hpack.HeaderField) {
	if f.Name == ":status" {
		c.status = f.Value
	}
	if c.fields != nil {
		*c.fields = append(*c.fields, f)
	}
}

// send begins a stream, which a request without a body ends.
func (c *client) send(now time.Time, end bool) error {
	block := c.again
	if c.next == 1 {
		block = c.first
	}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.next, BlockFragment: block, EndStream: end, EndHeaders: true})
	c.begun = append(c.begun, open{stream: c.next, at: now})
	c.next += 2
	c.streamWindow = c.newWindow
	return err
}

// post sends a request with a body, in frames as full as they may be. Nothing else may
// be under way.
func (c *client) post(b body) error {
	if err := c.send(time.Now(), false); err != nil {
		return err
	}
	var frame [frameSize]byte
	left, pieces, at := b.size(), b.pieces, 0
	for left > 0 {
		room, err := c.room()
		if err != nil {
			return err
		}
		n := 0
		for n < int(min(room, left)) {
			copied := copy(frame[n:min(room, left)], pieces[0][at:])
			n, at = n+copied, at+copied
			if at == len(pieces[0]) {
				pieces, at = pieces[1:], 0
			}
		}
		left -= int64(n)
		c.window, c.streamWindow = c.window-int64(n), c.streamWindow-int64(n)
		if err := c.framer.WriteData(c.next-2, left == 0, frame[:n]); err != nil {
			return fmt.Errorf("send a body: %w", err)
		}
	}
	return nil
}

// room is how long the next frame of a body may be; it waits until there is some.
func (c *client) room() (int64, error) {
	for min(c.window, c.streamWindow) <= 0 {
		if err := c.flush(); err != nil {
			return 0, err
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return 0, err
		}
		if _, done, err := c.take(frame); err != nil || done {
			return 0, errors.Join(err, errors.New("the answer came before the end of the body"))
		}
	}
	return min(c.window, c.streamWindow, frameSize), nil
}

// flush sends what is written, unless there is something to read first.
func (c *client) flush() error {
	if c.in.Buffered() > 0 {
		return nil
	}
	return c.out.Flush()
}

// await reads until an answer is complete, and returns when its request was sent.
func (c *client) await() (time.Time, error) {
	for {
		if err := c.flush(); err != nil {
			return time.Time{}, err
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return time.Time{}, err
		}
		if began, done, err := c.take(frame); done || err != nil {
			return began, err
		}
	}
}

// take is true with the time of its request for a frame that completes an answer.
func (c *client) take(frame http2.Frame) (began time.Time, done bool, err error) {
	stream := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		return c.headers(f)
	case *http2.DataFrame:
		if c.body != nil {
			c.body.Write(f.Data())
		}
		if err := c.giveBack(f.Header().Length); err != nil || !f.StreamEnded() {
			return began, false, err
		}
		return c.end(stream)
	case *http2.SettingsFrame:
		return began, false, c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			err = c.framer.WritePing(true, f.Data)
		}
		return began, false, err
	case *http2.WindowUpdateFrame:
		switch stream {
		case 0:
			c.window += int64(f.Increment)
		case c.next - 2:
			c.streamWindow += int64(f.Increment)
		}
		return began, false, nil
	}
	return began, false, fmt.Errorf("answer on stream %d: %v", stream, frame)
}

func (c *client) headers(f *http2.HeadersFrame) (began time.Time, done bool, err error) {
	if !f.HeadersEnded() {
		return began, false, errors.New("answer: a header block in several frames")
	}
	c.status = ""
	if _, err := c.decoder.Write(f.HeaderBlockFragment()); err != nil {
		return began, false, fmt.Errorf("answer: decode its headers: %w", err)
	}
	if err := c.decoder.Close(); err != nil {
		return began, false, fmt.Errorf("answer: decode its headers: %w", err)
	}
	if c.status != "200" {
		return began, false, fmt.Errorf("answer with status %q", c.status)
	}
	for i := range c.begun {
		if c.begun[i].stream == f.StreamID {
			c.begun[i].headed = true
		}
	}
	if !f.StreamEnded() {
		return began, false, nil
	}
	return c.end(f.StreamID)
}

// end takes a stream off the list.
func (c *client) end(stream uint32) (time.Time, bool, error) {
	for i, o := range c.begun {
		if o.stream == stream && o.headed {
			last := len(c.begun) - 1
			c.begun[i], c.begun = c.begun[last], c.begun[:last]
			return o.at, true, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("answer: the end of stream %d, which is not open or has no headers", stream)
}

func (c *client) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if size, ok := f.Value(http2.SettingHeaderTableSize); ok && size < serverHeaderTable {
		return fmt.Errorf("settings: a header table of %d bytes, less than the request was encoded for", size)
	}
	if window, ok := f.Value(http2.SettingInitialWindowSize); ok {
		c.streamWindow += int64(window) - c.newWindow
		c.newWindow = int64(window)
	}
	return c.framer.WriteSettingsAck()
}

// giveBack returns the connection's window in large pieces. A stream's own is larger
// than any answer.
func (c *client) giveBack(n uint32) error {
	if c.unreturned += n; c.unreturned < connectionWindow/2 {
		return nil
	}
	n, c.unreturned = c.unreturned, 0
	return c.framer.WriteWindowUpdate(0, n)
}

// driveHTTP2 keeps so many streams of one connection busy until the deadline, and
// returns how long each request took.
func driveHTTP2(to front, request []hpack.HeaderField, streams int, deadline time.Time) ([]time.Duration, error) {
	c, err := connect(to, request, deadline)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	now := time.Now()
	for range streams {
		if err := c.send(now, true); err != nil {
			return nil, err
		}
	}
	var latencies []time.Duration
	for len(c.begun) > 0 {
		began, err := c.await()
		if err != nil {
			return nil, err
		}
		now = time.Now()
		latencies = append(latencies, now.Sub(began))
		if now.Before(deadline) {
			if err := c.send(now, true); err != nil {
				return nil, err
			}
		}
	}
	return latencies, nil
}

// ask sends the request once and returns the whole answer.
func ask(to front, request []hpack.HeaderField, deadline time.Time) (fields []hpack.HeaderField, body string, err error) {
	c, err := connect(to, request, deadline)
	if err != nil {
		return nil, "", err
	}
	defer c.conn.Close()
	var text bytes.Buffer
	c.fields, c.body = &fields, &text
	if err := c.send(time.Now(), true); err != nil {
		return nil, "", err
	}
	if _, err := c.await(); err != nil {
		return nil, "", err
	}
	return fields, text.String(), nil
}
