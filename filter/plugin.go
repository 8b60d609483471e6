package main

import (
	"strings"

	"gatehouse/filter/policy"
	"gatehouse/filter/scan"
)

// Numbers of proxy-wasm ABI 0.2.
const (
	requestHeaders  = 0
	responseHeaders = 2

	levelError    = 4
	levelCritical = 5

	actionContinue action = 0
	actionPause    action = 1
	// actionWait also keeps bytes back. The host then stops reading at its buffer's
	// limit instead of answering 413, and shows a body's next bytes alone.
	actionWait action = 2
)

// action tells the host whether to go on.
type action uint32

// machine is all that lives in one VM. Several plugins can at once: while Envoy
// changes to a new configuration, the streams of the old go on with theirs.
type machine struct {
	plugins map[uint32]*plugin
	streams table
	idle    []*stream
	random  randomness
	uploads gauge
	// last is the plugin of the last stream: the next is mostly of it too.
	last   *plugin
	lastID uint32
	// scans are the streams that speak to the scan service, by the host's token.
	scans map[uint32]*stream
}

// vm is the state of the module: the ABI's callbacks come with a number alone.
var vm = machine{plugins: map[uint32]*plugin{}, scans: map[uint32]*stream{}} //nolint:gochecknoglobals // see above

// maxIdle bounds the streams that are kept for the next requests, and so the
// memory that they hold.
const maxIdle = 256

// plugin is one configuration.
type plugin struct {
	set     *policy.Set
	holding holding
	// target is the cluster of the scan service, as the host wants it named.
	target []byte
	// gate says that this plugin is only the gate of another one: gate.go.
	gate   bool
	ticked bool // the host calls its clock
}

// tick has the host call the plugin's clock from now on, or no more.
func (p *plugin) tick(on bool) error {
	if p.ticked == on {
		return nil
	}
	millis := uint32(0)
	if on {
		millis = tickMillis
	}
	err := hostTick(millis)
	p.ticked = on && err == nil
	return err
}

// create makes a plugin, which has no parent, or a stream of one.
func (m *machine) create(id, parent uint32) {
	if parent == 0 {
		m.createPlugin(id)
		return
	}
	var s *stream
	if n := len(m.idle); n > 0 {
		s, m.idle = m.idle[n-1], m.idle[:n-1]
	} else {
		s = newStream()
	}
	if m.last == nil || m.lastID != parent {
		m.findPlugin(parent)
	}
	s.begin(id, m.last)
	m.streams.put(id, s)
}

// What follows is called seldom and stays out of line, as in filter/pipeline.

//go:noinline
func (m *machine) createPlugin(id uint32) { m.plugins[id] = &plugin{} }

//go:noinline
func newStream() *stream { return &stream{} }

//go:noinline
func (m *machine) findPlugin(id uint32) { m.last, m.lastID = m.plugins[id], id }

//go:noinline
func (m *machine) removePlugin(id uint32) {
	delete(m.plugins, id)
	m.last = nil
	m.uploads.tell() // its clock has stopped
}

// remove forgets a stream or a plugin. Streams are used again with the memory
// that they have grown, unless that is more than a request should need.
func (m *machine) remove(id uint32) {
	s := m.streams.take(id)
	if s == nil {
		m.removePlugin(id)
		return
	}
	if s.counted {
		m.uploads.add(s.plugin, -1)
	}
	s.arrived(false)
	if s.reset() && len(m.idle) < maxIdle {
		m.idle = appendStream(m.idle, s)
	}
}

// appendStream is append where there is room, without a call.
func appendStream(list []*stream, s *stream) []*stream {
	n := len(list)
	if n == cap(list) {
		return growStreams(list, s)
	}
	list = list[:n+1]
	list[n] = s
	return list
}

//go:noinline
func growStreams(list []*stream, s *stream) []*stream { return append(list, s) }

// clocked tells whether a plugin has something to time: scans, or headers that are
// held by a host which has not proven yet that it can.
func (p *plugin) clocked() bool {
	return p.target != nil || p.set.HoldRequestHeaders() && !p.holding.proven
}

// onTick counts the time of all that waits. root is the plugin that the host has
// called, and wants back.
func (m *machine) onTick(root uint32) {
	told := m.uploads.tell()
	if p := m.plugins[root]; p != nil {
		held := p.holding.tick()
		if p.target != nil {
			m.tickScans(p)
		} else if !told && !(held && p.clocked()) {
			if err := p.tick(false); err != nil {
				hostLog(levelError, "gatehouse: "+err.Error())
			}
		}
	}
	if err := hostTurnTo(root); err != nil {
		hostLog(levelError, "gatehouse: "+err.Error())
	}
}

// stream is never nil: one that the host has not announced is refused.
func (m *machine) stream(id uint32) *stream {
	if s := m.streams.get(id); s != nil {
		return s
	}
	return newStream()
}

// configure refuses a configuration with mistakes: at start Envoy does not come
// up, later it keeps the old one.
func (m *machine) configure(id uint32) bool {
	p := m.plugins[id]
	if p == nil {
		p = &plugin{}
		m.plugins[id] = p
	}
	text, err := hostConfiguration()
	if err != nil {
		hostLog(levelCritical, "gatehouse: "+err.Error())
		return false
	}
	if text == policy.Gate {
		p.gate = true
		return true
	}
	set, err := policy.Parse([]byte(text))
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			hostLog(levelCritical, "gatehouse: configuration refused: "+line)
		}
		return false
	}
	p.set, p.target = set, nil
	if service := set.ScanService(); service != "" {
		p.target = scan.Target(service)
	}
	if p.clocked() {
		if err := p.tick(true); err != nil {
			hostLog(levelCritical, "gatehouse: without a clock neither scans nor held headers can be timed: "+err.Error())
			return false
		}
	}
	return true
}
