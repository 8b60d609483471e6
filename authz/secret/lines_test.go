package secret

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLinesOfOthersAreWrittenWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	// In parts, or scanners of this tree would find them.
	begin, end := "-----BEGIN "+"PRIVATE KEY-----", "-----END "+"PRIVATE KEY-----"
	key := begin + "\nQUJDREVG\nR0hJSktM\n" + end + "\n"
	for _, test := range []struct{ name, text, want string }{
		{"ordinary lines", "one\ntwo\r\n\nthree", "one\ntwo\r\n\nthree"},
		{"a form", "panic: no session " + token + "\n\ngoroutine 1", "panic: no session ghs_[redacted]\n\ngoroutine 1"},
		{"a rule", "x " + rare + " y\n", "x [redacted:mark] y\n"},
		{"a private key", "before\n" + key + "after\n", "before\n" + begin + "[redacted]\nafter\n"},
		{"an indented private key", "panic: " + strings.ReplaceAll(key, "\n", "\n\t") + "\nafter\n", "panic: " + begin + "[redacted]\n\t\nafter\n"},
		{"a private key in one line", strings.ReplaceAll(key, "\n", `\n`) + "\nafter\n", begin + "[redacted]\\n\nafter\n"},
		{"a private key that never ends", begin + "\n" + strings.Repeat("x\n", maxKeyLines+1) + "after\n", begin + "[redacted]\nx\nafter\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for size, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
				var out bytes.Buffer
				w := NewLineWriter(&out, NewGuard(findsMark(rare), nil), "a log")
				if _, err := io.Copy(struct{ io.Writer }{w}, wrap(strings.NewReader(test.text))); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if out.String() != test.want {
					t.Errorf("%s: %q, want %q", size, out.String(), test.want)
				}
			}
		})
	}
}

func TestALineWithoutEndIsBounded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := NewLineWriter(&out, nil, "a log")
	long := strings.Repeat("long text ", maxLine/4)
	if n, err := io.WriteString(w, long); err != nil || n != len(long) {
		t.Fatal(n, err)
	}
	if len(w.held) >= maxLine || out.Len()+len(w.held) != len(long) {
		t.Errorf("%d bytes are held, %d written", len(w.held), out.Len())
	}
	if err := w.Close(); err != nil || out.String() != long {
		t.Errorf("%d bytes came, %v", out.Len(), err)
	}
}

// failing can be neither written nor closed.
type failing struct{ closed bool }

func (*failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
func (f *failing) Close() error            { f.closed = true; return io.ErrClosedPipe }

func TestWhatTheWriterBelowSaysIsPassedOn(t *testing.T) {
	t.Parallel()
	f := &failing{}
	w := NewLineWriter(f, nil, "a log")
	if _, err := io.WriteString(w, "x\n"); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
	_, _ = io.WriteString(w, "no end")
	w.held = append(w.held, 'x')
	if err := w.Close(); !errors.Is(err, io.ErrShortWrite) || !errors.Is(err, io.ErrClosedPipe) || !f.closed {
		t.Errorf("%v", err)
	}
}
