package main

import (
	"fmt"

	"gatehouse/filter/abi"
	"gatehouse/filter/headers"
	"gatehouse/filter/pipeline"
	"gatehouse/filter/policy"
	"gatehouse/filter/verdict"
)

// readSize bounds the copy of body bytes into the VM, and readWhole that of a body's
// end, whose verdict comes with it: a small upload is read at once then, and nothing
// of its files has to be kept for a later call.
const (
	readSize  = 64 << 10
	readWhole = 128 << 10
)

// maxKept is how much memory of a stream, in bytes, is kept for the next one.
const maxKept = 64 << 10

// Property paths, their parts joined by NUL as the ABI wants them.
const (
	routePolicy       = "xds\x00route_metadata\x00filter_metadata\x00gatehouse\x00policy"
	virtualHostPolicy = "xds\x00virtual_host_metadata\x00filter_metadata\x00gatehouse\x00policy"
)

// stream is one HTTP exchange. It is used again for another once the host has
// deleted it, so that a request allocates nothing; nothing of one exchange may
// be kept in the next.
type stream struct {
	id       uint32
	plugin   *plugin
	set      *policy.Set
	exchange pipeline.Exchange
	begun    bool // the exchange is
	replied  bool
	counted  bool   // in the gauge of uploads
	inHost   int    // bytes that the host keeps back
	gathered int    // bytes that the host keeps, and will show again
	kept     []byte // what the filter does: keep.go
	ticks    int    // of the clock that looks after held headers
	held     bool   // by the inspector's word
	waiting  bool   // by the scanner's
	link     link
	passed   bool   // something of the request was let go
	primary  uint32 // of a gate: the stream whose scan it waits for
	gate     uint32 // of a primary: its gate, once that is open
	gated    bool   // the gate keeps bytes back

	request  [][2]string
	response abi.Map
	// What the host wrote, which the maps and the exchange are parts of.
	requestText, responseText, policyText []byte
	scratch, verdictText                  []byte // packed for the host
}

func (s *stream) begin(id uint32, p *plugin) {
	if s.id, s.plugin = id, p; p != nil {
		s.set = p.set
	}
}

// reset forgets the exchange; false means that too much memory would be kept.
func (s *stream) reset() bool {
	s.exchange.Reset()
	s.id, s.plugin, s.set, s.begun, s.replied, s.counted = 0, nil, nil, false, false, false
	s.inHost, s.kept, s.ticks, s.held, s.waiting, s.link = 0, s.kept[:0], 0, false, false, link{}
	s.passed, s.primary, s.gate, s.gated, s.gathered = false, 0, 0, false, 0
	return cap(s.requestText)+cap(s.responseText)+cap(s.policyText)+cap(s.scratch)+cap(s.kept) <= maxKept
}

func (s *stream) onRequestHeaders(endOfStream bool) (do action) {
	if recovers {
		defer s.guard(&do)
	}
	if s.plugin != nil && s.plugin.gate {
		return s.openGate()
	}
	packed, err := hostHeaders(requestHeaders, &s.requestText)
	if err != nil {
		return s.fail(err.Error())
	}
	var ok bool
	if s.request, ok = abi.Unpack(s.request[:0], packed); !ok {
		return s.fail("read the request headers: not a packed map")
	}
	if s.set == nil {
		return s.fail("the stream has no configuration")
	}
	crash(s.request)
	request := pipeline.Request{Headers: s.request, EndOfStream: endOfStream, Random: &vm.random}
	if s.plugin != nil && s.plugin.target != nil {
		request.Scanner = s
	}
	if s.set.ReadsMetadata() {
		s.readMetadata(&request)
	}
	s.exchange.Begin(s.set, &request)
	s.begun = true
	if s.exchange.Reply() != nil {
		return s.reply()
	}
	if len(s.exchange.Drop()) > 0 || s.exchange.Nonce() != "" {
		if err := s.editRequest(); err != nil {
			return s.fail(err.Error())
		}
	}
	if s.exchange.Inspecting() || s.exchange.Scans() {
		return s.beginUpload()
	}
	s.passed = true
	return actionContinue
}

//go:noinline
func (s *stream) readMetadata(request *pipeline.Request) {
	request.RoutePolicy = hostProperty(routePolicy, &s.policyText)
	if request.RoutePolicy == "" { // else the virtual host's would not count
		request.VirtualHostPolicy = hostProperty(virtualHostPolicy, &s.policyText)
	}
}

// editRequest takes out what only Gatehouse may say, and puts the nonce in.
//
//go:noinline
func (s *stream) editRequest() error {
	for _, name := range s.exchange.Drop() {
		if err := hostRemoveHeader(requestHeaders, name); err != nil {
			return fmt.Errorf("remove request header %s: %w", name, err)
		}
	}
	if nonce := s.exchange.Nonce(); nonce != "" {
		if err := hostReplaceHeader(requestHeaders, headers.NonceHeader, nonce); err != nil {
			return fmt.Errorf("give the upstream its nonce: %w", err)
		}
	}
	return nil
}

