// Package csrf refuses what another site makes a browser send in its user's
// name, by what the browser itself says about where a request comes from: the
// Sec-Fetch-* fields (W3C Fetch Metadata Request Headers), and the Origin where
// there are none.
//
// It promises that a request which may change something (any method but GET,
// HEAD and OPTIONS, and every WebSocket) and comes from a page of another origin is refused unless
// that origin is trusted, and that what can be read of other sites is opened by
// links only (a resource isolation policy). It needs no token and no change to
// the application. It does not stop programs: who writes the fields himself has
// no victim's cookies. A GET that changes something is not protected from links.
package csrf

import (
	"errors"
	"slices"
	"strings"

	"gatehouse/filter/cors"
)

// Config is the public shape; see filter/policy.CSRF for the keys.
type Config struct {
	// TrustOrigins are origins whose pages may send requests, in the forms of
	// cors.allow_origins without "*" and "null".
	TrustOrigins []string
}

// Policy is a compiled Config; immutable.
type Policy struct{ trusted *cors.Origins }

// ConfigError is one mistake in a Config.
type ConfigError struct{ Key, Value, Reason string }

func (e *ConfigError) Error() string { return e.Key + ": \"" + e.Value + "\" " + e.Reason }

const keyTrust = "trust_origins"

// Vary is what the answers under a policy depend on: without it a cache would give
// to another site what was meant for one's own (Fetch Metadata, section 5.1 "Vary").
const Vary = "Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest, Origin"

// Compile validates c and reports all of its mistakes together (errors.Join).
func Compile(c Config) (*Policy, error) {
	var errs []error
	fail := func(value, reason string) { errs = append(errs, &ConfigError{keyTrust, value, reason}) }
	var list []string
	for i, s := range c.TrustOrigins {
		switch {
		case s == "*":
			fail(s, "would trust every site: leave csrf out, or list the origins")
		case s == "null":
			fail(s, "would trust every sandboxed page: leave it out")
		case slices.Contains(c.TrustOrigins[:i], s):
			fail(s, "stands twice")
		default:
			list = append(list, s)
		}
	}
	trusted, mistakes := cors.ParseOrigins(list)
	for _, m := range mistakes {
		fail(m.Value, m.Reason)
	}
	if s := cors.Insecure(list); s != "" {
		fail(s, "would trust whoever is on the network: use https")
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Policy{trusted}, nil
}

// Request is what is read of a request; each list holds the field's lines as
// received.
type Request struct {
	Method, Authority string
	TLS               bool
	Origins           []string
	Site, Mode, Dest  []string // Sec-Fetch-Site, -Mode, -Dest
	// Upgrade: the request asks for another protocol. A WebSocket is opened by a
	// GET, with the user's cookies, and no browser asks the server's CORS first.
	Upgrade bool
	// Shared says that the policy's CORS allows the origin.
	Shared bool
}

// Refusal says why; the zero value refuses nothing.
type Refusal struct{ Rule, Reason string }

// The rules.
const (
	RuleCrossSite = "csrf_cross_site"
	RuleSameSite  = "csrf_same_site"
	RuleOrigin    = "csrf_origin"
	RuleAmbiguous = "csrf_ambiguous"
)

// Judge decides one request.
func (p *Policy) Judge(r *Request) Refusal {
	if len(r.Origins) > 1 || len(r.Site) > 1 || len(r.Mode) > 1 || len(r.Dest) > 1 {
		return Refusal{RuleAmbiguous, "an Origin or Sec-Fetch field stands several times: no browser sends that"}
	}
	if r.Method == "OPTIONS" || r.Shared || len(r.Origins) == 1 && p.trusted.Allow(r.Origins[0]) {
		return Refusal{}
	}
	switch site := one(r.Site); site {
	case "same-origin", "none": // "none": the user typed the address, or opened a bookmark
		return Refusal{}
	case "same-site":
		if r.safe() {
			return Refusal{}
		}
		return Refusal{RuleSameSite, "a " + quote(r.Method) + " from another origin of the same site" + r.from()}
	case "":
		return r.byOrigin()
	default: // "cross-site", and whatever the future brings
		if r.link() {
			return Refusal{}
		}
		return Refusal{RuleCrossSite, "a " + quote(r.Method) + " (" + quote(one(r.Mode)) + ", " + quote(one(r.Dest)) + ") from another site" + r.from()}
	}
}

// safe methods change nothing (RFC 9110 section 9.2.1), unless they open a
// connection on which anything may be said (RFC 6455 section 10.2).
func (r *Request) safe() bool { return (r.Method == "GET" || r.Method == "HEAD") && !r.Upgrade }

// link tells a person who follows a link or opens a page from a page that embeds
// one: navigations, but not of plug-ins.
func (r *Request) link() bool {
	dest := one(r.Dest)
	return r.safe() && one(r.Mode) == "navigate" && dest != "object" && dest != "embed"
}

// byOrigin judges what has no Sec-Fetch-Site: programs, browsers of before 2023,
// WebSockets of Chromium, and every browser on an address that is neither https nor
// loopback. Browsers send Origin with whatever is not GET or HEAD (Fetch section
// 3.2), and with WebSockets (RFC 6455 section 4.1).
func (r *Request) byOrigin() Refusal {
	if r.safe() || len(r.Origins) == 0 || sameHost(r.Origins[0], r.Authority, r.TLS) {
		return Refusal{}
	}
	return Refusal{RuleOrigin, "a " + quote(r.Method) + " to " + quote(r.Authority) + r.from()}
}

// sameHost compares host and port. The scheme may differ only in that a proxy
// in front has taken TLS off: a page in clear cannot post to one over TLS.
func sameHost(origin, authority string, tls bool) bool {
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || scheme != "https" && (scheme != "http" || tls) {
		return false
	}
	return host != "" && withoutPort(host, scheme) == withoutPort(strings.ToLower(authority), scheme)
}

// withoutPort drops the port that the scheme implies.
func withoutPort(host, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func (r *Request) from() string {
	if len(r.Origins) == 0 {
		return ""
	}
	return ", origin " + quote(r.Origins[0])
}

func one(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

// quote bounds what a client has sent.
func quote(s string) string {
	const limit = 100
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return `"` + s + `"`
}
