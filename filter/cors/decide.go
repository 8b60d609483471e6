package cors

import "strings"

// Header is one header line to set on a response.
type Header struct{ Name, Value string }

// The names that belong to the gateway on a response under a CORS policy: what
// the upstream sent under them is replaced for an allowed origin and removed
// otherwise.
var responseHeaders = [...]string{
	"access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
	"access-control-allow-methods", "access-control-allow-headers", "access-control-max-age",
	"access-control-allow-private-network",
}

// ResponseHeaders lists the ACA* names of the CORS protocol, in lower case.
func ResponseHeaders() []string { return responseHeaders[:] }

// Vary values. Which request headers an answer depends on is a matter of the
// policy, not of one request: a refused answer varies as well.
const (
	VaryOrigin    = "Origin"
	varyPreflight = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	varyPrivate   = varyPreflight + ", Access-Control-Request-Private-Network"
)

// Vary is the value that every response under the policy must vary on; empty if
// the answer is the same for all origins.
func (p *Policy) Vary() string {
	if p.origins.any && !p.credentials {
		return ""
	}
	return VaryOrigin
}

// Public says that every origin may read responses, without credentials: that
// is no reason to trust what every origin sends.
func (p *Policy) Public() bool { return p.origins.any }

// Request is what the protocol reads of a request. Origins holds every Origin
// header line as received.
type Request struct {
	Method         string
	Origins        []string
	RequestMethod  []string // Access-Control-Request-Method lines
	RequestHeaders []string // Access-Control-Request-Headers lines
	PrivateNetwork bool     // Access-Control-Request-Private-Network: true
}

// IsPreflight: a CORS-preflight request has the method OPTIONS, an Origin and
// an Access-Control-Request-Method (Fetch section 3.3.2). Other OPTIONS requests
// are the upstream's.
func (r *Request) IsPreflight() bool {
	return r.Method == "OPTIONS" && len(r.Origins) > 0 && len(r.RequestMethod) > 0
}

// Allowed returns the origin if the request has exactly one and it is allowed.
// Several Origin lines, or one with a list, come from no browser: not allowed.
func (p *Policy) Allowed(origins []string) (string, bool) {
	if len(origins) != 1 || len(origins[0]) > maxOriginLen || !p.origins.allows(origins[0]) {
		return "", false
	}
	if p.origins.any {
		if _, ok := parseOrigin(origins[0]); !ok && origins[0] != "null" {
			return "", false
		}
	}
	return origins[0], true
}

// Actual appends to dst the headers of the answer to an actual request from the
// allowed origin (Fetch section 3.3.3).
func (p *Policy) Actual(dst []Header, origin string) []Header {
	dst = p.appendOrigin(dst, origin)
	if p.expose != "" {
		dst = append(dst, Header{"access-control-expose-headers", p.expose})
	}
	return dst
}

func (p *Policy) appendOrigin(dst []Header, origin string) []Header {
	if p.origins.any && !p.credentials {
		return append(dst, Header{"access-control-allow-origin", "*"})
	}
	dst = append(dst, Header{"access-control-allow-origin", origin})
	if p.credentials {
		dst = append(dst, Header{"access-control-allow-credentials", "true"})
	}
	return dst
}

// Preflight is the answer to a preflight. Refusal is empty when it is allowed,
// and else says why, for the log. Headers hold everything that the response
// needs, Vary included.
type Preflight struct {
	Headers []Header
	Rule    string
	Refusal string
}

// Preflight answers a preflight (Fetch section 3.3.3; the client's side is
// section 4.8). A refused one gets Vary and nothing else, so that the browser
// refuses and the cache in between keeps it apart.
func (p *Policy) Preflight(r *Request) Preflight {
	vary := varyPreflight
	if p.privateNetwork {
		vary = varyPrivate
	}
	out := Preflight{Headers: []Header{{"vary", vary}}}
	origin, ok := p.Allowed(r.Origins)
	if !ok {
		return out.refuse("cors_origin", "origin "+quoteList(r.Origins)+" is not allowed")
	}
	if len(r.RequestMethod) != 1 || !p.allowsMethod(r.RequestMethod[0]) {
		return out.refuse("cors_method", "method "+quoteList(r.RequestMethod)+" is not allowed")
	}
	asked, bad := p.checkHeaders(r.RequestHeaders)
	if bad != "" {
		return out.refuse("cors_header", "header "+quoteList([]string{bad})+" is not allowed")
	}
	if r.PrivateNetwork && !p.privateNetwork {
		return out.refuse("cors_private_network", "access to a private network is not allowed")
	}
	out.Headers = p.appendPreflight(out.Headers, r, origin, asked)
	return out
}

