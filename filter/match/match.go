// Package match decides whether a rule's host, path and method apply to a
// request, for the filter and for authz alike: if the two disagreed about one
// request, one of them would enforce another route's policy.
//
// It promises to match what Envoy routes on: the lower-cased host without its
// port, the path without query and fragment. It does not normalise paths and
// never parses them as URLs ("//admin" would become a host): Envoy's
// normalize_path and merge_slashes have done so before, and what they leave is
// taken byte for byte.
package match

import (
	"slices"
	"strings"
)

// Rule is the condition of a rule; empty fields match everything.
type Rule struct {
	Hosts      []string
	Path       string
	PathPrefix string
	Methods    []string
}

// Matches tells whether the rule applies. authority is the :authority (Host)
// and rawPath the :path of the request, both as received.
func (r *Rule) Matches(method, authority, rawPath string) bool {
	if len(r.Methods) > 0 && !slices.Contains(r.Methods, method) {
		return false
	}
	if !r.matchesPath(Path(rawPath)) {
		return false
	}
	return len(r.Hosts) == 0 || r.matchesHost(Host(authority))
}

func (r *Rule) matchesPath(path string) bool {
	if r.Path != "" {
		return path == r.Path
	}
	return r.PathPrefix == "" || HasPathPrefix(path, r.PathPrefix)
}

func (r *Rule) matchesHost(host string) bool {
	for _, pattern := range r.Hosts {
		if HostMatches(pattern, host) {
			return true
		}
	}
	return false
}

// HostMatches tells whether pattern ("*", "*.example.com" for one or more
// further labels, or a plain host) covers host; both in lower case.
func HostMatches(pattern, host string) bool {
	if pattern == "*" {
		return true
	}
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(host) > len(suffix) && strings.HasSuffix(host, suffix)
	}
	return host == pattern
}

// Host is the lower-case host of an authority, without port. A trailing dot is
// kept: Envoy does not route "example.com." as "example.com".
func Host(authority string) string {
	host := authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(host)
}

// Path is the path of a raw :path, without query and fragment.
func Path(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		return raw[:i]
	}
	return raw
}

// HasPathPrefix tells whether prefix covers path on segment boundaries: "/a"
// covers "/a" and "/a/b", not "/ab"; "/a/" covers "/a/" and what is below.
func HasPathPrefix(path, prefix string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	return len(path) == len(prefix) || prefix[len(prefix)-1] == '/' || path[len(prefix)] == '/'
}

// Mistake says what is wrong with the rule as configuration, or is empty.
func (r *Rule) Mistake() string {
	switch {
	case r.Path != "" && r.PathPrefix != "":
		return "path and path_prefix are both set: keep one"
	case r.Path != "" && r.Path[0] != '/', r.PathPrefix != "" && r.PathPrefix[0] != '/':
		return "a path starts with /"
	case strings.ContainsAny(r.Path+r.PathPrefix, "?#"):
		return "a path has no query and no fragment"
	}
	for _, h := range r.Hosts {
		if m := hostMistake(h); m != "" {
			return m
		}
	}
	for _, m := range r.Methods {
		if m == "" || m != strings.ToUpper(m) {
			return "method \"" + m + "\" is not in upper case: methods are case-sensitive (RFC 9110 section 9.1)"
		}
	}
	return ""
}

func hostMistake(h string) string {
	rest := h
	if h == "*" {
		return ""
	}
	if r, ok := strings.CutPrefix(h, "*."); ok {
		rest = r
	}
	switch {
	case rest == "":
		return "an empty host matches nothing: leave hosts out to match all"
	case rest != strings.ToLower(rest):
		return "host \"" + h + "\" is not in lower case"
	case strings.Contains(rest, "*"):
		return "host \"" + h + "\": * stands alone or as the first label"
	case rest[0] != '[' && strings.ContainsAny(rest, ":/@ "):
		return "host \"" + h + "\" is a name without scheme, port or path"
	}
	return ""
}
