package secret

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxLine bounds a line of somebody else's output, in bytes; a longer one is
// written in pieces.
const maxLine = 64 << 10

// maxKeyLines bounds the lines that are taken for the body of a private key.
const maxKeyLines = 200

// LineWriter passes on what another program writes, line by line and without
// its secrets: what Scrub knows, what the guard finds, and the lines of a private
// key. It is for programs whose logger is not ours, and for what the runtime
// writes when one of ours crashes. It must be used by one goroutine.
type LineWriter struct {
	to    io.Writer
	guard *Guard
	place string

	held  []byte // the beginning of a line
	inKey int    // lines since the BEGIN of a private key; 0 outside of one
}

// NewLineWriter makes a LineWriter; place is said of what is found.
func NewLineWriter(to io.Writer, guard *Guard, place string) *LineWriter {
	return &LineWriter{to: to, guard: guard, place: place}
}

// Write implements io.Writer. The end of text without a line break is held until
// the line ends, or Close.
func (w *LineWriter) Write(text []byte) (int, error) {
	n := len(text)
	var out bytes.Buffer
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		room := maxLine - len(w.held)
		switch {
		case end > 0 && end <= room:
		case len(text) >= room:
			end = room
		default:
			w.held = append(w.held, text...)
			text = nil
			continue
		}
		w.held = append(w.held, text[:end]...)
		text = text[end:]
		out.WriteString(w.line(string(w.held)))
		w.held = w.held[:0]
	}
	if _, err := w.to.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return n, nil
}

// Close writes what is held. It closes what it writes to if that can be closed.
func (w *LineWriter) Close() error {
	var err error
	if len(w.held) > 0 {
		_, err = io.WriteString(w.to, w.line(string(w.held)))
		w.held = nil
	}
	if c, ok := w.to.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}

// line cleans one line. The lines of a key after its first have no form of their
// own: they are left out until it ends.
func (w *LineWriter) line(text string) string {
	if w.inKey > 0 {
		w.inKey++
		if strings.Contains(text, "-----END") || w.inKey > maxKeyLines {
			w.inKey = 0
		}
		return ""
	}
	if begin := strings.Index(text, "-----BEGIN "); begin >= 0 && strings.Contains(text[begin:], "PRIVATE KEY") && !strings.Contains(text[begin:], "-----END") {
		w.inKey = 1
	}
	ending := text[len(strings.TrimRight(text, "\r\n")):]
	return w.guard.Clean(w.place, Scrub(strings.TrimRight(text, "\r\n"))) + ending
}
