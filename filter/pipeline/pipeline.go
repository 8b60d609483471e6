// Package pipeline takes one exchange, a request and its response, through a
// policy. It is the whole of the filter but for the host: the proxy-wasm adapter
// and the net/http middleware both drive it, so that what is tested in one holds
// in the other.
//
// It promises that the policy is fixed when the request's headers are seen,
// whatever is rerouted later; that a request for which no policy can be chosen
// is refused; and that no body under an uploads policy ends at the upstream
// before it was judged, provided that the host keeps back what it is told to
// hold. An Exchange belongs to one goroutine.
package pipeline

import (
	"strings"

	"gatehouse/filter/abi"
	"gatehouse/filter/cors"
	"gatehouse/filter/csrf"
	"gatehouse/filter/headers"
	"gatehouse/filter/policy"
	"gatehouse/filter/scan"
	"gatehouse/filter/upload"
	"gatehouse/filter/verdict"
)

// Exchange is one request on its way. Its methods are called in the order of
// the stream: Begin, Body any number of times, End, Respond.
type Exchange struct {
	head   head
	varied varied
	cuts   abi.Cuts
	extra  [4][2]string // lines of a plan's response
	room   *upload.Room // of the inspector; nil before the first
	// session is started anew for a request whose files are scanned, and keeps its
	// memory; tapped says that it was.
	session scan.Session
	state
}

// state is what Reset takes back as a whole, so that nothing of one request can
// be forgotten in the next; the head keeps the memory of its lists, and varied is
// nothing of a request.
type state struct {
	set       *policy.Set
	policy    *policy.Compiled // nil if none could be chosen
	inspector *upload.Inspector
	received  int64
	edits     []Edit
	verdict   verdict.Verdict
	reply     *Reply
	random    Random
	raw       [headers.NonceBytes]byte
	nonce     string
	given     [3]cors.Header // the CORS headers that the response gets
	shared    [3]string      // and their names
	scanner   scan.Opener
	tapped    bool
	scanning  bool // the policy scans, and the session's findings still matter
	ended     bool // all of the body was judged
}

// Reply is the answer that the filter gives itself, instead of the upstream's.
type Reply struct {
	Status  int
	Headers [][2]string
	Body    []byte
}

// Begin chooses the policy and judges the request's head.
func Begin(set *policy.Set, r Request) *Exchange {
	x := &Exchange{}
	x.Begin(set, &r)
	return x
}

// Begin is the function Begin for an exchange whose memory is used again: the
// zero value, or one after Reset.
func (x *Exchange) Begin(set *policy.Set, r *Request) {
	x.set = set
	x.head.read(r.Headers)
	x.random = r.Random
	x.scanner = r.Scanner
	x.verdict.Decision, x.verdict.Version = verdict.Allow, set.Version()
	chosen, err := set.Select(&policy.Selector{
		Route: r.RoutePolicy, VirtualHost: r.VirtualHostPolicy,
		Method: x.head.method, Authority: x.head.authority, Path: x.head.path,
	})
	if err != nil {
		x.deny(verdict.FeaturePolicy, "unknown_policy", err.Error(), verdict.CheckUnavailable)
		return
	}
	x.policy = chosen
	x.verdict.Policy = chosen.Name
	if h := chosen.Headers; h != nil && !chosen.HeadersReport && h.Nonced() && !x.makeNonce() {
		x.Fail("there is no randomness for the nonce of the Content-Security-Policy")
		return
	}
	if chosen.CORS != nil && x.head.method == "OPTIONS" {
		x.preflight(chosen.CORS)
	}
	if chosen.CSRF != nil && x.reply == nil {
		x.crossSite(chosen.CSRF)
	}
	if chosen.Uploads != nil && x.reply == nil {
		x.beginUpload(chosen.Uploads, r.EndOfStream)
	}
}

// Reset forgets the request, so that the next one can Begin.
func (x *Exchange) Reset() {
	x.inspected()
	if x.tapped {
		x.untap()
	}
	x.head.forget()
	x.state = state{}
}

//go:noinline
func (x *Exchange) untap() {
	x.session.Close()
	x.session.Start(scan.Settings{}, nil)
}

// Drop lists the request headers that must not go on, in lower case.
func (x *Exchange) Drop() []string { return x.head.drop }

// Nonce goes to the upstream as headers.NonceHeader; empty if the policy needs
// none.
func (x *Exchange) Nonce() string { return x.nonce }

// Reply is the filter's own answer, or nil while the request may go on.
func (x *Exchange) Reply() *Reply { return x.reply }

// Inspecting tells whether the body must be given to Body.
func (x *Exchange) Inspecting() bool { return x.inspector != nil }

// HoldHeaders tells whether the host should keep the request's headers back
// until Body or End says otherwise.
func (x *Exchange) HoldHeaders() bool { return x.inspector != nil && x.set.HoldRequestHeaders() }

// Body judges the next bytes of the body. hold means that the host must keep
// back everything that it has not let go yet. After a refusal, Reply is set.
func (x *Exchange) Body(chunk []byte) (hold bool) {
	x.edits = nil
	if x.inspector == nil {
		return false
	}
	hold, refusal := x.inspector.Write(chunk)
	return x.seen(len(chunk), hold, refusal)
}

