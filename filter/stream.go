package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"

	"gatehouse/filter/headers"
	"gatehouse/filter/pipeline"
	"gatehouse/filter/policy"
	"gatehouse/filter/verdict"
)

// readSize bounds the copy of body bytes into the VM.
const readSize = 64 << 10

// stream is one HTTP exchange.
type stream struct {
	types.DefaultHttpContext
	set      *policy.Set
	random   *randomness
	exchange *pipeline.Exchange
	// inBuffer counts the bytes of the host's buffer that were already judged:
	// while the filter pauses, each callback sees them again from the first.
	inBuffer int
	replied  bool
}

func (s *stream) OnHttpRequestHeaders(_ int, endOfStream bool) (action types.Action) {
	defer s.guard(&action)
	lines, err := proxywasm.GetHttpRequestHeaders()
	if err != nil {
		return s.fail(fmt.Sprintf("read request headers: %v", err))
	}
	request := pipeline.Request{Headers: lines, EndOfStream: endOfStream, RoutePolicy: metadata("route_metadata"), Random: s.random.read}
	if request.RoutePolicy == "" { // else the virtual host's would not count, and asking costs 4 µs
		request.VirtualHostPolicy = metadata("virtual_host_metadata")
	}
	s.exchange = pipeline.Begin(s.set, request)
	if s.exchange.Reply() != nil {
		return s.reply()
	}
	for _, name := range s.exchange.Drop() {
		if err := proxywasm.RemoveHttpRequestHeader(name); err != nil {
			return s.fail(fmt.Sprintf("remove request header %s: %v", name, err))
		}
	}
	if nonce := s.exchange.Nonce(); nonce != "" {
		if err := proxywasm.AddHttpRequestHeader(headers.NonceHeader, nonce); err != nil {
			return s.fail(fmt.Sprintf("give the upstream its nonce: %v", err))
		}
	}
	if s.exchange.HoldHeaders() {
		return types.ActionPause
	}
	return types.ActionContinue
}

// metadata reads filter_metadata.gatehouse.policy of the route or virtual host;
// absent is empty.
func metadata(of string) string {
	value, err := proxywasm.GetProperty([]string{"xds", of, "filter_metadata", "gatehouse", "policy"})
	if err != nil {
		return ""
	}
	return string(value)
}

func (s *stream) OnHttpRequestBody(size int, endOfStream bool) (action types.Action) {
	defer s.guard(&action)
	if s.replied {
		return types.ActionPause
	}
	if s.exchange == nil || !s.exchange.Inspecting() {
		return types.ActionContinue
	}
	hold, err := s.judge(size)
	if err != nil {
		return s.fail(fmt.Sprintf("read request body: %v", err))
	}
	if endOfStream {
		s.exchange.End()
		hold = false
	}
	if s.exchange.Reply() != nil {
		return s.reply()
	}
	if hold {
		s.inBuffer = max(size, s.inBuffer)
		return types.ActionPause
	}
	s.inBuffer = 0
	return types.ActionContinue
}

// judge gives the bytes that are new in the host's buffer to the exchange.
func (s *stream) judge(size int) (hold bool, err error) {
	// Held bytes stay held until new ones decide.
	hold = s.inBuffer > 0
	for at := s.inBuffer; at < size; {
		chunk, err := proxywasm.GetHttpRequestBody(at, min(readSize, size-at))
		if err != nil {
			return false, err
		}
		if len(chunk) == 0 {
			return false, fmt.Errorf("the host gave nothing at %d of %d", at, size)
		}
		hold = s.exchange.Body(chunk)
		if s.exchange.Reply() != nil {
			return false, nil
		}
		at += len(chunk)
	}
	return hold, nil
}

