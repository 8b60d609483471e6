package main

import (
	"errors"

	"gatehouse/filter/scan"
)

// link is the host's gRPC stream to the scan service.
type link struct {
	token uint32
	open  bool
}

// Open begins the stream; it is the session's scan.Opener.
func (s *stream) Open() (scan.Link, error) {
	if s.link.open {
		return nil, errors.New("the scan service is being asked already")
	}
	token, err := hostStream(s.plugin.target, scan.Service, scan.Method)
	if err != nil {
		return nil, err
	}
	s.link = link{token, true}
	vm.scans[token] = s
	return &s.link, nil
}

// Send gives the message to the host, which keeps it until it is sent.
func (l *link) Send(message []byte) error { return hostSend(l.token, message) }

// Close ends the stream, whatever it carried.
func (l *link) Close() {
	if l.open {
		l.open = false
		delete(vm.scans, l.token)
		hostEndStream(l.token)
	}
}

// onScanReceive is called for the plugin, whose the streams to the scan service
// are, and not for the request that opened it: the token tells which that is.
func (m *machine) onScanReceive(token uint32, size int) {
	s := m.scans[token]
	if s == nil {
		return
	}
	defer s.guardScan()
	message, err := hostMessage(size) // while the plugin is the one that is called
	if turned := hostTurnTo(s.id); turned != nil {
		hostLog(levelError, "gatehouse: "+turned.Error())
		return
	}
	if err != nil {
		s.exchange.ScanBroke(err.Error())
	} else {
		s.exchange.Scanned(message)
	}
	s.resume()
}

func (m *machine) onScanClose(token, status uint32) {
	s := m.scans[token]
	if s == nil {
		return
	}
	defer s.guardScan()
	delete(m.scans, token)
	s.link.open = false
	if err := hostTurnTo(s.id); err != nil {
		hostLog(levelError, "gatehouse: "+err.Error())
		return
	}
	s.exchange.ScanBroke("the scan service is gone (gRPC status " + number(status) + ")")
	s.resume()
}

func number(n uint32) string {
	var digits [10]byte
	at := len(digits)
	for {
		at--
		digits[at] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(digits[at:])
		}
	}
}

// tickScans counts the time of the plugin's streams that wait for the scanner: each
// plugin has a clock, and two would end the others' time early.
func (m *machine) tickScans(p *plugin) {
	for _, s := range m.scans {
		if s.plugin != p {
			continue
		}
		if err := hostTurnTo(s.id); err != nil {
			hostLog(levelError, "gatehouse: "+err.Error())
			continue
		}
		s.tick()
	}
}

func (s *stream) tick() {
	defer s.guardScan()
	s.exchange.Tick()
	s.resume()
}

// resume lets go what was kept back for the scanner, or refuses it.
func (s *stream) resume() {
	if !s.replied && s.exchange.Reply() == nil {
		s.openedGate()
	}
	switch {
	case s.replied:
	case s.exchange.Reply() != nil:
		s.reply()
	case !s.waiting || s.exchange.Waiting():
	case s.exchange.HoldsBody() || s.held && s.exchange.Inspecting() && s.inHost <= heldSmall:
		s.waiting = false
	default:
		s.letGo()
		if err := hostContinue(s.id); err != nil {
			s.fail(err.Error())
		}
	}
}

func (s *stream) guardScan() {
	var do action
	s.guard(&do)
}
