package cors

import "gatehouse/filter/abi"

// Header is one header line to set on a response.
type Header struct{ Name, Value string }

// The names that belong to the gateway on a response under a CORS policy: what
// the upstream sent under them is replaced for an allowed origin and removed
// otherwise.
var responseHeaders = abi.NewNames( //nolint:gochecknoglobals // never changed
	"access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
	"access-control-allow-methods", "access-control-allow-headers", "access-control-max-age",
	"access-control-allow-private-network",
)

// ResponseHeaders lists the ACA* names of the CORS protocol, in lower case.
func ResponseHeaders() *abi.Names { return &responseHeaders }

// Vary values. Which request headers an answer depends on is a matter of the
// policy, not of one request: a refused answer varies as well, and also the
// answer to a preflight that did not ask for a private network says that it
// would have been another if it had.
const (
	VaryOrigin    = "Origin"
	VaryPreflight = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
)

// DebugHeader tells, in a policy with Debug, why a preflight was refused.
const DebugHeader = "x-gatehouse-cors"

// Vary is the value that every response under the policy must vary on; empty if
// the answer is the same for all, with an Origin and without. A static answer is
// what the Fetch standard asks for where a cache must not have to care (its
// background reading "CORS protocol and HTTP caches"): were it given to requests
// with an Origin alone, a cached answer to a link would break the page's script.
func (p *Policy) Vary() string {
	if p.static() {
		return ""
	}
	return VaryOrigin
}

func (p *Policy) static() bool { return p.origins.any && !p.credentials }

// Public says that every origin may read responses, without credentials: that
// is no reason to trust what every origin sends.
func (p *Policy) Public() bool { return p.origins.any }

// Debug says that the sender of a refused preflight is to be told why.
func (p *Policy) Debug() bool { return p.debug }

// Request is what the protocol reads of a request: each list holds the field's
// lines as received.
type Request struct {
	Method         string
	Origins        []string
	RequestMethod  []string // Access-Control-Request-Method
	RequestHeaders []string // Access-Control-Request-Headers
	PrivateNetwork []string // Access-Control-Request-Private-Network
}

// IsPreflight: a CORS-preflight request has the method OPTIONS, an Origin and
// an Access-Control-Request-Method (Fetch section 3.3.2). Other OPTIONS requests
// are the upstream's.
func IsPreflight(method string, origins, requestMethod []string) bool {
	return method == "OPTIONS" && len(origins) > 0 && len(requestMethod) > 0
}

// IsPreflight is the function IsPreflight for the request.
func (r *Request) IsPreflight() bool { return IsPreflight(r.Method, r.Origins, r.RequestMethod) }

// asksPrivate: the field has one value, "true" (Private Network Access, section
// 3.1). Anything else is no browser's, and is taken for no question at all: the
// answer has no permission in it then.
func (r *Request) asksPrivate() bool {
	return len(r.PrivateNetwork) == 1 && r.PrivateNetwork[0] == "true"
}

// Allowed returns the origin if the request has exactly one and it is allowed.
// Several Origin lines, or one with a list, come from no browser: not allowed.
func (p *Policy) Allowed(origins []string) (string, bool) {
	if len(origins) != 1 || len(origins[0]) > maxOriginLen || !p.origins.allows(origins[0]) {
		return "", false
	}
	if p.origins.any && !isAnyOrigin(origins[0]) {
		return "", false
	}
	return origins[0], true
}

// Actual appends to dst the headers of the answer to a request that is no
// preflight (Fetch section 3.3.3), none if its origin may not read it. The
// strings are the policy's own and the request's: nothing is allocated.
func (p *Policy) Actual(dst []Header, origins []string) []Header {
	origin := ""
	if !p.static() {
		var ok bool
		if origin, ok = p.Allowed(origins); !ok {
			return dst
		}
	}
	dst = p.appendOrigin(dst, origin)
	if p.expose != "" {
		dst = append(dst, Header{"access-control-expose-headers", p.expose})
	}
	return dst
}

func (p *Policy) appendOrigin(dst []Header, origin string) []Header {
	if p.static() {
		return append(dst, Header{"access-control-allow-origin", "*"})
	}
	dst = append(dst, Header{"access-control-allow-origin", origin})
	if p.credentials {
		dst = append(dst, Header{"access-control-allow-credentials", "true"})
	}
	return dst
}
