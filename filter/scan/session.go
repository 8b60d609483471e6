// Package scan hands the files of one request to a virus scanner while they
// stream past, and keeps the account of what the scanner has said.
//
// It promises that a file whose verdict is wanted is waited for until there is
// one, or until the written outcome of a time-out or a failure takes its place;
// that no more than Window bytes are under way unasked; and bounded memory,
// whatever the file's size. It knows no host, clock or scanner: it speaks to a
// Link, and counts the Ticks that it is told of.
package scan

// Settings are those of a policy.
type Settings struct {
	// Always scans each file; else only one that nobody can see into.
	Always bool
	// Hold keeps back the whole body, not only the end of each file, as long as
	// it is no larger than MaxHold, in bytes.
	Hold    bool
	MaxHold int64
	// Millis is how long the scanner may be silent while it is waited for.
	Millis int64
	// What becomes of a file without a verdict: true lets it pass.
	AcceptTimeout, AcceptError bool
}

// Link carries messages to the scanner. The message is the caller's again once
// Send returns.
type Link interface {
	Send(message []byte) error
	Close()
}

// Opener opens a Link; what comes back on it is given to Session.Receive.
type Opener interface{ Open() (Link, error) }

const (
	// Window is how many bytes may be under way without the scanner having taken
	// them. They wait in the host, not here.
	Window = 256 << 10
	// frame is the largest piece of a file in one message.
	frame = 32 << 10
	// TickMillis is the time between two Ticks.
	TickMillis = 250
)

// Finding is what has to be said about a file.
type Finding struct {
	Outcome Outcome
	Text    string // a signature's name, or what is wrong; for the log
}

// Session is the scanning of one request's files. It belongs to one goroutine.
// The zero value scans nothing.
type Session struct {
	settings Settings
	open     Opener
	link     Link
	buf      []byte

	file       uint32
	streaming  bool
	early      Finding // said of the file that is still streaming
	sent       uint64
	taken      uint64
	waiting    []uint32 // ended files without a verdict
	silent     int64    // ticks for which nothing came while something was waited for
	broken     Finding  // why there is no link any more
	bad, noted Finding
}

// maxWaiting bounds the files whose verdicts are waited for at once: while one
// is, the host reads no more than its buffer takes.
const maxWaiting = 64

// Start makes a session that has opened nothing yet. The buffer of the one
// before is used again.
func (s *Session) Start(settings Settings, open Opener) {
	*s = Session{settings: settings, open: open, buf: s.buf[:0], waiting: s.waiting[:0]}
}

// Begin begins a file of that type.
func (s *Session) Begin(kind string) {
	s.file++
	s.streaming, s.early = true, Finding{}
	if s.broken.Outcome != None {
		s.current(s.broken)
		return
	}
	if s.link == nil && !s.connect() {
		return
	}
	s.send(&Message{Op: Begin, File: s.file, Millis: uint32(s.settings.Millis), Kind: kind}) // #nosec G115 -- bounded by the policy
}

func (s *Session) connect() bool {
	if s.open == nil {
		s.Break(Failed, "there is no scanner here")
		return false
	}
	link, err := s.open.Open()
	if err != nil {
		s.Break(Failed, err.Error())
		return false
	}
	s.link = link
	return true
}

// Write hands on the next bytes of the file.
func (s *Session) Write(b []byte) {
	for len(b) > 0 && s.streaming && s.early.Outcome == None && s.link != nil {
		n := min(len(b), frame)
		s.sent += uint64(n) // #nosec G115 -- at most frame
		s.send(&Message{Op: Data, Bytes: b[:n]})
		b = b[n:]
	}
}

