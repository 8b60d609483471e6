package headers

import (
	"strings"

	"gatehouse/filter/abi"
)

// View is the response's header map of a host. Names are in lower case.
type View interface {
	// Value returns the header's first line.
	Value(name string) (value string, ok bool)
	// Values returns all lines of the header.
	Values(name string) []string
	// Set replaces all lines of the header by one.
	Set(name, value string)
	// SetLines replaces all lines of the header by several.
	SetLines(name string, values []string)
	Remove(name string)
	// RemoveAll is Remove for each name of the list but those of but.
	RemoveAll(names *abi.Names, but ...string)
}

// Response is what the policy needs to know of a response and its request.
type Response struct {
	Status int
	// TLS: the request came over TLS, to us or to a trusted proxy in front.
	TLS bool
	// Nonce of the request; empty if the policy needs none.
	Nonce string
}

// Apply writes the policy into a response. Interim responses (1xx but 101) are
// not given to it: they have no fields of ours (RFC 9110 section 15.2).
func (p *Policy) Apply(r Response, v View) {
	v.RemoveAll(&p.remove)
	reach := reachOf(r.Status, v)
	for i := range p.set {
		h := &p.set[i]
		switch {
		case h.TLSOnly && !r.TLS:
			v.Remove(h.Name)
		case !reach.takes(h.class):
		case len(h.parts) == 1 && h.Existing == Replace:
			v.Set(h.Name, h.Value)
		default:
			h.write(&r, v)
		}
	}
	if p.cookies.active() {
		if _, ok := v.Value("set-cookie"); ok {
			p.harden(r.TLS, v)
		}
	}
}

const notModified = 304

// write sets a header that depends on more than the policy.
//
//go:noinline
func (h *Header) write(r *Response, v View) {
	if len(h.parts) > 1 && r.Status == notModified {
		// The nonce of the stored page is another. A CSP in a 304 would
		// replace the page's own (RFC 9111 section 3.2).
		v.Remove(h.Name)
		return
	}
	if h.Existing == Replace {
		v.Set(h.Name, h.value(r.Nonce))
		return
	}
	theirs := v.Values(h.Name)
	switch {
	case len(theirs) == 0 && r.Status == notModified:
		// An upstream need not repeat what it said with the page, and what a 304
		// says replaces what is stored (RFC 9111 section 3.2): ours alone would
		// take theirs, kept or merged then, out of the stored page.
	case len(theirs) == 0 || len(theirs) == 1 && theirs[0] == "": // nothing is said
		v.Set(h.Name, h.value(r.Nonce))
	case h.Existing == Merge:
		v.Set(h.Name, merged(h.Name, theirs, h.value(r.Nonce)))
	case len(theirs) > 1 && h.Name == hsts: // the first counts (RFC 6797 section 8.1)
		v.Set(h.Name, theirs[0])
	case len(theirs) > 1:
		v.Set(h.Name, strings.Join(theirs, ", "))
	}
}

func (h *Header) value(nonce string) string {
	if len(h.parts) == 1 {
		return h.Value
	}
	return strings.Join(h.parts, nonce)
}

//go:noinline
func (p *Policy) harden(tls bool, v View) {
	if lines, ok := p.cookies.hardenAll(v.Values("set-cookie"), tls); ok {
		v.SetLines("set-cookie", lines)
	}
}

// reach is which classes of headers a response takes.
type reach struct{ browser, document, success bool }

func reachOf(status int, v View) reach {
	r := reach{browser: true, document: true, success: status >= 200 && status < 400}
	switch status {
	case 101: // from here on it is another protocol (RFC 9110 section 15.2.2)
		return reach{}
	case 204, 205: // nothing to show (RFC 9110 sections 15.3.5 and 15.3.6)
		r.document = false
	}
	if mediaType, ok := v.Value("content-type"); ok && isGRPC(mediaType) && len(v.Values("content-type")) == 1 {
		return reach{}
	}
	return r
}

func (r reach) takes(c class) bool {
	switch c {
	case browser:
		return r.browser
	case document:
		return r.document
	case success:
		return r.success
	}
	return true
}

// isGRPC tells gRPC, which no browser speaks, from gRPC-Web, which is fetched
// like any response. A gRPC response may be nothing but trailers, in the header
// block: fields for documents have no place there. What a browser would take for
// something else is not gRPC, or whoever can choose a file's type could choose to
// have no policy: of a list it takes the last type (Fetch section 2.2.2, "extract
// a MIME type"), and what is no type at all it guesses from the content.
func isGRPC(mediaType string) bool {
	const grpc = "application/grpc"
	if len(mediaType) < len(grpc) || mediaType[len("application/")]|0x20 != 'g' || !strings.EqualFold(mediaType[:len(grpc)], grpc) {
		return false
	}
	codec, _, _ := strings.Cut(mediaType[len(grpc):], ";")
	codec = strings.TrimRight(codec, " \t")
	return (codec == "" || codec[0] == '+' && isToken(codec)) && strings.IndexByte(mediaType, ',') < 0
}
