package headers

import (
	"slices"
	"strconv"
	"strings"
)

// known are the values that a header can have; anything else is ignored by
// browsers without a word.
var known = map[string][]string{
	"x-content-type-options":                   {"nosniff"},                                                                                // Fetch section 3.5
	frameOptions:                               {"DENY", "SAMEORIGIN"},                                                                     // HTML section 7.6
	"cross-origin-resource-policy":             {"same-origin", "same-site", "cross-origin"},                                               // Fetch section 3.6
	"cross-origin-opener-policy":               {"same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"},        // HTML section 7.1.3
	"cross-origin-opener-policy-report-only":   {"same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"},        // HTML section 7.1.3
	"cross-origin-embedder-policy":             {"require-corp", "credentialless", "unsafe-none"},                                          // HTML section 7.1.4
	"cross-origin-embedder-policy-report-only": {"require-corp", "credentialless", "unsafe-none"},                                          // HTML section 7.1.4
	"x-permitted-cross-domain-policies":        {"none", "master-only", "by-content-type", "by-ftp-filename", "all", "none-this-response"}, // Adobe's specification
	"origin-agent-cluster":                     {"?1", "?0"},                                                                               // HTML section 7.1.2
	"x-download-options":                       {"noopen"},
	"x-dns-prefetch-control":                   {"on", "off"},
}

// referrerPolicies: Referrer Policy section 3.
var referrerPolicies = []string{
	"no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
	"strict-origin-when-cross-origin", "unsafe-url",
}

// judgeValue says what is wrong with the value of a header that it knows, and
// warns of what is weak.
func (k *compiler) judgeValue(written, name, value string) string {
	switch name {
	case hsts:
		return k.judgeHSTS(written, value)
	case "referrer-policy":
		return k.judgeReferrer(written, value)
	case permissionHeader, permissionHeader + "-report-only":
		return judgePermissions(value)
	case "x-xss-protection":
		if value != "0" {
			return "switches on a filter that browsers removed because it opened holes: write 0, or leave it out"
		}
	case "public-key-pins", "expect-ct", "feature-policy", "x-webkit-csp", "x-content-security-policy":
		return "is obsolete: browsers ignore it"
	case cspHeader, cspOnlyHeader:
		return ""
	case endpointsHeader:
		return "is written by reporting_endpoints"
	case clearHeader:
		return "is written by clear_site_data"
	case cspNonceHeader:
		return "is the upstream's to read, and nobody else's"
	}
	list, ok := known[name]
	plain, _, _ := strings.Cut(value, ";") // parameters: report-to="name"
	if plain = strings.TrimSpace(plain); ok && !slices.Contains(list, plain) {
		if frame := strings.ToUpper(value); name == frameOptions {
			if strings.HasPrefix(frame, "ALLOW-FROM") {
				return "has ALLOW-FROM, which browsers ignore: name the origins under csp: frame-ancestors"
			}
		}
		return "is not one of the values that browsers know: " + strings.Join(list, ", ")
	}
	return ""
}

const (
	year     = 365 * 24 * 3600
	halfYear = year / 2
)

// judgeHSTS: RFC 6797 section 6.1, and for preload what hstspreload.org asks.
func (k *compiler) judgeHSTS(written, value string) string {
	age, sub, preload := int64(-1), false, false
	seen := map[string]bool{}
	for part := range strings.SplitSeq(value, ";") {
		name, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" {
			continue // RFC 6797 section 6.1: directives may be empty
		}
		if seen[name] {
			return "has " + name + " twice (RFC 6797 section 6.1)"
		}
		seen[name] = true
		switch name {
		case "max-age":
			n, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(text), `"`), 10, 64)
			if err != nil || n < 0 {
				return "has a max-age that is no number of seconds (RFC 6797 section 6.1.1)"
			}
			age = n
		case "includesubdomains":
			sub = true
		case "preload":
			preload = true
		default:
			return "has an unknown directive " + name + " (RFC 6797 section 6.1)"
		}
	}
	switch {
	case age < 0:
		return "has no max-age (RFC 6797 section 6.1.1)"
	case preload && age < year:
		return "says preload, which browsers' lists take only with a max-age of at least 31536000, a year"
	case preload && !sub:
		return "says preload, which browsers' lists take only with includeSubDomains"
	case age > 0 && age < halfYear:
		k.warn("set", written, "is remembered for less than half a year: who comes back later begins in clear")
	}
	return ""
}

// judgeReferrer: the last known token of the list counts (section 8.1), so that
// an unknown one is a misspelling.
func (k *compiler) judgeReferrer(written, value string) string {
	for token := range strings.SplitSeq(value, ",") {
		token = strings.ToLower(strings.TrimSpace(token))
		if !slices.Contains(referrerPolicies, token) {
			return "has an unknown policy " + token + ": the policies are " + strings.Join(referrerPolicies, ", ")
		}
		if token == "unsafe-url" {
			k.warn("set", written, "sends whole addresses, queries included, to every site")
		}
	}
	return ""
}

// judgePermissions: a structured dictionary of allow-lists (Permissions Policy
// section 5.2). One that is no dictionary is ignored as a whole, and so is what a
// list has beside keywords and quoted origins.
func judgePermissions(value string) string {
	list, _ := members(permissionHeader, value)
	seen := make(map[string]bool, len(list))
	for _, member := range list {
		name, allowed, ok := strings.Cut(member, "=")
		switch {
		case strings.Contains(member, "'"):
			return "is written in the grammar of Feature-Policy: write camera=(), geolocation=(self \"https://maps.example\")"
		case !ok || !isFeature(name):
			return "has a member that is no feature=(list): " + member
		case seen[name]:
			return "has " + name + " twice: the first counts for nothing (RFC 9651 section 4.2.2)"
		}
		seen[name] = true
		if reason := judgeAllowList(allowed); reason != "" {
			return reason + ": " + member
		}
	}
	if !isDictionary(value) {
		return "is no dictionary of structured fields (RFC 9651 section 3.2): browsers ignore all of it"
	}
	return ""
}

func judgeAllowList(list string) string {
	list, _, _ = strings.Cut(list, ";")
	inner, isList := strings.CutPrefix(strings.TrimSpace(list), "(")
	if isList {
		if !strings.HasSuffix(inner, ")") || strings.Contains(inner, "(") {
			return "has a list without its end"
		}
		inner = strings.TrimSuffix(inner, ")")
	}
	for item := range strings.FieldsSeq(inner) {
		switch {
		case item == "*" || item == "self" || item == "src":
		case strings.HasPrefix(item, `"`) && strings.Contains(item, "://"):
		case isList && strings.Contains(item, "://"):
			return "has an origin without double quotes, which browsers ignore"
		case isList && strings.HasPrefix(item, `"`):
			return "has a word in quotes that is no origin, which browsers ignore"
		default:
			return `has an allow-list that is none of (), *, self, (self "https://a.example")`
		}
	}
	return ""
}

func isFeature(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