// OnHttpRequestTrailers is the end of a body with trailers: no end of stream
// comes before it.
func (s *stream) OnHttpRequestTrailers(int) (action types.Action) {
	defer s.guard(&action)
	if s.replied {
		return types.ActionPause
	}
	if s.exchange == nil {
		return types.ActionContinue
	}
	s.exchange.End()
	if s.exchange.Reply() != nil {
		return s.reply()
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(int, bool) (action types.Action) {
	defer s.guardResponse(&action)
	if s.exchange == nil { // the proxy refused the request before the filter saw it
		s.exchange = pipeline.Unseen(s.set, s.random.read)
	}
	s.publish()
	s.exchange.Respond(readResponseHeaders())
	return types.ActionContinue
}

// publish hands the verdict to the access log.
func (s *stream) publish() {
	json := s.exchange.Verdict().AppendJSON(make([]byte, 0, 256))
	if err := proxywasm.SetProperty([]string{verdict.Property}, json); err != nil {
		proxywasm.LogErrorf("gatehouse: cannot publish the verdict: %v", err)
	}
}

// reply sends the exchange's own answer. The host runs it through
// OnHttpResponseHeaders like any other response.
func (s *stream) reply() types.Action {
	s.replied = true
	r := s.exchange.Reply()
	s.publish()
	if err := proxywasm.SendHttpResponse(uint32(r.Status), r.Headers, r.Body, -1); err != nil { // #nosec G115 -- three digits
		proxywasm.LogCriticalf("gatehouse: cannot send the reply: %v", err)
	}
	return types.ActionPause
}

// fail refuses what cannot be judged.
func (s *stream) fail(reason string) types.Action {
	proxywasm.LogError("gatehouse: " + reason)
	if s.replied {
		return types.ActionPause
	}
	if s.exchange == nil {
		s.exchange = pipeline.Failed(s.set, reason)
	} else {
		s.exchange.Fail(reason)
	}
	return s.reply()
}

// guard turns a panic into a refusal of this one request: unrecovered, it would
// take the VM down with every request in it.
func (s *stream) guard(action *types.Action) {
	if r := recover(); r != nil {
		*action = s.fail(fmt.Sprintf("panic: %v", r))
	}
}

// guardResponse replaces a response that could not get its headers; should the
// replacement fail in the same way, it goes out as it is.
func (s *stream) guardResponse(action *types.Action) {
	r := recover()
	if r == nil {
		return
	}
	if *action = types.ActionContinue; !s.replied {
		*action = s.fail(fmt.Sprintf("panic in the response: %v", r))
		return
	}
	proxywasm.LogCriticalf("gatehouse: panic in a local reply: %v", r)
}

// responseHeaders is the pipeline's view of the host's response headers. It is
// read once: most of what a policy removes is not there, and a call to the host
// for each name would cost more than the whole map.
type responseHeaders struct {
	lines  [][2]string
	unread bool
}

func readResponseHeaders() *responseHeaders {
	lines, err := proxywasm.GetHttpResponseHeaders()
	if err != nil {
		// Without the map every name is taken to be there.
		proxywasm.LogErrorf("gatehouse: cannot read the response headers: %v", err)
		return &responseHeaders{unread: true}
	}
	return &responseHeaders{lines: lines}
}

func (h *responseHeaders) has(name string) bool {
	return h.unread || slices.ContainsFunc(h.lines, func(line [2]string) bool { return line[0] == name })
}

// Status is 0 where the host did not tell.
func (h *responseHeaders) Status() int {
	text, _ := h.Value(":status")
	status, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return status
}

func (h *responseHeaders) Value(name string) (string, bool) {
	if h.unread {
		value, err := proxywasm.GetHttpResponseHeader(name)
		return value, err == nil
	}
	for _, line := range h.lines {
		if line[0] == name {
			return line[1], true
		}
	}
	return "", false
}

func (h *responseHeaders) Values(name string) []string {
	if h.unread && name == "set-cookie" {
		return nil // joined, cookies cannot be told apart: they stay as they are
	}
	if h.unread {
		if value, err := proxywasm.GetHttpResponseHeader(name); err == nil {
			return []string{value} // several lines, joined by the host
		}
		return nil
	}
	var values []string
	for _, line := range h.lines {
		if line[0] == name {
			values = append(values, line[1])
		}
	}
	return values
}

func (h *responseHeaders) Set(name, value string) {
	if err := proxywasm.ReplaceHttpResponseHeader(name, value); err != nil {
		proxywasm.LogErrorf("gatehouse: cannot set response header %s: %v", name, err)
	}
}

func (h *responseHeaders) SetLines(name string, values []string) {
	h.Remove(name)
	for _, value := range values {
		if err := proxywasm.AddHttpResponseHeader(name, value); err != nil {
			proxywasm.LogErrorf("gatehouse: cannot add response header %s: %v", name, err)
		}
	}
}

func (h *responseHeaders) Remove(name string) {
	if !h.has(name) {
		return
	}
	if err := proxywasm.RemoveHttpResponseHeader(name); err != nil {
		proxywasm.LogErrorf("gatehouse: cannot remove response header %s: %v", name, err)
	}
}
