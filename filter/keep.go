package main

import (
	"errors"
	"fmt"
)

// How bytes are kept back. The host's own ways have limits that an honest upload
// meets: with actionPause it answers 413 as soon as what is held and the next read
// pass its buffer's limit together, before the filter is asked (a held head of 1 KB
// before a read of 1 MiB is enough); with actionWait it then stops reading, and the
// bytes that would decide never come.
//
// So little stays in the host, with actionWait, which shows the next bytes alone;
// where more than a little has come, what must not go on is taken out of the host's
// buffer into the filter's, and the rest goes. It is put back before the next bytes.
//
// And nothing stays in the host once something of the request has gone on: all filters
// of a stream share one buffer there. One behind this filter that keeps the request for
// a while (ext_authz) sends on what lies in it when it goes on, and the router keeps in it
// what it may have to send again (a retry policy), which would go out twice.

const (
	// heldSmall is what may stay held in the host before anything has gone on, in bytes:
	// less than any buffer's limit, so that the host goes on reading.
	heldSmall = 16 << 10
	// heldMost is what the filter keeps of a request, in bytes. What is undecided is the
	// head of a part (maxPartHead) and of its file (headSize), or white space before a
	// JSON; in a body that is encoded, all of a read before it.
	heldMost = 160 << 10
)

// giveBack puts what the filter has taken before the bytes that have come, and
// returns how many of them were judged already.
func (s *stream) giveBack() (judged int, err error) {
	judged = len(s.kept)
	if judged == 0 {
		return 0, nil
	}
	if err := hostReplaceBody(0, s.kept); err != nil {
		return 0, err
	}
	s.kept = s.kept[:0]
	return judged, nil
}

// hold keeps back what must not go on yet: of size bytes in the host's buffer, those
// from safe on, which are undecided; all of them if the scanner's verdict is awaited.
func (s *stream) hold(safe, size int) (action, error) {
	undecided := s.exchange.Undecided()
	little := !s.passed && s.inHost+size <= heldSmall
	if undecided && (!little || s.exchange.Rewrites()) {
		if err := s.take(safe, size); err != nil {
			return actionPause, err
		}
		size, little = safe, false
	}
	s.waiting = s.exchange.Waiting() && !s.passed
	switch {
	case s.waiting, s.exchange.HoldsBody(), little:
		s.inHost += size
		return actionWait, nil
	case size > 0 || s.passed: // is decided; of the last stretch, something is still to come
		return s.letGo(), nil
	}
	return actionWait, nil
}

// letGo has the host send on all that it keeps.
func (s *stream) letGo() action {
	s.inHost, s.waiting, s.passed = 0, false, true
	return actionContinue
}

// take moves what stands from safe on in the host's buffer to the filter's.
func (s *stream) take(safe, size int) error {
	if size-safe > heldMost {
		return fmt.Errorf("%d bytes would have to be kept back, more than %d", size-safe, heldMost)
	}
	if err := rotate(safe); err != nil {
		return err
	}
	for want := size - safe; want > 0; {
		chunk, err := hostBody(0, min(readSize, want))
		if err != nil {
			return err
		}
		if len(chunk) == 0 {
			return fmt.Errorf("the host gave nothing of %d bytes to be kept", want)
		}
		s.kept = append(s.kept, chunk...)
		if err := hostReplaceBody(len(chunk), nil); err != nil {
			return err
		}
		want -= len(chunk)
	}
	return nil
}

// rotate moves the first n bytes of the host's buffer to its end: the host lets
// the beginning be replaced, and something be added, but nothing behind a beginning
// be touched.
func rotate(n int) error {
	for n > 0 {
		chunk, err := hostBody(0, min(readSize, n))
		if err != nil {
			return err
		}
		if len(chunk) == 0 {
			return fmt.Errorf("the host gave nothing of %d bytes to be moved", n)
		}
		if err := hostAppendBody(chunk); err != nil {
			return err
		}
		if err := hostReplaceBody(len(chunk), nil); err != nil {
			return err
		}
		n -= len(chunk)
	}
	return nil
}

// overwrite changes bytes of the host's buffer, which holds size.
func overwrite(at, size int, b []byte) error {
	if at < 0 {
		return errors.New("a file name to be rewritten has left already: the host did not hold it")
	}
	if err := rotate(at); err != nil {
		return err
	}
	if err := hostReplaceBody(len(b), b); err != nil {
		return err
	}
	return rotate(size - at)
}
