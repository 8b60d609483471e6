package pipeline

import (
	"strconv"
	"strings"

	"gatehouse/filter/headers"
	"gatehouse/filter/scan"
)

// Request is a request's head as a host sees it.
type Request struct {
	// Headers are all lines in order, names in lower case, pseudo-headers
	// (:method, :authority, :path, :scheme) included.
	Headers [][2]string
	// RoutePolicy and VirtualHostPolicy come from the metadata.
	RoutePolicy, VirtualHostPolicy string
	// EndOfStream: there is no body.
	EndOfStream bool
	// Random is asked only where the policy needs a nonce; if it fails, or is
	// nil, such a request is refused.
	Random Random
	// Scanner is asked only where the policy has files scanned; without one, what
	// the policy says about failures holds for each of them.
	Scanner scan.Opener
}

// Random fills b from a cryptographic source.
type Random interface{ Fill(b []byte) error }

// head is what the features read of a request: what every policy needs when the
// request begins, and the rest when somebody asks.
type head struct {
	fields
	lines                           [][2]string // the host's
	whole                           bool        // more was called
	origins                         []string
	requestMethod, requestHeaders   []string
	privateNetwork                  []string
	fetchSite, fetchMode, fetchDest []string
	contentType                     []string
	contentEncoding                 []string
	drop                            []string
}

// fields are those of a head that are one value.
type fields struct {
	method, authority, path, scheme string
	forwardedProto, requestID       string
	contentDisposition              string
	contentRange                    string
	destination                     string
	resumable                       resumable
	contentLength                   int64 // -1: unknown
	upgrade                         bool
}

// resumable is what tus 1.0 and its successors say of a file that comes in pieces.
type resumable struct{ offset, length, metadata, concat, complete string }

// take joins two lines of a name: they are none then.
func (u *resumable) take(name, value string) {
	switch name {
	case "upload-offset":
		u.offset += value
	case "upload-length":
		u.length += value
	case "upload-metadata":
		u.metadata += value
	case "upload-concat":
		u.concat += value
	case "upload-complete":
		u.complete += value
	}
}

// read takes in what every policy needs, into a head that is empty or forgotten. It
// asks for the name's length first: of a browser's twenty lines no more than a handful
// is of use.
//
//go:noinline
func (h *head) read(lines [][2]string) {
	h.contentLength, h.lines = -1, lines
	for i := range lines {
		name := lines[i][0]
		switch len(name) {
		case len(":path"), len(":method"), len(":authority"):
			h.takePseudo(name, lines[i][1])
		case len("origin"):
			if name == "origin" {
				h.origins = appended(h.origins, lines[i][1])
			}
		case len("x-forwarded-proto"):
			if name == "x-forwarded-proto" {
				h.forwardedProto = lines[i][1]
			}
		}
		if reserved(name) {
			h.drop = appended(h.drop, name)
		}
	}
}

// more takes in the rest. It may be called more than once.
//
//go:noinline
func (h *head) more() {
	if h.whole {
		return
	}
	h.whole = true
	for i := range h.lines {
		h.take(h.lines[i][0], h.lines[i][1])
	}
}

// appended is append, which has its own call and checks wherever it stands.
//
//go:noinline
func appended(list []string, value string) []string { return append(list, value) }

// forget empties the head and keeps the memory of its lists.
func (h *head) forget() {
	h.fields = fields{}
	h.contentLength, h.lines, h.whole = -1, nil, false
	h.origins, h.requestMethod, h.requestHeaders = h.origins[:0], h.requestMethod[:0], h.requestHeaders[:0]
	h.privateNetwork, h.contentType, h.contentEncoding = h.privateNetwork[:0], h.contentType[:0], h.contentEncoding[:0]
	h.fetchSite, h.fetchMode, h.fetchDest, h.drop = h.fetchSite[:0], h.fetchMode[:0], h.fetchDest[:0], h.drop[:0]
}

func (h *head) take(name, value string) {
	switch len(name) {
	case len("sec-fetch-site"):
		h.takeUsual(name, value)
	case len("destination"):
		if name == "destination" {
			h.destination += value // two of them are none
		}
	case len("content-type"), len("content-range"), len("upload-complete"), len("content-encoding"), len("content-disposition"):
		h.takeContent(name, value)
	case len("access-control-request-method"), len("access-control-request-headers"), len("access-control-request-private-network"):
		h.takePreflight(name, value)
	}
}

func (h *head) takePseudo(name, value string) {
	switch name {
	case ":method":
		h.method = value
	case ":authority":
		h.authority = value
	case ":path":
		h.path = value
	case ":scheme":
		h.scheme = value
	case "upgrade":
		h.upgrade = true
	}
}

func (h *head) takeUsual(name, value string) {
	switch name {
	case "sec-fetch-site":
		h.fetchSite = appended(h.fetchSite, value)
	case "sec-fetch-mode":
		h.fetchMode = appended(h.fetchMode, value)
	case "sec-fetch-dest":
		h.fetchDest = appended(h.fetchDest, value)
	case "content-length":
		h.takeLength(value)
	}
}

//go:noinline
func (h *head) takeLength(value string) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
		h.contentLength = n
	}
}

//go:noinline
func (h *head) takeContent(name, value string) {
	switch name {
	case "x-request-id":
		h.requestID = value
	case "content-type":
		h.contentType = append(h.contentType, value)
	case "content-encoding":
		h.contentEncoding = append(h.contentEncoding, value)
	case "content-disposition":
		h.contentDisposition += value // two of them are none
	case "content-range":
		h.contentRange += value // two of them are none
	default:
		h.resumable.take(name, value)
	}
}

//go:noinline
func (h *head) takePreflight(name, value string) {
	switch name {
	case "access-control-request-method":
		h.requestMethod = append(h.requestMethod, value)
	case "access-control-request-headers":
		h.requestHeaders = append(h.requestHeaders, value)
	case "access-control-request-private-network":
		h.privateNetwork = append(h.privateNetwork, value)
	}
}

// reserved tells whether the header is one that only Gatehouse may set. An
// underscore counts as a hyphen: CGI-like servers make one of the two.
func reserved(name string) bool {
	const prefix = "x-gatehouse-"
	if len(name) < len(headers.NonceHeader) || (name[0] != 'x' && name[0] != 'X') {
		return false
	}
	if len(name) == len(headers.NonceHeader) {
		return sameName(name, headers.NonceHeader)
	}
	return len(name) >= len(prefix) && sameName(name[:len(prefix)], prefix)
}

// sameName compares with a name in lower case, without a copy: it is asked of
// every header of every request.
func sameName(name, lower string) bool {
	for i := range len(lower) {
		c := name[i]
		switch {
		case c == '_':
			c = '-'
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// tls tells whether the client's connection was TLS. Envoy overwrites
// x-forwarded-proto unless a trusted proxy in front of it set it.
func (h *head) tls() bool {
	if h.forwardedProto != "" {
		return strings.EqualFold(h.forwardedProto, "https") // RFC 3986 section 3.1
	}
	return h.scheme == "https"
}
