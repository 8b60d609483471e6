// Package upload judges request bodies that carry files while they stream past:
// what type a file is, by content, name and declaration, which must agree; and
// whether it holds something that is dangerous although its type is allowed.
//
// It promises bounded memory (less than 256 KiB for a file, whatever its size and
// whatever is packed in it), time that grows with the body and no faster; that
// cutting the body into other chunks changes no verdict; and that a request which
// servers could read in two ways is refused as such. docs/upload_rules.md says what
// is looked into and what is not. It knows nothing of proxies: the caller keeps
// back what it is told to hold.
package upload

import (
	"slices"
	"strconv"
	"strings"

	"gatehouse/filter/verdict"
)

// Request is what an inspection needs of a request's head.
type Request struct {
	Method             string
	Path               string // with or without query
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentRange       string // RFC 9110 section 14.4; also of requests, as tus and others use it
	UploadOffset       string // tus 1.0 and its successors: where in the file the body begins
	UploadLength       string // tus 1.0: the whole file's
	UploadMetadata     string // tus 1.0: name and type of the file
	UploadConcat       string // tus 1.0: a file made of uploads
	UploadComplete     string // draft-ietf-httpbis-resumable-upload: whether the body ends the file
	Destination        string // RFC 4918 section 10.3: where MOVE and COPY put a file
	// KeepNames says that the caller does not make edits: names that the policy
	// would rewrite are refused.
	KeepNames     bool
	ContentLength int64 // -1: unknown
	Tap           Tap   // gets the files that the policy has scanned; nil scans none
}

// finalStretch is what is held back at the end of a body of known length.
const finalStretch = 4 << 10

// Room is the memory of an inspection, which the next one can have: to ask for new
// memory, and to clear it, is a good part of what a small upload costs. The zero value
// is one. It serves one inspection at a time, and writes over what the last one has
// given out: its Inspector, the Files and the Edits.
type Room struct {
	inspector Inspector
	form      form
	reader    multipartReader
	file      file
	params    [maxParams]param
}

// Inspector judges one body. It belongs to one goroutine.
type Inspector struct {
	room     *Room
	policy   *Policy
	length   int64
	received int64
	carrier  carrier
	files    []verdict.File
	refusal  *Refusal
	closed   bool
	note     *Refusal
	edits    []Edit
	rename   bool
	tap      Tap
}

// carrier is a way of carrying files in a body.
type carrier interface {
	write(b []byte) *Refusal
	end() *Refusal
	undecided() bool
}

// maxReported bounds the files in a verdict.
const maxReported = 8

// Inspect decides on the request's head what its body is.
//
//   - multipart/form-data is a form; any other multipart is refused.
//   - application/x-www-form-urlencoded, JSON and gRPC are no files, and must
//     look like what they say. In JSON, the policy may name places that hold files.
//   - anything else is one file of the declared type.
func (p *Policy) Inspect(r Request) (*Inspector, *Refusal) { return p.InspectIn(new(Room), &r) }

// InspectIn is Inspect in the given memory.
func (p *Policy) InspectIn(room *Room, r *Request) (*Inspector, *Refusal) {
	if r.ContentLength > p.maxRequest {
		return nil, p.requestTooLarge()
	}
	if refusal := r.moved(); refusal != nil {
		return nil, refusal
	}
	i := room.begin(p, r)
	if strings.TrimSpace(r.ContentType) == "" {
		i.carrier = undeclared{}
		return i, nil
	}
	media, params, reason := parseParamsInto(room.params[:0], r.ContentType)
	if reason != "" {
		return nil, malformed("Content-Type: " + reason)
	}
	i.tap, i.rename = r.Tap, p.rewriteNames && !r.KeepNames && uncoded(r.ContentEncoding)
	var refusal *Refusal
	if i.carrier, refusal = p.carrier(i, media, params, r); refusal != nil {
		return nil, refusal
	}
	if i.carrier, refusal = p.decoding(r.ContentEncoding, i.carrier); refusal != nil {
		return nil, refusal
	}
	return i, nil
}

// begin makes the inspector one of another body.
func (m *Room) begin(p *Policy, r *Request) *Inspector {
	m.inspector = Inspector{room: m, policy: p, length: r.ContentLength, files: m.inspector.files[:0]}
	return &m.inspector
}