// Undecided tells why Body wants bytes held: because nothing is known yet of the
// last of them. If not, and not HoldsBody, the body is about to end, and they may go
// on as long as some of it is to come.
func (x *Exchange) Undecided() bool {
	return x.inspector != nil && !x.policy.UploadsReport && x.inspector.Undecided()
}

// Doubt is how many of the last n bytes that were given to Body are undecided, where
// Undecided says that some are.
func (x *Exchange) Doubt(n int) int {
	if x.inspector == nil {
		return 0
	}
	return x.inspector.Doubt(n)
}

// Rewrites tells whether there may be Edits in what is held.
func (x *Exchange) Rewrites() bool { return x.inspector != nil && x.inspector.Rewrites() }

// Left is how many bytes of the body are still to come, -1 if nobody knows.
func (x *Exchange) Left() int64 {
	if x.head.contentLength < 0 {
		return -1
	}
	return max(0, x.head.contentLength-x.received)
}

// Ahead is how many of the next n bytes may be given to Pass, by their number,
// instead of to Body: nobody would look at them.
func (x *Exchange) Ahead(n int) int {
	if x.inspector == nil || x.scanning { // a scanner sees every byte
		return 0
	}
	return x.inspector.Ahead(n)
}

// Pass is Body for bytes that Ahead has told of.
func (x *Exchange) Pass(n int) (hold bool) {
	if x.inspector == nil {
		return false
	}
	x.edits = nil
	hold, refusal := x.inspector.Pass(n)
	return x.seen(n, hold, refusal)
}

// seen takes what the inspector said of n more bytes.
func (x *Exchange) seen(n int, hold bool, refusal *upload.Refusal) bool {
	x.received += int64(n)
	if refusal != nil {
		x.refuse(refusal)
		return false
	}
	for _, e := range x.inspector.Edits() {
		x.edits = append(x.edits, Edit{FromEnd: int(x.received - e.At), Bytes: e.Bytes})
	}
	// Over HTTP/1 the upstream takes the request for complete with its last
	// byte, before any end of stream: the verdict must come first.
	if x.head.contentLength >= 0 && x.received >= x.head.contentLength {
		x.End()
		return false
	}
	return x.scanned() || hold && !x.policy.UploadsReport // to report is to let through
}

// Edit says that bytes which were given to Body, and are held, go on as others.
type Edit struct {
	FromEnd int // where they begin, counted back from the end of what was given
	Bytes   []byte
}

// Edits lists what the host must change before it lets anything go that Body has
// seen, as of its last call: file names that the policy rewrites. They change no
// length.
func (x *Exchange) Edits() []Edit { return x.edits }

// End judges the body as complete: at the end of the stream or at the trailers.
// It may be called more than once.
func (x *Exchange) End() {
	if x.inspector == nil {
		return
	}
	i := x.inspector
	refusal := i.Close()
	note := i.Note()
	x.verdict.Files, x.ended = i.Files(), true
	x.inspected()
	if refusal != nil {
		x.refuseClosed(refusal)
		return
	}
	if note != nil && x.verdict.Decision == verdict.Allow {
		x.report(verdict.FeatureUploads, note.Rule, note.Reason+" ("+note.ID()+")", verdict.NoProblem)
		x.verdict.RuleID = note.ID()
	}
	x.scanned()
}

// inspected ends the inspection, if there is one. Its memory stays for the next.
func (x *Exchange) inspected() {
	if x.inspector != nil {
		x.inspector = nil
		x.room.Release()
	}
}

// Verdict is what is known now; it is final once the response begins.
func (x *Exchange) Verdict() *verdict.Verdict { return &x.verdict }

// Fail refuses the request because the filter itself failed.
//
//go:noinline
func (x *Exchange) Fail(reason string) {
	x.inspected()
	x.stopScanning()
	x.deny(verdict.FeaturePolicy, "filter_failed", reason, verdict.CheckUnavailable)
}

// What most requests do not need is kept out of line: the filter's code is cold in
// the processor's caches at each request, and costs by its extent.

//go:noinline
func (x *Exchange) preflight(p *cors.Policy) {
	if x.head.more(); !cors.IsPreflight(x.head.method, x.head.origins, x.head.requestMethod) {
		return
	}
	r := cors.Request{
		Method: x.head.method, Origins: x.head.origins, RequestMethod: x.head.requestMethod,
		RequestHeaders: x.head.requestHeaders, PrivateNetwork: x.head.privateNetwork,
	}
	answer := p.Preflight(&r)
	if x.policy.CORSReport {
		if answer.Refusal != "" {
			x.report(verdict.FeatureCORS, answer.Rule, answer.Refusal, verdict.Forbidden)
		}
		return
	}
	if answer.Refusal != "" {
		x.deny(verdict.FeatureCORS, answer.Rule, answer.Refusal, verdict.Forbidden)
		if p.Debug() {
			x.reply.Body = verdict.Forbidden.DocumentWith(x.head.requestID, "detail", answer.Refusal)
		}
	} else {
		x.verdict.Feature, x.verdict.Rule = verdict.FeatureCORS, "cors_preflight"
		x.reply = &Reply{Status: 204}
	}
	for _, h := range answer.Headers {
		x.reply.Headers = append(x.reply.Headers, [2]string{h.Name, h.Value})
	}
}

