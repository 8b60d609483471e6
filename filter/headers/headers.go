// Package headers sets the security headers of responses, hardens the cookies
// in them and takes away what tells too much.
//
// It promises that a header it sets stands exactly once in the response, or is
// merged with the upstream's where the policy says so; that
// Strict-Transport-Security is sent only over TLS (RFC 6797 section 7.2); that
// X-Frame-Options and the CSP's frame-ancestors never contradict each other;
// and that a nonce is in no response but the one it was made for. All values
// are made ready by Compile; Apply only picks.
//
// It does not rewrite bodies: a page with inline script needs the nonce of its
// request in its markup, or a policy that allows what the page does. Which
// responses are meant for documents it tells from the status and from gRPC's
// media type, not from the body.
package headers

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"gatehouse/filter/abi"
)

// Config is the public shape; see filter/policy.Headers for the keys.
type Config struct {
	Preset string
	// Set overrides or adds headers by name; "" takes one of the preset away.
	Set    map[string]string
	Remove []string
	// CSP changes the preset's Content-Security-Policy by directive.
	CSP CSP
	// CSPReportOnly is a policy of its own, beside the enforced one.
	CSPReportOnly CSP
	// ReportingEndpoints are URLs by name (Reporting API section 3.2).
	ReportingEndpoints map[string]string
	// Existing says for a header by name what becomes of the upstream's own:
	// replace (unless told), keep or merge.
	Existing map[string]string
	Cookies  *Cookies
	// ClearSiteData are the types of data that a browser drops when a response
	// of this policy succeeds (Clear Site Data section 3.1): for sign-out.
	ClearSiteData []string
}

// ConfigError is one mistake in a Config, or one weakness of it (see
// Policy.Warnings). Key is the path of the setting, "csp.script-src".
type ConfigError struct{ Key, Value, Reason string }

func (e *ConfigError) Error() string { return e.Key + ": \"" + e.Value + "\" " + e.Reason }

// Header is one response header; names are in lower case.
type Header struct {
	Name, Value string
	TLSOnly     bool // only on responses to requests that came over TLS
	// Existing is what becomes of the upstream's own.
	Existing Existing
	// Because says what else made the value what it is, AsAncestors or AsClear;
	// empty for a preset's and for what was set.
	Because string

	class class
	parts []string // of the value, around its nonces; one if there are none
}

// What made the value of a header follow that of another setting.
const (
	AsAncestors = "as csp frame-ancestors"
	AsClear     = "as clear_site_data"
)

// Text is the value with a placeholder for nonces.
func (h Header) Text() string { return strings.ReplaceAll(h.Value, nonceMark, "…") }

// Policy is a compiled Config; immutable.
type Policy struct {
	set      []Header
	remove   abi.Names
	cookies  cookieRules
	csp      CSP
	only     CSP
	nonced   bool
	warnings []*ConfigError
}

// Compile validates c and reports all of its mistakes together (errors.Join).
// Without a preset, only what c names is touched.
func Compile(c Config) (*Policy, error) {
	k := &compiler{}
	base, ok := presets[c.Preset]
	if !ok && c.Preset != "" {
		k.fail("preset", c.Preset, "is unknown: the presets are "+strings.Join(Presets(), ", "))
	}
	k.begin(base)
	k.setAll(c.Set)
	k.policies(c, base)
	k.endpoints(c.ReportingEndpoints)
	k.clearSiteData(c.ClearSiteData)
	k.removeAll(c.Remove)
	k.existing(c.Existing)
	k.cookies(base.cookies, c.Cookies)
	if len(k.errs) > 0 {
		return nil, errors.Join(k.errs...)
	}
	return k.policy(), nil
}

// Headers lists what the policy sets, for explain; the slice is shared.
func (p *Policy) Headers() []Header { return p.set }

// Removed lists what the policy removes; the slice is shared.
func (p *Policy) Removed() []string { return p.remove.List() }

// Directives is the enforced Content-Security-Policy; the map is shared.
func (p *Policy) Directives() CSP { return p.csp }

// ReportOnly is the policy that only reports; the map is shared.
func (p *Policy) ReportOnly() CSP { return p.only }

// CookieRules says in words what happens to cookies; empty for nothing.
func (p *Policy) CookieRules() string { return p.cookies.String() }

// Nonced tells whether each request needs a nonce.
func (p *Policy) Nonced() bool { return p.nonced }

// Warnings are about what is allowed and weakens the policy.
func (p *Policy) Warnings() []*ConfigError { return p.warnings }

// compiler collects mistakes while the policy takes shape.
type compiler struct {
	set      []Header
	remove   []string
	rules    cookieRules
	csp      CSP
	only     CSP
	errs     []error
	warnings []*ConfigError
}

func (k *compiler) fail(key, value, reason string) {
	k.errs = append(k.errs, &ConfigError{key, value, reason})
}

func (k *compiler) warn(key, value, reason string) {
	k.warnings = append(k.warnings, &ConfigError{key, value, reason})
}

func (k *compiler) begin(base preset) {
	k.remove = slices.Clone(base.remove)
	for _, h := range base.set {
		h.Existing = Replace
		if slices.Contains(base.keep, h.Name) {
			h.Existing = Keep
		}
		k.set = append(k.set, h)
	}
}

func (k *compiler) policy() *Policy {
	p := &Policy{set: k.set, remove: abi.NewNames(k.remove...), cookies: k.rules, csp: k.csp, only: k.only, warnings: k.warnings}
	for i := range p.set {
		h := &p.set[i]
		h.class, h.parts = classOf(h.Name), strings.Split(h.Value, nonceMark)
		h.TLSOnly = h.Name == hsts
		p.nonced = p.nonced || len(h.parts) > 1
	}
	return p
}

func (k *compiler) find(name string) int {
	return slices.IndexFunc(k.set, func(h Header) bool { return h.Name == name })
}

// put replaces a header of the preset, takes it away if value is empty, or adds
// one.
func (k *compiler) put(name, value string) {
	i := k.find(name)
	switch {
	case i >= 0 && value == "":
		k.set = slices.Delete(k.set, i, i+1)
	case i >= 0:
		k.set[i].Value = value
	case value != "":
		k.set = append(k.set, Header{Name: name, Value: value, Existing: Replace})
	}
}

func (k *compiler) setAll(set map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		value, lower := set[name], strings.ToLower(name)
		reason := mistake(name, value)
		if reason == "" && value != "" {
			reason = k.judgeValue(name, lower, value)
		}
		if reason != "" {
			k.fail("set", name, reason)
			continue
		}
		k.put(lower, value)
	}
}

func (k *compiler) removeAll(names []string) {
	for _, name := range names {
		lower := strings.ToLower(name)
		reason := mistake(name, "")
		if reason == "" && k.find(lower) >= 0 {
			reason = "is set by the same policy: an empty value under set leaves it out"
		}
		if reason != "" {
			k.fail("remove", name, reason)
			continue
		}
		if !slices.Contains(k.remove, lower) {
			k.remove = append(k.remove, lower)
		}
	}
	k.remove = slices.DeleteFunc(k.remove, func(name string) bool { return k.find(name) >= 0 })
}
