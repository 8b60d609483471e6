package main

import "strconv"

// The gate is the same plugin once more, as the last filter before the router,
// configured with policy.Gate. It keeps back what must wait for the scanner.
//
// The filter itself cannot once it has let go of the headers: all filters of a
// stream share one buffer of kept bytes, so that a filter behind it (ext_authz)
// which goes on after an answer of its own sends on what the filter has kept,
// the end of the stream included. Behind the gate nobody waits.

// scanProperty names the stream whose scan the gate has to wait for.
const scanProperty = "gatehouse.scan"

// gated tells whether there is a gate in this VM: without one, what must wait
// would pass.
func (m *machine) gated() bool {
	for _, p := range m.plugins {
		if p.gate {
			return true
		}
	}
	return false
}

// openGate finds the stream of the other plugin, which lives in the same VM.
//
//go:noinline
func (s *stream) openGate() action {
	text := hostProperty(scanProperty, &s.policyText)
	if text == "" {
		return actionContinue // nothing of this request is scanned
	}
	id, err := strconv.ParseUint(text, 10, 32)
	primary := vm.streams.get(uint32(id)) // #nosec G115 -- 32 bits
	if err != nil || primary == nil {
		return s.fail("the gate does not know the scan that it has to wait for")
	}
	s.primary, primary.gate = uint32(id), s.id // #nosec G115 -- 32 bits
	return actionContinue
}

// throughGate lets bytes through unless the scan says that they must wait.
func (s *stream) throughGate(wait action) action {
	primary := vm.streams.get(s.primary)
	switch {
	case primary == nil:
		return s.fail("the scan that the gate waits for is gone")
	case primary.replied:
		return wait // it was refused, and the host is about to end it
	case primary.exchange.Waiting() || primary.exchange.HoldsBody():
		primary.gated = true
		return wait
	}
	return actionContinue
}

// openedGate lets go what the gate has kept.
func (s *stream) openedGate() {
	if !s.gated || s.exchange.Waiting() || s.exchange.HoldsBody() {
		return
	}
	s.gated = false
	if err := hostContinue(s.gate); err != nil {
		s.fail(err.Error())
		return
	}
	if err := hostTurnTo(s.id); err != nil {
		hostLog(levelError, "gatehouse: "+err.Error())
	}
}
