package ratelimit

import (
	"fmt"
	"strings"
	"time"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
)

// Unit is a window length by its name.
type Unit = pb.RateLimitResponse_RateLimit_Unit

// The windows as envoyproxy/ratelimit counts them: a month has 30 days, a year
// 365.
var windows = map[Unit]time.Duration{
	pb.RateLimitResponse_RateLimit_SECOND: time.Second,
	pb.RateLimitResponse_RateLimit_MINUTE: time.Minute,
	pb.RateLimitResponse_RateLimit_HOUR:   time.Hour,
	pb.RateLimitResponse_RateLimit_DAY:    24 * time.Hour,
	pb.RateLimitResponse_RateLimit_WEEK:   7 * 24 * time.Hour,
	pb.RateLimitResponse_RateLimit_MONTH:  30 * 24 * time.Hour,
	pb.RateLimitResponse_RateLimit_YEAR:   365 * 24 * time.Hour,
}

// Config is a compiled directory. It never changes.
type Config struct {
	domains map[string]*node
}

// Rule is what applies to a descriptor.
type Rule struct {
	Name      string // of the limit, if it has one
	Requests  uint32
	Unit      Unit
	Unlimited bool
	Shadow    bool     // count and report, but never refuse
	Replaces  []string // names of limits that do not apply where this one does
}

// Window is the length of the rule's fixed window.
func (r *Rule) Window() time.Duration { return windows[r.Unit] }

// node is one level of nested descriptors. Keys of children are "key_value", or
// "key" alone for any value; wildcards end in "*", in the order of the file.
type node struct {
	rule      *Rule
	children  map[string]*node
	wildcards []string
}

// Domains is the number of domains that are configured.
func (c *Config) Domains() int { return len(c.domains) }

// Find returns the rule of a descriptor, or nil if none applies. The descriptor
// must be as deep as the rule: a rule on a parent does not apply to what has
// more entries.
func (c *Config) Find(domain string, d *ratelimitv3.RateLimitDescriptor) *Rule {
	at, ok := c.domains[domain]
	if !ok {
		return nil
	}
	if d.GetLimit() != nil {
		return overridden(d)
	}
	for _, entry := range d.GetEntries() {
		if at = at.child(entry.GetKey(), entry.GetValue()); at == nil {
			return nil
		}
	}
	return at.rule
}

// child prefers the exact value, then the first wildcard, then any value.
func (n *node) child(key, value string) *node {
	full := composite(key, value)
	if found := n.children[full]; found != nil {
		return found
	}
	for _, wildcard := range n.wildcards {
		if strings.HasPrefix(full, strings.TrimSuffix(wildcard, "*")) {
			return n.children[wildcard]
		}
	}
	return n.children[key]
}

func composite(key, value string) string {
	if value == "" {
		return key
	}
	return key + "_" + value
}

// overridden is the limit that the request itself brings along.
func overridden(d *ratelimitv3.RateLimitDescriptor) *Rule {
	unit := Unit(d.GetLimit().GetUnit())
	if _, ok := windows[unit]; !ok {
		return nil
	}
	return &Rule{Name: "override", Requests: d.GetLimit().GetRequestsPerUnit(), Unit: unit}
}

// ConfigError is one thing wrong in a file.
type ConfigError struct {
	File         string
	Line, Column int // from 1; 0 is the file as a whole
	Key          string
	What, Fix    string
}

func (m ConfigError) Error() string {
	at := m.File
	if m.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column)
	}
	if m.Key != "" {
		at += ": " + m.Key
	}
	return at + ": " + m.What + ": " + m.Fix
}

// ConfigErrors are all that was found, file by file.
type ConfigErrors []ConfigError

func (ms ConfigErrors) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is walk the list.
func (ms ConfigErrors) Unwrap() []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = m
	}
	return errs
}
