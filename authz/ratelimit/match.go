package ratelimit

import (
	"strings"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
)

// Match is a rule as it applies to one descriptor.
type Match struct {
	*Rule // nil: none applies
	// shared are the values that the counter is named by, instead of the request's,
	// by the number of the entry: patterns of share_threshold.
	shared map[int]string
}

// node is one level of nested descriptors. Keys of children are "key_value", or
// "key" alone for any value; wildcards are in the order of the file.
type node struct {
	rule      *Rule
	share     string // the value's pattern, if all that match it share a counter
	value     string // as the file has it
	children  map[string]*node
	wildcards []wildcard
	// valueToMetric puts the request's value into the names of metrics.
	valueToMetric bool
}

// wildcard is a child whose name has stars in it, each of which stands for any text.
type wildcard struct {
	parts []string // between the stars, at least two
	child *node
}

func (w wildcard) matches(text string) bool {
	first, last := w.parts[0], w.parts[len(w.parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range w.parts[1 : len(w.parts)-1] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// Find returns the rule of a descriptor. The descriptor must be as deep as the rule:
// a rule on a parent does not apply to what has more entries.
func (c *Config) Find(domain string, d *ratelimitv3.RateLimitDescriptor) Match {
	at, ok := c.domains[domain]
	if !ok {
		return Match{}
	}
	if d.GetLimit() != nil {
		return Match{Rule: overridden(d)}
	}
	var shared map[int]string
	for i, entry := range d.GetEntries() {
		if at = at.child(entry.GetKey(), entry.GetValue()); at == nil {
			return Match{}
		}
		if at.share != "" {
			if shared == nil {
				shared = map[int]string{}
			}
			shared[i] = at.share
		}
	}
	return Match{Rule: at.rule, shared: shared}
}

// child prefers the exact value, then the first wildcard, then any value.
func (n *node) child(key, value string) *node {
	full := key + "_" + value
	if found := n.children[full]; found != nil {
		return found
	}
	for _, w := range n.wildcards {
		if w.matches(full) {
			return w.child
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

// overridden is the limit that the request itself brings along, nil if its unit is
// not known.
func overridden(d *ratelimitv3.RateLimitDescriptor) *Rule {
	unit := Unit(d.GetLimit().GetUnit())
	if _, ok := windows[unit]; !ok {
		return nil
	}
	return &Rule{Requests: d.GetLimit().GetRequestsPerUnit(), Unit: unit}
}