func (out Preflight) refuse(rule, why string) Preflight {
	out.Rule, out.Refusal = rule, why
	return out
}

func (p *Policy) appendPreflight(h []Header, r *Request, origin string, asked bool) []Header {
	h = p.appendOrigin(h, origin)
	if m := r.RequestMethod[0]; !safelistedMethod(m) {
		// "*" would mean a method named * when credentials are included.
		if p.anyMethod {
			h = append(h, Header{"access-control-allow-methods", m})
		} else {
			h = append(h, Header{"access-control-allow-methods", p.methodList})
		}
	}
	if asked {
		h = append(h, Header{"access-control-allow-headers", p.allowHeadersFor(r.RequestHeaders)})
	}
	if p.maxAge != "" {
		h = append(h, Header{"access-control-max-age", p.maxAge})
	}
	if r.PrivateNetwork {
		h = append(h, Header{"access-control-allow-private-network", "true"})
	}
	return h
}

func (p *Policy) allowHeadersFor(lines []string) string {
	if !p.anyHeader {
		return p.headerList
	}
	return strings.Join(lines, ", ")
}

func (p *Policy) allowsMethod(m string) bool {
	if safelistedMethod(m) {
		return true
	}
	if p.anyMethod {
		return isToken(m) && !forbiddenMethod(m)
	}
	return has(p.methods, m)
}

// Bounds on Access-Control-Request-Headers: browsers send a sorted list of
// lower-case names without spaces; intermediaries may add some.
const (
	maxRequestHeaders      = 128
	maxRequestHeadersBytes = 4096
)

// checkHeaders returns whether any header was asked for, and the first that is
// not allowed. Empty elements are ignored, as lists are read (RFC 9110 section
// 5.6.1.2), but only so many of them.
func (p *Policy) checkHeaders(lines []string) (asked bool, bad string) {
	count := 0
	for _, line := range lines {
		if len(line) > maxRequestHeadersBytes {
			return asked, "(a list too long)"
		}
		for name := range strings.SplitSeq(line, ",") {
			if count++; count > maxRequestHeaders {
				return asked, "(too many)"
			}
			name = strings.Trim(name, " \t")
			if name == "" {
				continue
			}
			asked = true
			if !p.allowsHeader(name) {
				return asked, name
			}
		}
	}
	return asked, ""
}

func (p *Policy) allowsHeader(name string) bool {
	if !isToken(name) {
		return false
	}
	lower := strings.ToLower(name)
	if _, ok := p.headers[lower]; ok {
		return true
	}
	// The wildcard does not cover Authorization (Fetch section 3.3.3), unless
	// credentials make it a list of what was asked for anyway; even then a
	// token is worth naming.
	return p.anyHeader && lower != "authorization" && !forbiddenHeader(lower)
}

func quoteList(list []string) string {
	if len(list) == 0 {
		return `""`
	}
	s := `"` + strings.Join(list, `", "`) + `"`
	if len(s) > 200 {
		s = s[:200] + `..."`
	}
	return s
}

// MergeVary adds want to the Vary lines that the response has, once; it returns
// the single value to set (RFC 9110 section 12.5.5).
func MergeVary(have []string, want string) string {
	if len(have) == 0 {
		return want
	}
	joined := strings.Join(have, ", ")
	for w := range strings.SplitSeq(want, ", ") {
		if !listHas(joined, w) {
			joined += ", " + w
		}
	}
	return joined
}

func listHas(list, name string) bool {
	for e := range strings.SplitSeq(list, ",") {
		e = strings.Trim(e, " \t")
		if e == "*" || strings.EqualFold(e, name) {
			return true
		}
	}
	return false
}
