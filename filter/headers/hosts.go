package headers

import "strings"

// hostSource says what is wrong with a scheme-source or host-source (CSP Level
// 3, section 2.3.1): [scheme "://"] host [":" port] [path].
func hostSource(v string) string {
	if scheme, ok := strings.CutSuffix(v, ":"); ok && !strings.Contains(scheme, ".") {
		if !isScheme(scheme) {
			return "is no scheme (RFC 3986 section 3.1)"
		}
		return ""
	}
	rest := v
	if scheme, after, ok := strings.Cut(v, "://"); ok {
		if !isScheme(scheme) {
			return "has no scheme before :// (RFC 3986 section 3.1)"
		}
		rest = after
	}
	host, path, hasPath := strings.Cut(rest, "/")
	if hasPath && strings.ContainsAny(path, "?#") {
		return "has a query or fragment, which no source can have"
	}
	return hostAndPort(host)
}

func hostAndPort(s string) string {
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && port != "*" && (port == "" || strings.Trim(port, "0123456789") != "") {
		return "has a port that is neither a number nor * (an IPv6 address cannot be a source)"
	}
	if host == "*" {
		return ""
	}
	if strings.Contains(strings.TrimPrefix(host, "*."), "*") {
		return "has a * that is not the first label: write https://*.example.com"
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(host, "*."), ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return "is no host (CSP Level 3, section 2.3.1)"
		}
	}
	return ""
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || (s[i] < '0' || s[i] > '9') && strings.IndexByte("+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}
