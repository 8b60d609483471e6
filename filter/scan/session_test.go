package scan

import (
	"errors"
	"strings"
	"testing"
)

// wire is a link that keeps what was sent.
type wire struct {
	sent   []Message
	broken bool
	closed bool
}

func (w *wire) Open() (Link, error) { return w, nil }
func (w *wire) Close()              { w.closed = true }
func (w *wire) Send(b []byte) error {
	m, ok := Read(append([]byte(nil), b...))
	if w.broken || !ok {
		return errors.New("broken")
	}
	w.sent = append(w.sent, m)
	return nil
}

func (w *wire) ops() string {
	var b strings.Builder
	for _, m := range w.sent {
		b.WriteByte(byte(m.Op))
	}
	return b.String()
}

func say(s *Session, m Message) { s.Receive(m.AppendTo(nil)) }

func TestAFileWaitsForItsVerdictAndNoLonger(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		settings  Settings
		uncertain bool
		ops       string
		then      func(s *Session)
		bad       Outcome
		noted     Outcome
	}{
		{"clean", Settings{Always: true, Millis: 1000}, false, "FDE", func(s *Session) { say(s, Message{Op: Verdict, File: 1, Outcome: Clean}) }, None, None},
		{"malicious", Settings{Always: true, Millis: 1000}, false, "FDE", func(s *Session) { say(s, Message{Op: Verdict, File: 1, Outcome: Malicious}) }, Malicious, None},
		{"malicious is never accepted", Settings{Always: true, Millis: 1000, AcceptError: true, AcceptTimeout: true}, false, "FDE",
			func(s *Session) { say(s, Message{Op: Verdict, File: 1, Outcome: Malicious}) }, Malicious, None},
		{"too large, and accepted", Settings{Always: true, Millis: 1000, AcceptError: true}, false, "FDE",
			func(s *Session) { say(s, Message{Op: Verdict, File: 1, Outcome: TooLarge}) }, None, TooLarge},
		{"silent", Settings{Always: true, Millis: 1000}, false, "FDE", ticks(5), TimedOut, None},
		{"silent, and accepted", Settings{Always: true, Millis: 1000, AcceptTimeout: true}, false, "FDE", ticks(5), None, TimedOut},
		{"silent, where only failures are accepted", Settings{Always: true, Millis: 1000, AcceptError: true}, false, "FDE", ticks(5), TimedOut, None},
		{"gone", Settings{Always: true, Millis: 1000}, false, "FDE", func(s *Session) { s.Break(Failed, "gone") }, Failed, None},
		{"nonsense", Settings{Always: true, Millis: 1000}, false, "FDE", func(s *Session) { s.Receive([]byte("nonsense")) }, Failed, None},
		{"uncertain", Settings{Millis: 1000}, true, "FDE", func(s *Session) { say(s, Message{Op: Verdict, File: 1, Outcome: Malicious}) }, Malicious, None},
		{"certain after all", Settings{Millis: 1000}, false, "FDC", func(*Session) {}, None, None},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			var s Session
			s.Start(tt.settings, w)
			s.Begin("pdf")
			s.Write([]byte("content"))
			if s.Waiting() {
				t.Error("waits before the end")
			}
			s.End(tt.uncertain)
			if w.ops() != tt.ops || s.Waiting() != (tt.ops == "FDE") {
				t.Errorf("sent %s, waiting %v", w.ops(), s.Waiting())
			}
			tt.then(&s)
			bad, _ := s.Bad()
			noted, _ := s.Noted()
			if s.Waiting() || bad.Outcome != tt.bad || noted.Outcome != tt.noted {
				t.Errorf("waiting %v, bad %v, noted %v", s.Waiting(), bad.Outcome, noted.Outcome)
			}
		})
	}
}

func ticks(n int) func(*Session) {
	return func(s *Session) {
		for range n {
			s.Tick()
		}
	}
}

func TestAScannerThatDoesNotKeepUpIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := &wire{}
	var s Session
	s.Start(Settings{Always: true, Millis: 1000}, w)
	s.Begin("pdf")
	s.Write(make([]byte, Window))
	if !s.Waiting() {
		t.Fatal("goes on with a full window")
	}
	say(&s, Message{Op: Taken, Total: frame})
	if s.Waiting() {
		t.Error("waits although something was taken")
	}
	say(&s, Message{Op: Taken, Total: 1 << 60})
	s.Write(make([]byte, Window))
	if !s.Waiting() {
		t.Error("more was taken than was sent")
	}
	ticks(5)(&s)
	if bad, _ := s.Bad(); bad.Outcome != TimedOut || !w.closed {
		t.Errorf("%v, closed %v", bad.Outcome, w.closed)
	}
}

func TestWithoutALinkThePolicyDecides(t *testing.T) {
	t.Parallel()
	for _, open := range []Opener{nil, &wire{broken: true}} {
		var s Session
		s.Start(Settings{Always: true, Millis: 1000}, open)
		s.Begin("pdf")
		s.Write([]byte("content"))
		s.End(false)
		if bad, _ := s.Bad(); bad.Outcome != Failed || s.Waiting() {
			t.Errorf("%v, waiting %v", bad.Outcome, s.Waiting())
		}
	}
	var s Session
	s.Start(Settings{Millis: 1000}, nil)
	s.Begin("pdf")
	s.End(false)
	if _, bad := s.Bad(); bad {
		t.Error("a file that somebody could see into needs no scanner")
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range []Message{{Op: Begin, File: 1, Kind: "pdf"}, {Op: Data, Bytes: []byte("x")}, {Op: End}, {Op: Taken, Total: 1 << 40}, {Op: Verdict, Outcome: Clean}} {
		f.Add(m.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := Read(b)
		if !ok {
			return
		}
		again, ok := Read(m.AppendTo(nil))
		if !ok || again.Op != m.Op || again.File != m.File || again.Total != m.Total || string(again.Bytes) != string(m.Bytes) || again.Text != m.Text {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}