// beginUpload prepares for a body that is inspected or scanned.
//
//go:noinline
func (s *stream) beginUpload() action {
	if s.exchange.Inspecting() {
		s.counted = true
		vm.uploads.add(s.plugin, +1)
	}
	if s.exchange.Scans() {
		if !vm.gated() {
			return s.fail("files are to be scanned, but the filter does not stand a second time before the router, as the gate")
		}
		if err := hostSetProperty(scanProperty, []byte(number(s.id))); err != nil {
			return s.fail("name the scan to its gate: " + err.Error())
		}
	}
	if s.exchange.HoldHeaders() && s.plugin.holding.hold(s) {
		return actionPause
	}
	s.passed = true
	return actionContinue
}

func (s *stream) onRequestBody(size int, endOfStream bool) (do action) {
	s.arrived(true)
	if s.replied {
		return actionPause
	}
	if s.primary != 0 {
		return s.throughGate(actionWait)
	}
	if !s.begun || !s.exchange.Inspecting() && !s.exchange.Waiting() {
		return actionContinue
	}
	if recovers {
		defer s.guard(&do)
	}
	if s.gathered = 0; !endOfStream && s.gathers(size) {
		s.gathered = size
		return actionPause
	}
	size, safe, err := s.judgeNew(size)
	if err != nil {
		return s.fail(err.Error())
	}
	if endOfStream {
		s.exchange.End()
		s.held = false
	}
	switch {
	case s.exchange.Reply() != nil:
		return s.reply()
	case !s.held && (s.passed || !s.exchange.Waiting()):
		return s.letGo()
	}
	if do, err = s.hold(safe, size); err != nil {
		return s.fail(err.Error())
	}
	return do
}

// gathers tells whether the host should keep what it shows, and show it again with
// what comes next: because more does, little is here yet, and the host's buffer has
// nothing else in it (keep.go).
func (s *stream) gathers(size int) bool {
	most := s.set.GatherBody()
	if size >= most || s.passed || s.inHost > 0 || s.exchange.Scans() {
		return false
	}
	return int64(size) < s.exchange.Left() && s.exchange.Ahead(size) < size
}

// judgeNew judges what the host shows, behind what the filter has kept, and returns how
// many bytes the host's buffer has then, and how many of them are decided.
func (s *stream) judgeNew(shown int) (size, safe int, err error) {
	judged, err := s.giveBack()
	if err != nil {
		return 0, 0, err
	}
	size = judged + shown
	safe, err = s.judge(judged, size)
	return size, safe, err
}

// judge gives the bytes that are new in the host's buffer, from at on, to the
// exchange. What stands before safe is decided.
func (s *stream) judge(at, size int) (safe int, err error) {
	if s.inHost == 0 && at == 0 {
		s.held = false
	} // else held bytes stay held until new ones decide
	for at < size {
		if n := s.exchange.Ahead(size - at); n > 0 {
			if s.held = s.exchange.Pass(n); s.exchange.Reply() != nil {
				return 0, nil
			}
			at += n
		} else if at, err = s.look(at, size); err != nil || s.exchange.Reply() != nil {
			return 0, err
		}
		before := safe
		if safe = at; s.exchange.Undecided() {
			safe -= s.exchange.Doubt(at - before)
		}
	}
	return safe, nil
}

// look gives the next piece to the exchange, and returns where the one behind it
// begins.
func (s *stream) look(at, size int) (int, error) {
	want := size - at
	if want > readWhole || int64(want) != s.exchange.Left() {
		want = min(want, readSize)
	}
	chunk, err := hostBody(at, want)
	if err != nil {
		return at, err
	}
	if len(chunk) == 0 {
		return at, fmt.Errorf("the host gave nothing at %d of %d", at, size)
	}
	s.held = s.exchange.Body(chunk)
	if s.exchange.Reply() != nil {
		return at, nil
	}
	at += len(chunk)
	for _, e := range s.exchange.Edits() {
		if err := overwrite(at-e.FromEnd, size, e.Bytes); err != nil {
			return at, err
		}
	}
	return at, nil
}

// onRequestTrailers is the end of a body with trailers: no end of stream comes
// before it.
func (s *stream) onRequestTrailers() (do action) {
	s.arrived(true)
	if s.replied {
		return actionPause
	}
	if s.primary != 0 {
		return s.throughGate(actionPause)
	}
	if !s.begun {
		return actionContinue
	}
	if recovers {
		defer s.guard(&do)
	}
	if s.gathered > 0 { // and announced were more
		if _, _, err := s.judgeNew(s.gathered); err != nil {
			return s.fail(err.Error())
		}
	}
	s.exchange.End()
	s.held = false
	if s.exchange.Reply() != nil {
		return s.reply()
	}
	if len(s.kept) > 0 { // a body that is undecided at its end was refused
		return s.fail("the trailers came before bytes that the filter still keeps")
	}
	if s.exchange.Waiting() && !s.passed {
		s.waiting = true
		return actionPause
	}
	s.passed = true
	return actionContinue
}