// Release gives back what the inspection has taken besides the room, once it has
// ended or is given up. What it gave out stays good until the next one begins.
func (m *Room) Release() {
	m.file.kept.release()
	m.file.fileState, m.form = fileState{}, form{}
	m.inspector = Inspector{files: m.inspector.files}
}

func (p *Policy) requestTooLarge() *Refusal {
	return &Refusal{Rule: RuleRequestSize, Problem: tooLarge,
		Reason: "a request larger than " + strconv.FormatInt(p.maxRequest, 10) + " bytes"}
}

func (p *Policy) carrier(i *Inspector, media string, params []param, r *Request) (carrier, *Refusal) {
	if refusal := headMistake(media, params); refusal != nil {
		return nil, refusal
	}
	switch {
	case media == "application/x-www-form-urlencoded" || isGRPCMedia(media) || isJSONMedia(media, false) && len(p.jsonFields) == 0:
		if name, does := storesPage(r); does {
			return nil, unsafe(RuleName, "PUT would store a body declared "+media+" under the name "+quote(name))
		}
	}
	switch {
	case media == "multipart/form-data":
		b, ok := boundary(params)
		if !ok {
			return nil, malformed("the boundary is missing, not one (RFC 2046 section 5.1.1), or stands in another parameter too")
		}
		return i.room.form.begin(i, b), nil
	case strings.HasPrefix(media, "multipart/"):
		return nil, malformed(media + " is no form (RFC 7578)")
	case media == "application/x-www-form-urlencoded":
		return p.guarded(&plain{what: media}), nil
	case isJSONMedia(media, len(p.jsonFields) > 0):
		if len(p.jsonFields) > 0 {
			return newJSONBody(i), nil
		}
		return &plain{what: media, json: true}, nil
	case isGRPCMedia(media):
		return p.guarded(&plain{what: media, binary: true}), nil
	}
	return p.rawCarrier(i, media, r)
}

func isGRPCMedia(media string) bool {
	return media == "application/grpc" || strings.HasPrefix(media, "application/grpc+")
}

// headMistake refuses what makes servers disagree about the body's kind.
func headMistake(media string, params []param) *Refusal {
	if !strings.HasPrefix(media, "multipart/") {
		for _, q := range params {
			// formidable looks for both words in the whole value.
			if q.name == "boundary" || strings.Contains(lowerToken(q.value), "boundary") {
				return malformed("a boundary in a type that has none")
			}
		}
	}
	switch {
	case strings.HasPrefix(media, "multipart/"), media == "application/x-www-form-urlencoded", isJSONMedia(media, true):
		return charsetMistake(params)
	}
	return nil
}

// isJSONMedia tells whether bodies of that type are JSON. Where files are looked for
// in JSON, so are they under the names that it had before RFC 4627.
func isJSONMedia(media string, old bool) bool {
	switch media {
	case "application/json":
		return true
	case "text/json", "application/x-json", "text/x-json":
		return old
	}
	return strings.HasSuffix(media, "+json")
}

// guarded keeps JSON out of bodies of another type, where the policy wants to
// look into JSON: many applications parse it whatever the type says.
func (p *Policy) guarded(c carrier) carrier {
	if len(p.jsonFields) == 0 {
		return c
	}
	return &noJSON{carrier: c}
}

func (p *Policy) rawCarrier(i *Inspector, media string, r *Request) (carrier, *Refusal) {
	name, refusal := rawName(r)
	if refusal != nil {
		return nil, refusal
	}
	told, refusal := readMetadata(r.UploadMetadata)
	if refusal != nil {
		return nil, refusal
	}
	if told.name != "" {
		name = told.name
	}
	if told.media != "" && undeclaredMedia(media) {
		media = told.media
	}
	f, refusal := p.fileIn(&i.room.file, name, media, false)
	if refusal != nil {
		return nil, refusal
	}
	f.tap = r.Tap
	s, refusal := p.stretch(*r)
	if refusal != nil {
		return nil, refusal
	}
	if s.start > 0 {
		return p.guarded(&laterStretch{policy: p, at: s.start}), nil
	}
	f.partial = s.partial
	return p.guarded(&raw{inspector: i, file: f}), nil
}

// Write judges the next bytes. hold means that what was not let go yet must be
// kept back: a file's type is not decided, or the body is about to end. After a
// refusal the inspector says the same for ever.
func (i *Inspector) Write(chunk []byte) (hold bool, r *Refusal) {
	if i.refusal != nil {
		return false, i.refusal
	}
	if i.received += int64(len(chunk)); i.received > i.policy.maxRequest {
		return false, i.refuse(i.policy.requestTooLarge())
	}
	i.edits = nil
	if r := i.carrier.write(chunk); r != nil {
		return false, i.refuse(r)
	}
	return i.mustHold(), nil
}

