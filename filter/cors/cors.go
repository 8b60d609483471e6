// Package cors decides cross-origin requests as the Fetch standard's CORS
// protocol asks a server to (https://fetch.spec.whatwg.org/#http-cors-protocol,
// section 3.3 in the numbering used here).
//
// It promises that an origin is allowed only if it is configured, compared byte
// for byte; that a preflight is answered completely and alone from the
// configuration; and that a configuration which would share credentials with
// anybody is refused when compiled. It does not stop requests: CORS is a
// permission for browsers to share a response, no access control, so an actual
// request from an origin that is not allowed goes on, without the headers that
// would let the page read the answer.
package cors

import (
	"errors"
	"strconv"
	"strings"
)

// Config is the public shape of a policy; see filter/policy.CORS for the keys.
type Config struct {
	AllowOrigins        []string
	AllowCredentials    bool
	AllowMethods        []string
	AllowHeaders        []string
	ExposeHeaders       []string
	MaxAge              *int // seconds; nil sends no header
	AllowPrivateNetwork bool
	// Debug tells the sender of a refused preflight why it was refused.
	Debug bool
}

// MaxMaxAge is the longest time, in seconds, that a browser keeps a preflight's
// answer (Firefox: 24 hours; Chromium: 2); more is a mistake about what happens.
const MaxMaxAge = 86400

// Policy is a compiled Config; immutable.
type Policy struct {
	origins        patterns
	credentials    bool
	anyMethod      bool
	methods        []string
	methodList     string
	anyHeader      bool
	headers        map[string]struct{}
	headerList     string
	expose         string
	maxAge         string
	privateNetwork bool
	debug          bool
}

