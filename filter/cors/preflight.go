package cors

import (
	"strconv"
	"strings"
)

// Preflight is the answer to a preflight. Refusal is empty when it is allowed,
// and else says why, for the log. Headers hold everything that the response
// needs, Vary included.
type Preflight struct {
	Headers []Header
	Rule    string
	Refusal string
}

// The rules by which a preflight is refused.
const (
	RuleOrigin  = "cors_origin"
	RuleMethod  = "cors_method"
	RuleHeader  = "cors_header"
	RulePrivate = "cors_private_network"
)

// Preflight answers a preflight (Fetch section 3.3.3; the client's side is
// section 4.8). A refused one gets Vary and nothing of the protocol, so that the
// browser refuses and the cache in between keeps it apart; under Debug it also
// gets the reason.
func (p *Policy) Preflight(r *Request) Preflight {
	out := Preflight{Headers: []Header{{"vary", VaryPreflight}}}
	origin, ok := p.Allowed(r.Origins)
	if !ok {
		return p.refuse(out, RuleOrigin, "origin "+quoteList(r.Origins)+" is not allowed"+p.hintOrigin(r.Origins))
	}
	if len(r.RequestMethod) != 1 || !p.allowsMethod(r.RequestMethod[0]) {
		return p.refuse(out, RuleMethod, "method "+quoteList(r.RequestMethod)+" is not allowed"+p.hintMethod(r.RequestMethod))
	}
	asked, bad, why := p.checkHeaders(r.RequestHeaders)
	if why != "" {
		return p.refuse(out, RuleHeader, "header "+quoteList([]string{bad})+why)
	}
	if r.asksPrivate() && !p.privateNetwork {
		return p.refuse(out, RulePrivate, "access to a private network is not allowed: set allow_private_network")
	}
	out.Headers = p.appendPreflight(out.Headers, r, origin, asked)
	return out
}

func (p *Policy) refuse(out Preflight, rule, why string) Preflight {
	out.Rule, out.Refusal = rule, why
	if p.debug {
		out.Headers = append(out.Headers, Header{DebugHeader, printable(why)})
	}
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
	if r.asksPrivate() {
		h = append(h, Header{"access-control-allow-private-network", "true"})
	}
	return h
}

// allowHeadersFor is the policy's list, or what was asked for where all is
// allowed: "*" itself would mean a header named * when credentials are included,
// and never covers Authorization (Fetch section 4.8, step 7).
func (p *Policy) allowHeadersFor(lines []string) string {
	if !p.anyHeader {
		return p.headerList
	}
	var names []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.ToLower(strings.Trim(name, " \t")); name != "" && !has(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}

// allowsMethod compares case-sensitively, as methods are (Fetch section 4.8,
// step 7.5; RFC 9110 section 9.1).
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
// not allowed and why. Empty elements are ignored, as lists are read (RFC 9110
// section 5.6.1.2), but only so many of them.
func (p *Policy) checkHeaders(lines []string) (asked bool, bad, why string) {
	count, size := 0, 0
	for _, line := range lines {
		if size += len(line); size > maxRequestHeadersBytes {
			return asked, "(a list too long)", " is not allowed: at most " + strconv.Itoa(maxRequestHeadersBytes) + " bytes"
		}
		for name := range strings.SplitSeq(line, ",") {
			if count++; count > maxRequestHeaders {
				return asked, "(too many)", " is not allowed: at most " + strconv.Itoa(maxRequestHeaders)
			}
			name = strings.Trim(name, " \t")
			if name == "" {
				continue
			}
			asked = true
			if !p.allowsHeader(name) {
				return asked, name, " is not allowed" + p.hintHeader(name)
			}
		}
	}
	return asked, "", ""
}

// allowsHeader compares case-insensitively (Fetch section 4.8, step 7.7).
func (p *Policy) allowsHeader(name string) bool {
	if !isToken(name) {
		return false
	}
	lower := strings.ToLower(name)
	if _, ok := p.headers[lower]; ok {
		return true
	}
	// The wildcard does not cover Authorization (Fetch section 2.2.2,
	// "CORS non-wildcard request-header name"). With credentials there is no
	// wildcard in the protocol: it is this filter's word for whatever is asked.
	if lower == "authorization" && !p.credentials {
		return false
	}
	return p.anyHeader && !forbiddenHeader(lower)
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
