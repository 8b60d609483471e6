package headers

import (
	"maps"
	"slices"
	"strings"
)

// CSP is a Content-Security-Policy by directive (CSP Level 3, section 2.3). A
// directive that takes no value has an empty list; a list with one empty text
// takes a directive of the preset away. NonceSource in a list stands for a nonce
// that is made anew for each request.
type CSP map[string][]string

// NonceSource is what a policy writes for the nonce of the request (CSP Level 3,
// section 7.1).
const NonceSource = "'nonce'"

// nonceMark stands in a compiled value where the nonce goes. No header value can
// hold it (RFC 9110 section 5.5).
const nonceMark = "\x00"

// valueKind is what the values of a directive are.
type valueKind uint8

const (
	sources valueKind = iota
	ancestors
	sandboxFlags
	endpointName
	addresses
	sinks
	typePolicies
	switches
	nothing
)

var directives = map[string]valueKind{
	"default-src": sources, "script-src": sources, "script-src-elem": sources, "script-src-attr": sources,
	"style-src": sources, "style-src-elem": sources, "style-src-attr": sources, "img-src": sources, "font-src": sources,
	"connect-src": sources, "media-src": sources, "object-src": sources, "child-src": sources, "frame-src": sources,
	"worker-src": sources, "manifest-src": sources, "fenced-frame-src": sources, "base-uri": sources, "form-action": sources,
	"webrtc":       switches,
	frameAncestors: ancestors, "sandbox": sandboxFlags, "report-uri": addresses, "report-to": endpointName,
	"require-trusted-types-for": sinks, "trusted-types": typePolicies, "upgrade-insecure-requests": nothing,
}

// gone are directives of earlier drafts and levels.
var gone = []string{"block-all-mixed-content", "plugin-types", "prefetch-src", "referrer", "reflected-xss", "require-sri-for", "navigate-to", "policy-uri"}

// Directives lists the names of the directives that are known, in order.
func Directives() []string { return slices.Sorted(maps.Keys(directives)) }

// left tells the mark of a directive that is taken away.
func left(values []string) bool { return len(values) == 1 && values[0] == "" }

// over returns base with the directives of c in place of base's own.
func (c CSP) over(base CSP) CSP {
	merged := make(CSP, len(base)+len(c))
	for _, part := range []CSP{base, c} {
		for name, values := range part {
			if left(values) {
				delete(merged, name)
			} else {
				merged[name] = values
			}
		}
	}
	return merged
}

// text is the header's value: default-src first, the others by name.
func (c CSP) text() string {
	parts := make([]string, 0, len(c))
	for _, name := range c.Names() {
		values := slices.Clone(c[name])
		for j, v := range values {
			if strings.EqualFold(v, NonceSource) {
				values[j] = "'nonce-" + nonceMark + "'"
			}
		}
		parts = append(parts, strings.Join(append([]string{name}, values...), " "))
	}
	return strings.Join(parts, "; ")
}

// Names lists the directives, default-src first, the others in order.
func (c CSP) Names() []string {
	names := slices.Sorted(maps.Keys(c))
	if i := slices.Index(names, "default-src"); i > 0 {
		copy(names[1:], names[:i])
		names[0] = "default-src"
	}
	return names
}

// parseCSP takes a header value apart, so that one that was written whole is
// judged like one by directive. A second directive of a name counts for nothing
// (CSP Level 3, section 2.2.1): it is returned as twice.
func parseCSP(value string) (c CSP, twice []string) {
	c = CSP{}
	for part := range strings.SplitSeq(value, ";") {
		fields := strings.Fields(part)
		if len(fields) == 0 {
			continue
		}
		name := strings.ToLower(fields[0])
		if _, ok := c[name]; ok {
			twice = append(twice, name)
			continue
		}
		c[name] = fields[1:]
	}
	return c, twice
}

// policies puts the enforced and the report-only policy together.
func (k *compiler) policies(c Config, base preset) {
	k.csp = base.csp
	if i := k.find(cspHeader); i >= 0 {
		k.csp = k.whole(&c, cspHeader, k.set[i].Value)
	} else if name, _ := c.setting(cspHeader); name != "" {
		k.csp = nil
	}
	k.csp = c.CSP.over(k.csp)
	k.frames(c)
	k.judgeCSP("csp", k.csp, c.CSP, c)
	if i := k.find(cspOnlyHeader); i >= 0 {
		k.only = k.whole(&c, cspOnlyHeader, k.set[i].Value)
	}
	k.only = c.CSPReportOnly.over(k.only)
	k.judgeReportOnly(c)
	k.put(cspHeader, k.csp.text())
	k.put(cspOnlyHeader, k.only.text())
}

// whole parses a policy that stands under set.
func (k *compiler) whole(c *Config, name, value string) CSP {
	parsed, twice := parseCSP(value)
	name, _ = c.setting(name)
	for _, directive := range twice {
		k.fail("set", name, "has "+directive+" twice: the second counts for nothing (CSP Level 3, section 2.2.1)")
	}
	return parsed
}

// setting is what Set says of a header, under the name as written; the name is
// empty where it says nothing.
func (c *Config) setting(lower string) (name, value string) {
	for name, value := range c.Set {
		if strings.EqualFold(name, lower) {
			return name, value
		}
	}
	return "", ""
}
