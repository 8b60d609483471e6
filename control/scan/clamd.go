package scan

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"gatehouse/filter/scan"
)

// clamd speaks the INSTREAM command of clamd(8): the file in chunks, each behind
// its length in four bytes of network order, then a length of zero.
type clamd struct{ at dialer }

// maxReply bounds clamd's one line.
const maxReply = 4 << 10

func (c clamd) Begin(ctx context.Context, _ string, silence time.Duration) (File, error) {
	conn, err := c.at.dial(ctx, silence)
	if err != nil {
		return nil, err
	}
	f := &clamdFile{conn: conn, silence: silence, replies: make(chan clamdReply, 1)}
	f.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := f.send([]byte("zINSTREAM\x00")); err != nil {
		f.Close()
		return nil, fmt.Errorf("send to clamd: %w", err)
	}
	go f.read()
	return f, nil
}

type clamdReply struct {
	line string
	err  error
}

type clamdFile struct {
	conn    net.Conn
	silence time.Duration
	stop    func() bool
	// replies gets clamd's one reply as soon as it is there: it may come while
	// the file is still being sent, and be lost once clamd has closed.
	replies chan clamdReply
	reply   *clamdReply
	broken  error // of sending
}

func (f *clamdFile) send(b []byte) error {
	if err := f.conn.SetWriteDeadline(time.Now().Add(f.silence)); err != nil {
		return err
	}
	_, err := f.conn.Write(b)
	return err
}

func (f *clamdFile) read() {
	line, err := bufio.NewReader(io.LimitReader(f.conn, maxReply)).ReadString(0)
	f.replies <- clamdReply{strings.TrimSuffix(line, "\x00"), err}
}

func (f *clamdFile) Write(b []byte) (done bool) {
	select {
	case r := <-f.replies:
		f.reply = &r
	default:
	}
	if f.reply != nil || f.broken != nil {
		return true
	}
	framed := make([]byte, 4, 4+len(b))
	binary.BigEndian.PutUint32(framed, uint32(len(b))) // #nosec G115 -- one message's bytes
	f.broken = f.send(append(framed, b...))
	return f.broken != nil
}

func (f *clamdFile) Finish() scan.Finding {
	if f.reply == nil && f.broken == nil {
		f.broken = f.send([]byte{0, 0, 0, 0})
	}
	if f.reply == nil {
		f.reply = f.await()
	}
	switch {
	case f.reply.err == nil:
		return clamdFinding(f.reply.line)
	case f.broken != nil:
		return failure(fmt.Errorf("send to clamd: %w", f.broken))
	case errors.Is(f.reply.err, io.EOF):
		return failure(errors.New("clamd closed without a verdict"))
	}
	return failure(fmt.Errorf("read from clamd: %w", f.reply.err))
}

// await waits for the reply, no longer than clamd may be silent. Where sending
// has taken that long already, only what is there counts.
func (f *clamdFile) await() *clamdReply {
	within := f.silence
	if f.broken != nil {
		within = min(within, time.Second)
	}
	if err := f.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return &clamdReply{err: err}
	}
	r := <-f.replies
	return &r
}

func (f *clamdFile) Close() {
	f.stop()
	_ = f.conn.Close() // which ends read
}

// clamdFinding reads the reply: "stream: OK", "stream: NAME FOUND", or an error.
func clamdFinding(line string) scan.Finding {
	text := strings.TrimPrefix(strings.TrimSpace(line), "stream: ")
	if name, ok := strings.CutSuffix(text, " FOUND"); ok {
		return scan.Finding{Outcome: scan.Malicious, Text: clip(name)}
	}
	switch {
	case text == "OK" && strings.HasPrefix(line, "stream: "):
		return scan.Finding{Outcome: scan.Clean}
	case strings.Contains(text, "size limit exceeded"):
		return scan.Finding{Outcome: scan.TooLarge, Text: clip(text)}
	case strings.Contains(strings.ToLower(text), "timed out"), strings.Contains(strings.ToLower(text), "time limit"):
		return scan.Finding{Outcome: scan.TimedOut, Text: clip(text)}
	}
	return scan.Finding{Outcome: scan.Failed, Text: clip("clamd says: " + text)}
}
