// Package headers sets the security headers of responses and takes away those
// that tell too much.
//
// It promises that each header it sets stands exactly once in the response,
// whatever the upstream sent, and that Strict-Transport-Security is sent only
// over TLS (RFC 6797 section 7.2). It does not rewrite bodies: a page that needs
// inline script needs a policy that says so.
package headers

import (
	"errors"
	"slices"
	"strings"
)

// Config is the public shape; see filter/policy.Headers for the keys.
type Config struct {
	Preset string
	Set    map[string]string
	Remove []string
}

// Header is one response header; names are in lower case.
type Header struct {
	Name, Value string
	TLSOnly     bool // only on responses to requests that came over TLS
}

// Policy is a compiled Config; immutable.
type Policy struct {
	set    []Header
	remove []string
}

// View is the response's header map of a host.
type View interface {
	// Set replaces all lines of the header by one.
	Set(name, value string)
	Remove(name string)
}

// ConfigError is one mistake in a Config.
type ConfigError struct{ Key, Value, Reason string }

func (e *ConfigError) Error() string { return e.Key + ": \"" + e.Value + "\" " + e.Reason }

// Compile validates c and reports all of its mistakes together (errors.Join).
// Without a preset, only what Set and Remove name is touched.
func Compile(c Config) (*Policy, error) {
	p := &Policy{}
	var errs []error
	preset, ok := presets[c.Preset]
	if !ok && c.Preset != "" {
		errs = append(errs, &ConfigError{"preset", c.Preset, "is unknown: the presets are " + strings.Join(Presets(), ", ")})
	}
	p.set = slices.Clone(preset.set)
	p.remove = slices.Clone(preset.remove)
	for _, name := range sortedKeys(c.Set) {
		if reason := mistake(name, c.Set[name]); reason != "" {
			errs = append(errs, &ConfigError{"set", name, reason})
			continue
		}
		p.override(strings.ToLower(name), c.Set[name])
	}
	for _, name := range c.Remove {
		if reason := mistake(name, ""); reason != "" {
			errs = append(errs, &ConfigError{"remove", name, reason})
			continue
		}
		if lower := strings.ToLower(name); !slices.Contains(p.remove, lower) {
			p.remove = append(p.remove, lower)
		}
	}
	for _, h := range p.set {
		if slices.Contains(p.remove, h.Name) {
			errs = append(errs, &ConfigError{"remove", h.Name, "is set by the same policy: an empty value under set leaves it out"})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

// override replaces a header of the preset, takes it away if value is empty, or
// adds one.
func (p *Policy) override(name, value string) {
	i := slices.IndexFunc(p.set, func(h Header) bool { return h.Name == name })
	switch {
	case i >= 0 && value == "":
		p.set = slices.Delete(p.set, i, i+1)
	case i >= 0:
		p.set[i].Value = value
	case value != "":
		p.set = append(p.set, Header{Name: name, Value: value, TLSOnly: name == hsts})
	}
}

// Apply writes the policy into a response. tls tells whether the request came
// over TLS.
func (p *Policy) Apply(tls bool, v View) {
	for _, name := range p.remove {
		v.Remove(name)
	}
	for _, h := range p.set {
		switch {
		case !h.TLSOnly || tls:
			v.Set(h.Name, h.Value)
		default:
			v.Remove(h.Name)
		}
	}
}

// Headers lists what the policy sets, for explain; the slice is shared.
func (p *Policy) Headers() []Header { return p.set }

// Removed lists what the policy removes; the slice is shared.
func (p *Policy) Removed() []string { return p.remove }

func mistake(name, value string) string {
	lower := strings.ToLower(name)
	switch {
	case !isToken(name):
		return "is not a header name (RFC 9110 section 5.6.2)"
	case slices.Contains(framing, lower):
		return "frames the message and belongs to the proxy"
	case strings.HasPrefix(lower, "access-control-"):
		return "belongs to cors"
	case lower == "set-cookie" || lower == "vary":
		return "can stand more than once or is merged: it cannot be set or removed here"
	}
	for i := range len(value) {
		if c := value[i]; c < 0x20 && c != '\t' || c >= 0x7f {
			return "has a value with a control or non-ASCII character"
		}
	}
	if value != strings.TrimSpace(value) {
		return "has a value with white space around it"
	}
	return ""
}

var framing = []string{"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-encoding", "content-type"}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