// crossSite refuses what another site makes a browser send.
//
//go:noinline
func (x *Exchange) crossSite(p *csrf.Policy) {
	x.head.more()
	r := csrf.Request{
		Method: x.head.method, Authority: x.head.authority, TLS: x.head.tls(), Origins: x.head.origins,
		Site: x.head.fetchSite, Mode: x.head.fetchMode, Dest: x.head.fetchDest,
		Upgrade: x.head.upgrade,
	}
	if c := x.policy.CORS; c != nil && !c.Public() {
		_, r.Shared = c.Allowed(x.head.origins)
	}
	refusal := p.Judge(&r)
	switch {
	case refusal.Rule == "":
	case x.policy.CSRFReport:
		x.report(verdict.FeatureCSRF, refusal.Rule, refusal.Reason, verdict.Forbidden)
	default:
		x.deny(verdict.FeatureCSRF, refusal.Rule, refusal.Reason, verdict.Forbidden)
	}
}

//go:noinline
func (x *Exchange) beginUpload(p *upload.Policy, empty bool) {
	x.head.more()
	if empty {
		if refusal := p.Announced(x.uploadRequest()); refusal != nil {
			x.refuse(refusal)
		}
		return
	}
	if len(x.head.contentType) > 1 || len(x.head.contentEncoding) > 1 {
		x.refuse(&upload.Refusal{
			Rule: "content_type_ambiguous", Problem: verdict.UnsafeContent,
			Reason: "several Content-Type or Content-Encoding lines: servers disagree about which one counts",
		})
		return
	}
	if x.room == nil {
		x.room = new(upload.Room)
	}
	request := x.uploadRequest()
	inspector, refusal := p.InspectIn(x.room, &request)
	x.inspector = inspector
	if refusal != nil {
		x.refuse(refusal)
	}
}

func (x *Exchange) uploadRequest() upload.Request {
	h := &x.head
	return upload.Request{
		Tap:    x.tap(),
		Method: h.method, Path: h.path, ContentLength: h.contentLength,
		ContentType: strings.Join(h.contentType, ""), ContentEncoding: strings.Join(h.contentEncoding, ""),
		ContentDisposition: h.contentDisposition, ContentRange: h.contentRange,
		UploadOffset: h.resumable.offset, UploadLength: h.resumable.length, UploadMetadata: h.resumable.metadata,
		UploadConcat: h.resumable.concat, UploadComplete: h.resumable.complete,
		Destination: h.destination,
		KeepNames:   x.policy.UploadsReport, // to report is to change nothing
	}
}

func (x *Exchange) refuse(r *upload.Refusal) {
	if x.inspector != nil {
		x.verdict.Files = x.inspector.Files()
		x.inspected()
	}
	x.refuseClosed(r)
}

func (x *Exchange) refuseClosed(r *upload.Refusal) {
	x.stopScanning()
	reason := r.Reason
	id := r.ID()
	if id != "" {
		reason += " (" + id + ")"
	}
	if x.policy.UploadsReport {
		x.report(verdict.FeatureUploads, r.Rule, reason, r.Problem)
	} else {
		x.deny(verdict.FeatureUploads, r.Rule, reason, r.Problem)
	}
	x.verdict.RuleID = id
}

func (x *Exchange) record(d verdict.Decision, f verdict.Feature, rule, reason string, p verdict.Problem) {
	x.verdict.Decision, x.verdict.Feature, x.verdict.Rule = d, f, rule
	x.verdict.Reason, x.verdict.Problem = reason, p
}

func (x *Exchange) report(f verdict.Feature, rule, reason string, p verdict.Problem) {
	x.record(verdict.Report, f, rule, reason, p)
}

//go:noinline
func (x *Exchange) deny(f verdict.Feature, rule, reason string, p verdict.Problem) {
	x.head.more() // what the request is called
	x.record(verdict.Deny, f, rule, reason, p)
	x.reply = &Reply{
		Status: p.Status(),
		Headers: [][2]string{
			{"content-type", verdict.ContentType},
			{"cache-control", "no-store"},
		},
		Body: p.Document(x.head.requestID),
	}
}

// Unseen makes of an exchange one whose request the filter never saw, because
// the proxy refused it before: its answer gets the headers of the default
// policy.
//
//go:noinline
func (x *Exchange) Unseen(set *policy.Set, random Random) {
	x.Reset()
	x.set, x.random = set, random
	x.verdict = verdict.Verdict{Decision: verdict.Allow, Version: set.Version()}
}

// Failed makes of an exchange one that could not even begin.
//
//go:noinline
func (x *Exchange) Failed(set *policy.Set, reason string) {
	x.Reset()
	x.set = set
	x.head.contentLength = -1
	x.verdict.Version = set.Version()
	x.Fail(reason)
}