// Compile validates c and reports all of its mistakes together (errors.Join).
func Compile(c Config) (*Policy, error) {
	p := &Policy{credentials: c.AllowCredentials, privateNetwork: c.AllowPrivateNetwork, debug: c.Debug}
	var errs []error
	fail := func(where, what, why string) {
		errs = append(errs, &ConfigError{Key: where, Value: what, Reason: why})
	}
	p.compileOrigins(c, fail)
	p.compileMethods(c.AllowMethods, fail)
	p.compileHeaders(c, fail)
	p.compileExpose(c, fail)
	if c.MaxAge != nil {
		if *c.MaxAge < 0 || *c.MaxAge > MaxMaxAge {
			fail("max_age", strconv.Itoa(*c.MaxAge), "is outside 0 to 86400 seconds, beyond which no browser keeps it")
		}
		p.maxAge = strconv.Itoa(*c.MaxAge)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

// ConfigError is one mistake in a Config.
type ConfigError struct{ Key, Value, Reason string }

func (e *ConfigError) Error() string { return e.Key + ": \"" + e.Value + "\" " + e.Reason }

const (
	keyOrigins  = "allow_origins"
	notAnOrigin = "is no origin to allow: "
)

func (p *Policy) compileOrigins(c Config, fail func(where, what, why string)) {
	const key = keyOrigins
	p.origins.exact = make(map[string]struct{}, len(c.AllowOrigins))
	if len(c.AllowOrigins) == 0 {
		fail(key, "", "is empty: name the origins, or leave cors out")
	}
	seen := make(map[string]struct{}, len(c.AllowOrigins))
	for _, s := range c.AllowOrigins {
		if _, dup := seen[s]; dup {
			fail(key, s, "stands twice")
			continue
		}
		seen[s] = struct{}{}
		if err := p.origins.add(s); err != nil {
			fail(key, s, notAnOrigin+err.Error())
		}
	}
	if p.origins.any && len(c.AllowOrigins) > 1 {
		fail(key, "*", "already allows every origin: leave the others out")
	}
	if c.AllowCredentials {
		p.refuseEverybody(c.AllowOrigins, "with allow_credentials would let ", " act as the signed-in user: ", fail)
	} else if c.AllowPrivateNetwork {
		p.refuseEverybody(c.AllowOrigins, "with allow_private_network would let ", " reach into the private network: ", fail)
	}
}

// refuseEverybody refuses what stands for origins that anybody can take on,
// where that would give away more than public data.
func (p *Policy) refuseEverybody(origins []string, would, what string, fail func(where, what, why string)) {
	if p.origins.any {
		fail(keyOrigins, "*", would+"every site"+what+"list the origins")
	}
	if p.origins.null {
		fail(keyOrigins, "null", would+"any sandboxed page"+what+"leave it out")
	}
	for _, s := range insecure(origins) {
		fail(keyOrigins, s, would+"whoever is on the network"+what+"use https")
	}
}

func (p *Policy) compileMethods(list []string, fail func(where, what, why string)) {
	const key = "allow_methods"
	for _, m := range list {
		switch {
		case m == "*" && len(list) == 1:
			p.anyMethod = true
		case m == "*":
			fail(key, m, "already allows every method: leave the others out")
		case !isToken(m):
			fail(key, m, "is not a method name")
		case forbiddenMethod(m):
			fail(key, m, "is forbidden to scripts (Fetch section 2.2.1): leave it out")
		case m != strings.ToUpper(m) && normalised(strings.ToUpper(m)):
			fail(key, m, "is sent in upper case by browsers, and methods are case-sensitive: "+strings.ToUpper(m))
		case has(p.methods, m):
			fail(key, m, "stands twice")
		default:
			p.methods = append(p.methods, m)
		}
	}
	p.methodList = strings.Join(p.methods, ", ")
}

func (p *Policy) compileHeaders(c Config, fail func(where, what, why string)) {
	const key = "allow_headers"
	p.headers = make(map[string]struct{}, len(c.AllowHeaders))
	names := make([]string, 0, len(c.AllowHeaders))
	for _, h := range c.AllowHeaders {
		name := strings.ToLower(h)
		_, dup := p.headers[name]
		switch {
		case h == "*":
			if p.anyHeader {
				fail(key, h, "stands twice")
			}
			p.anyHeader = true
			continue
		case !isToken(h):
			fail(key, h, "is not a header name")
		case forbiddenHeader(name):
			fail(key, h, "is forbidden to scripts (Fetch section 2.2.2): leave it out")
		case ownHeader(name):
			fail(key, h, "is a response header of the CORS protocol: no script sends it")
		case dup:
			fail(key, h, "stands twice")
		}
		p.headers[name] = struct{}{}
		names = append(names, name)
	}
	if p.anyHeader && (len(names) > 1 || len(names) == 1 && names[0] != "authorization") {
		fail(key, "*", "already allows every header but Authorization: leave the others out")
	}
	p.headerList = strings.Join(names, ", ")
}

func (p *Policy) compileExpose(c Config, fail func(where, what, why string)) {
	const key = "expose_headers"
	for i, h := range c.ExposeHeaders {
		switch {
		case h == "*" && c.AllowCredentials:
			fail(key, h, "with allow_credentials means a header named * (Fetch section 3.3.3): list the headers")
		case h == "*" && len(c.ExposeHeaders) > 1:
			fail(key, h, "already exposes every header: leave the others out")
		case h != "*" && !isToken(h):
			fail(key, h, "is not a header name")
		case strings.EqualFold(h, "set-cookie"), strings.EqualFold(h, "set-cookie2"):
			fail(key, h, "is never shown to scripts (Fetch section 2.2.2): leave it out")
		case strings.HasPrefix(strings.ToLower(h), "access-control-"), strings.EqualFold(h, "origin"), strings.EqualFold(h, "vary"):
			fail(key, h, "speaks to the browser, not to the page: leave it out")
		case hasFold(c.ExposeHeaders[:i], h):
			fail(key, h, "stands twice")
		}
	}
	p.expose = strings.Join(c.ExposeHeaders, ", ")
}