func (i *Inspector) mustHold() bool {
	return i.carrier.undecided() || i.length >= 0 && i.length-i.received <= finalStretch
}

// Undecided tells why to hold: because nothing is known yet of what was written
// last. If not, the body is about to end, and what was written may go on as long as
// some of the body is to come.
func (i *Inspector) Undecided() bool { return i.refusal == nil && i.carrier.undecided() }

// placed is a carrier that knows where in the body what is undecided begins.
type placed interface{ undecidedFrom() int64 }

// Doubt is how many of the last n bytes written are undecided, if Undecided says that
// some are.
func (i *Inspector) Doubt(n int) int {
	p, ok := i.carrier.(placed)
	if !ok {
		return n
	}
	return int(min(int64(n), i.received-p.undecidedFrom()))
}

// Rewrites tells whether there may be Edits in bytes that are held.
func (i *Inspector) Rewrites() bool { return i.rename }

// passer is a carrier that may go on without seeing its bytes.
type passer interface {
	// passes tells whether only the last fileTail bytes still count, and their number.
	passes() bool
	pass(n int64) *Refusal
}

// Ahead is how many of the next n bytes nobody would look at: they may be given to
// Pass by their number, instead of to Write.
func (i *Inspector) Ahead(n int) int {
	p, ok := i.carrier.(passer)
	if !ok || i.refusal != nil || !p.passes() {
		return 0
	}
	if i.length >= 0 {
		return int(min(int64(n), max(0, i.length-i.received-finalStretch)))
	}
	return max(0, n-fileTail) // what comes may be the last
}

// Pass is Write for bytes that Ahead has told of.
func (i *Inspector) Pass(n int) (hold bool, r *Refusal) {
	p, ok := i.carrier.(passer)
	if !ok || i.refusal != nil {
		return false, i.refusal
	}
	i.edits = nil
	if i.received += int64(n); i.received > i.policy.maxRequest {
		return false, i.refuse(i.policy.requestTooLarge())
	}
	if r := p.pass(int64(n)); r != nil {
		return false, i.refuse(r)
	}
	return i.mustHold(), nil
}

// Edits lists what the bytes of the last Write must become before they go on: file
// names that the policy rewrites. They may lie in what was held before, never in
// what was let go.
func (i *Inspector) Edits() []Edit { return i.edits }

// Close judges the body as complete.
func (i *Inspector) Close() *Refusal {
	if i.closed || i.refusal != nil {
		return i.refusal
	}
	i.closed = true
	return i.refuse(i.carrier.end())
}

func (i *Inspector) refuse(r *Refusal) *Refusal {
	i.refusal = r
	return r
}

// Files lists the files seen so far, the first few of them.
func (i *Inspector) Files() []verdict.File {
	c, ok := i.carrier.(interface{ current() *file })
	if !ok || c.current() == nil {
		return i.files
	}
	f, files := c.current(), i.files
	switch {
	case i.refusal != nil:
		return append(slices.Clip(files[:min(len(files), maxReported-1)]), f.refused())
	case len(files) < maxReported:
		return append(slices.Clip(files), f.report())
	}
	return files
}

// Note is what should be known of a body that was let through, nil if there is
// nothing: formulas in a CSV. Its Problem means nothing.
func (i *Inspector) Note() *Refusal { return i.note }

// noted keeps the first note that a file leaves.
func (i *Inspector) noted(f *file) {
	if n, ok := f.check.(interface{ note() *Refusal }); ok && i.note == nil {
		i.note = n.note()
	}
}

// raw is a body that is one file.
type raw struct {
	inspector *Inspector
	file      *file
}

func (r *raw) write(b []byte) *Refusal { return r.file.write(b) }
func (r *raw) end() *Refusal {
	refusal := r.file.end()
	r.inspector.noted(r.file)
	if refusal == nil {
		r.file.kept.release()
	}
	return refusal
}
func (r *raw) undecided() bool       { return !r.file.decided }
func (r *raw) undecidedFrom() int64  { return 0 }
func (r *raw) current() *file        { return r.file }
func (r *raw) passes() bool          { return r.file.unseen() }
func (r *raw) pass(n int64) *Refusal { return r.file.pass(n) }