// End ends the file. uncertain says that nobody could see into it.
func (s *Session) End(uncertain bool) {
	s.streaming = false
	switch {
	case s.early.Outcome != None:
		if s.settings.Always || uncertain {
			s.settle(s.early)
		}
	case s.broken.Outcome != None: // settled when it broke, or now
		if !s.settings.Always && uncertain {
			s.settle(s.broken)
		}
	case !s.settings.Always && !uncertain:
		s.send(&Message{Op: Forget})
	case len(s.waiting) >= maxWaiting:
		s.settle(Finding{Failed, "too many files at once"})
		s.send(&Message{Op: Forget})
	default:
		s.waiting = append(s.waiting, s.file)
		s.send(&Message{Op: End})
	}
}

func (s *Session) send(m *Message) {
	s.buf = m.AppendTo(s.buf[:0])
	if err := s.link.Send(s.buf); err != nil {
		s.Break(Failed, err.Error())
	}
}

// Receive takes what the scanner's side sent.
func (s *Session) Receive(b []byte) {
	m, ok := Read(b)
	if !ok {
		s.Break(Failed, "the scan service sent what is no message")
		return
	}
	s.silent = 0
	switch m.Op {
	case Taken:
		s.taken = max(s.taken, min(m.Total, s.sent))
	case Verdict:
		s.judged(m.File, Finding{m.Outcome, m.Text})
	case Begin, Data, End, Forget:
		s.Break(Failed, "the scan service sent what only a client sends")
	}
}

func (s *Session) judged(file uint32, f Finding) {
	if s.streaming && file == s.file {
		s.current(f)
		return
	}
	for i, waiting := range s.waiting {
		if waiting == file {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			s.settle(f)
			return
		}
	}
	// Of a file that was forgotten: a signature counts all the same.
	if f.Outcome == Malicious {
		s.settle(f)
	}
}

// current notes what is known of a file before its end. What is certain to
// matter counts at once, so that the rest need not be sent.
func (s *Session) current(f Finding) {
	s.early = f
	if f.Outcome == Malicious || s.settings.Always && f.Outcome != Clean {
		s.settle(f)
	}
}

// Break says that no more will come over the link.
func (s *Session) Break(outcome Outcome, why string) {
	if s.broken.Outcome != None {
		return
	}
	s.broken = Finding{outcome, why}
	s.Close()
	for range s.waiting {
		s.settle(s.broken)
	}
	s.waiting = s.waiting[:0]
	if s.streaming && s.early.Outcome == None {
		s.current(s.broken)
	}
}

// Tick counts the time for which the scanner has kept a request waiting.
func (s *Session) Tick() {
	if !s.Waiting() {
		s.silent = 0
		return
	}
	if s.silent++; s.silent*TickMillis > s.settings.Millis {
		s.Break(TimedOut, "the scanner said nothing in time")
	}
}

func (s *Session) settle(f Finding) {
	accept := false
	switch f.Outcome {
	case None, Clean:
		return
	case TimedOut:
		accept = s.settings.AcceptTimeout
	case Failed, TooLarge:
		accept = s.settings.AcceptError
	case Malicious:
	}
	switch {
	case accept:
		s.noted = f
	case s.bad.Outcome != Malicious:
		s.bad = f
	}
}

// Waiting tells whether the request must not go on before the scanner has said
// something: the verdict on a file that has ended, or that it has taken bytes.
func (s *Session) Waiting() bool {
	if s.bad.Outcome != None || s.broken.Outcome != None {
		return false
	}
	return len(s.waiting) > 0 || s.streaming && s.early.Outcome == None && s.sent-s.taken >= Window
}

// Bad is why the request must be refused, if it must.
func (s *Session) Bad() (Finding, bool) { return s.bad, s.bad.Outcome != None }

// Noted is why a file passed without a verdict, if one did.
func (s *Session) Noted() (Finding, bool) { return s.noted, s.noted.Outcome != None }

// Begun tells whether any file was begun.
func (s *Session) Begun() bool { return s.file > 0 }

// Open tells whether there is a link to wait for.
func (s *Session) Open() bool { return s.link != nil }

// Close ends the link, if there is one.
func (s *Session) Close() {
	if s.link != nil {
		s.link.Close()
		s.link = nil
	}
}