// responseHost is the host's map of response headers.
type responseHost struct{ s *stream }

func (responseHost) Remove(name string) error { return hostRemoveHeader(responseHeaders, name) }

func (responseHost) Replace(name, value string) error {
	return hostReplaceHeader(responseHeaders, name, value)
}

func (responseHost) Add(name, value string) error { return hostAddHeader(responseHeaders, name, value) }

//go:noinline
func (h responseHost) ReplaceAll(lines [][2]string) error {
	h.s.scratch = abi.Pack(h.s.scratch[:0], lines)
	return hostSetHeaders(responseHeaders, h.s.scratch)
}

// onResponseHeaders reads the whole map once, where there is something to write or the
// status decides what is told. Nearly all responses go by the policy's plan, which
// gives a whole map back; of the others the edits alone are made.
func (s *stream) onResponseHeaders() (do action) {
	if s.set == nil {
		return actionContinue
	}
	if recovers {
		defer s.guardResponse(&do)
	}
	if !s.begun { // the proxy refused the request before the filter saw it
		s.exchange.Unseen(s.set, &vm.random)
		s.begun = true
	}
	if !s.exchange.Responds() && (s.replied || s.set.Publishes(s.exchange.Verdict(), 0)) {
		if !s.replied {
			s.publish()
		}
		return actionContinue
	}
	packed, err := hostHeaders(responseHeaders, &s.responseText)
	if err != nil {
		return s.failResponse(err.Error())
	}
	var planned bool
	if s.scratch, planned = s.exchange.Plan(s.scratch, packed); planned {
		return s.answer()
	}
	return s.respond(packed)
}

// respond makes the edits that a response needs.
//
//go:noinline
func (s *stream) respond(packed string) action {
	if !s.response.Load(packed) {
		return s.failResponse("read the response headers: not a packed map")
	}
	if !s.replied && s.set.Publishes(s.exchange.Verdict(), s.response.Status()) { // else it has been
		s.publish()
	}
	s.exchange.Respond(&s.response)
	if err := s.response.Tell(responseHost{s}); err != nil {
		return s.failResponse(err.Error())
	}
	return actionContinue
}

// answer gives the host the whole map that was planned, in the place of the response's.
func (s *stream) answer() action {
	if s.set.Publishes(s.exchange.Verdict(), pipeline.PlannedStatus) {
		s.publish()
	}
	if err := hostSetHeaders(responseHeaders, s.scratch); err != nil {
		return s.failResponse(err.Error())
	}
	return actionContinue
}

// publish hands the verdict to the access log.
//
//go:noinline
func (s *stream) publish() {
	s.verdictText = s.exchange.Verdict().AppendJSON(s.verdictText[:0])
	if err := hostSetProperty(verdict.Property, s.verdictText); err != nil {
		hostLog(levelError, "gatehouse: cannot publish the verdict: "+err.Error())
	}
}

// reply sends the exchange's own answer. The host runs it through
// onResponseHeaders like any other response.
//
//go:noinline
func (s *stream) reply() action {
	s.replied = true
	r := s.exchange.Reply()
	if s.set.Publishes(s.exchange.Verdict(), r.Status) {
		s.publish()
	}
	s.scratch = abi.Pack(s.scratch[:0], r.Headers)
	if err := hostReply(r.Status, s.scratch, r.Body); err != nil {
		hostLog(levelCritical, "gatehouse: "+err.Error())
	}
	return actionPause
}

// fail refuses what cannot be judged.
//
//go:noinline
func (s *stream) fail(reason string) action {
	hostLog(levelError, "gatehouse: "+reason)
	if s.replied {
		return actionPause
	}
	if s.set == nil {
		s.set = policy.None()
	}
	if s.begun {
		s.exchange.Fail(reason)
	} else {
		s.exchange.Failed(s.set, reason)
		s.begun = true
	}
	return s.reply()
}

// failResponse replaces a response that could not get its headers; should the
// replacement fail in the same way, it goes out as it is.
//
//go:noinline
func (s *stream) failResponse(reason string) action {
	if !s.replied {
		return s.fail(reason)
	}
	hostLog(levelCritical, "gatehouse: in a local reply: "+reason)
	return actionContinue
}

// guard turns a panic into a refusal of this one request, if the compiler was
// Go's own: unrecovered, as it stays in a module that TinyGo compiled, it takes
// the VM down with every request in it, and the next request gets a new one.
func (s *stream) guard(do *action) {
	if r := recover(); r != nil {
		*do = s.fail(fmt.Sprintf("panic: %v", r))
	}
}

func (s *stream) guardResponse(do *action) {
	if r := recover(); r != nil {
		*do = s.failResponse(fmt.Sprintf("panic in the response: %v", r))
	}
}
