package main

// A host that was not told allow_on_headers_stop_iteration takes a pause at the
// headers for one of the whole stream: no body ever comes, and the request hangs
// until it times out. Nothing tells the filter how the host was configured. It
// sees it by this: a body that comes while the headers are held proves the host
// right, for good: the pause is a setting of each plugin, not of the VM. Until then a clock looks after the requests that wait; one that
// has waited for too long goes on, its body being judged and held as ever, but its
// headers ahead of it. After a few of them the filter stops holding headers.
type holding struct {
	proven  bool // the host gives bodies while headers are held
	missing int  // requests that had to go on without a body
	waiting map[uint32]*stream
}

const (
	// tickMillis is how often the clock looks, and maxTicks how often it sees a
	// request wait before it lets it go on.
	tickMillis = 250
	maxTicks   = 8
	// enoughMissing: slow clients are no proof, so that one is not enough.
	enoughMissing = 3
)

// hold tells whether the headers of a stream may be held, and notes that they are.
func (h *holding) hold(s *stream) bool {
	switch {
	case h.proven:
		return true
	case h.missing >= enoughMissing:
		return false
	}
	if h.waiting == nil {
		h.waiting = map[uint32]*stream{}
	}
	h.waiting[s.id] = s
	s.ticks = 0
	return true
}

// arrived: the stream has a body, or is over.
func (s *stream) arrived(withBody bool) {
	if s.plugin != nil && len(s.plugin.holding.waiting) > 0 {
		s.plugin.holding.arrived(s, withBody)
	}
}

//go:noinline
func (h *holding) arrived(s *stream, withBody bool) {
	if h.waiting[s.id] == nil {
		return
	}
	delete(h.waiting, s.id)
	h.proven = h.proven || withBody
}

// tick lets go what has waited for too long. on is false when the clock is not
// needed any more.
func (h *holding) tick() (on bool) {
	for id, s := range h.waiting {
		if s.ticks++; s.ticks < maxTicks {
			continue
		}
		delete(h.waiting, id)
		if h.missing++; h.missing == enoughMissing {
			hostLog(levelCritical, "gatehouse: no body comes while request headers are held: allow_on_headers_stop_iteration is missing in the host's "+
				"configuration of this plugin; set it, or hold_request_headers to false; headers are no longer held")
		}
		s.passed = true
		if err := hostContinue(id); err != nil {
			hostLog(levelError, "gatehouse: "+err.Error())
		}
	}
	return !h.proven && (h.missing < enoughMissing || len(h.waiting) > 0)
}
