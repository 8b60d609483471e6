package cors

import "strings"

// maxOriginLen bounds what is looked at: a scheme, a name of 253 bytes and a
// port fit with room to spare.
const maxOriginLen = 512

// origin is a parsed serialised origin (HTML section 7.1.1, RFC 6454 section
// 6.2): scheme "://" host [":" port].
type origin struct {
	scheme, host, port string
}

// parseOrigin splits a serialised ASCII origin and refuses whatever a browser
// would not send: upper case, user info, a path, a default port, a trailing
// dot. "null" is no tuple origin and is refused too.
func parseOrigin(s string) (origin, bool) {
	if len(s) > maxOriginLen {
		return origin{}, false
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return origin{}, false
	}
	host, port, ok := splitPort(rest)
	if !ok || !isHost(host) || isDefaultPort(scheme, port) {
		return origin{}, false
	}
	return origin{scheme, host, port}, true
}

// isAnyOrigin tells what a browser may send at all, where every origin is allowed:
// also what no policy may list, because it is nearly always a mistake there (a host
// that ends with a dot), and the hosts of schemes of applications, which the URL
// standard leaves as they are (section 3.5, "opaque-host parser").
func isAnyOrigin(s string) bool {
	if s == "null" {
		return true
	}
	if _, ok := parseOrigin(s); ok {
		return true
	}
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme != "http" && scheme != "https" {
		return isScheme(scheme) && isOpaqueHost(rest)
	}
	host, port, ok := splitPort(rest)
	return ok && isHost(strings.TrimSuffix(host, ".")) && !isDefaultPort(scheme, port)
}

func isOpaqueHost(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte("#/<>?@\\^|,\"", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

func isScheme(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isLowerAlnum(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// splitPort takes the port off; an absent port is empty, a port that a browser
// would not serialise (leading zero, out of range, empty) is not ok.
func splitPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i < strings.LastIndexByte(s, ']') {
		return s, "", true
	}
	port = s[i+1:]
	if port == "" || len(port) > 5 || port[0] == '0' {
		return "", "", false
	}
	n := 0
	for j := range len(port) {
		if port[j] < '0' || port[j] > '9' {
			return "", "", false
		}
		n = n*10 + int(port[j]-'0')
	}
	return s[:i], port, n <= 65535
}

func isHost(h string) bool {
	if strings.HasPrefix(h, "[") {
		return isIPv6Literal(h)
	}
	if h == "" || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// isLabel admits underscores, which browsers do not reject in host names.
func isLabel(l string) bool {
	if l == "" || len(l) > 63 {
		return false
	}
	for i := range len(l) {
		if c := l[i]; !isLowerAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isIPv6Literal(h string) bool {
	if len(h) < 4 || h[len(h)-1] != ']' {
		return false
	}
	colons := 0
	for _, c := range []byte(h[1 : len(h)-1]) {
		switch {
		case c == ':':
			colons++
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c == '.':
		default:
			return false
		}
	}
	return colons >= 2
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func isDefaultPort(scheme, port string) bool {
	return scheme == "https" && port == "443" || scheme == "http" && port == "80"
}

func (o origin) loopback() bool {
	return o.host == "localhost" || strings.HasSuffix(o.host, ".localhost") || o.host == "[::1]" ||
		strings.HasPrefix(o.host, "127.") && isDotted(o.host)
}

// isDotted tells whether h ends in a number, which browsers take for an IPv4
// address (URL standard, "ends in a number checker").
func isDotted(h string) bool {
	last := h[strings.LastIndexByte(h, '.')+1:]
	if len(last) > 1 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X') {
		return true
	}
	for i := range len(last) {
		if last[i] < '0' || last[i] > '9' {
			return false
		}
	}
	return last != ""
}

// isDottedQuad tells whether h is an IPv4 address as browsers serialise it.
func isDottedQuad(h string) bool {
	parts := 0
	for part := range strings.SplitSeq(h, ".") {
		parts++
		n := 0
		if part == "" || len(part) > 3 || len(part) > 1 && part[0] == '0' {
			return false
		}
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return false
			}
			n = n*10 + int(part[i]-'0')
		}
		if n > 255 {
			return false
		}
	}
	return parts == 4
}
