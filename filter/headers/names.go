package headers

import (
	"slices"
	"strings"
)

// class tells to which responses a header belongs.
type class uint8

const (
	// always: any final response, gRPC and upgrades included.
	always class = iota
	// browser: what a browser may fetch, whatever it does with it.
	browser
	// document: what may become a page, or a worker.
	document
	// success: 2xx and 3xx.
	success
)

const (
	hsts             = "strict-transport-security"
	frameOptions     = "x-frame-options"
	cspHeader        = "content-security-policy"
	cspOnlyHeader    = "content-security-policy-report-only"
	endpointsHeader  = "reporting-endpoints"
	clearHeader      = "clear-site-data"
	permissionHeader = "permissions-policy"
	cacheControl     = "cache-control"
)

func classOf(name string) class {
	switch name {
	case cspHeader, cspOnlyHeader, frameOptions, permissionHeader, permissionHeader + "-report-only", endpointsHeader, "referrer-policy",
		"cross-origin-opener-policy", "cross-origin-opener-policy-report-only", "cross-origin-embedder-policy",
		"cross-origin-embedder-policy-report-only", "x-permitted-cross-domain-policies", "origin-agent-cluster", "document-policy",
		"x-xss-protection", "x-dns-prefetch-control", "report-to", "nel", "x-download-options", "content-security-policy-nonce":
		return document
	case "x-content-type-options", "cross-origin-resource-policy", cacheControl, "timing-allow-origin":
		return browser
	case clearHeader:
		return success
	}
	return always
}

// mistake says why a header cannot be set or removed by name.
func mistake(name, value string) string {
	lower := strings.ToLower(name)
	switch {
	case !isToken(name):
		return "is not a header name (RFC 9110 section 5.6.2)"
	case slices.Contains(framing, lower):
		return "frames the message and belongs to the proxy"
	case strings.HasPrefix(lower, "access-control-"):
		return "belongs to cors"
	case lower == "vary":
		return "is merged, because caches need all of it: it cannot be set or removed here"
	case lower == "set-cookie":
		return "can stand more than once: it cannot be set or removed here, see cookies"
	}
	for i := range len(value) {
		if c := value[i]; c < 0x20 && c != '\t' || c >= 0x7f {
			return "has a value with a control or non-ASCII character (RFC 9110 section 5.5)"
		}
	}
	if value != strings.TrimSpace(value) {
		return "has a value with white space around it (RFC 9110 section 5.5)"
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
