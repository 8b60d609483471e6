package cors

import "strings"

// isToken tells whether s is an RFC 9110 token (section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLowerAlnum(c) && (c < 'A' || c > 'Z') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// forbiddenMethod: Fetch section 2.2.1.
func forbiddenMethod(m string) bool {
	return strings.EqualFold(m, "CONNECT") || strings.EqualFold(m, "TRACE") || strings.EqualFold(m, "TRACK")
}

// normalised tells whether browsers write the method in upper case whatever the
// script wrote (Fetch section 2.2.1, "normalize").
func normalised(m string) bool {
	switch m {
	case "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT":
		return true
	}
	return false
}

// safelistedMethod: Fetch section 2.2.1; these need no permission.
func safelistedMethod(m string) bool { return m == "GET" || m == "HEAD" || m == "POST" }

// ForbiddenHeader tells whether scripts cannot set the header (Fetch section
// 2.2.2); name is in lower case.
func ForbiddenHeader(name string) bool { return forbiddenHeader(name) }

// forbiddenHeader: Fetch section 2.2.2, "forbidden request-header".
func forbiddenHeader(name string) bool {
	switch name {
	case "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
		"access-control-request-private-network", "connection", "content-length", "cookie", "cookie2", "date", "dnt",
		"expect", "host", "keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding",
		"upgrade", "via":
		return true
	}
	return strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-")
}

// ownHeader tells whether the name is one of the protocol's own in responses.
func ownHeader(name string) bool {
	for _, own := range responseHeaders.List() {
		if name == own {
			return true
		}
	}
	return false
}

func has(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

func hasFold(list []string, s string) bool {
	for _, e := range list {
		if strings.EqualFold(e, s) {
			return true
		}
	}
	return false
}
