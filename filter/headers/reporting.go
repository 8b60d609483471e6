package headers

import (
	"maps"
	"slices"
	"strings"
)

// maxEndpoints bounds the header; a page needs one or two.
const maxEndpoints = 16

// endpoints writes Reporting-Endpoints: a structured dictionary of strings
// (Reporting API section 3.2, RFC 9651 section 3.2).
func (k *compiler) endpoints(named map[string]string) {
	if len(named) > maxEndpoints {
		k.fail("reporting_endpoints", "", "has more than 16 endpoints")
		return
	}
	parts := make([]string, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		where := "reporting_endpoints." + name
		if !isKey(name) {
			k.fail(where, name, "is no name of an endpoint: a lower-case letter, then lower-case letters, digits, - _ . (RFC 9651 section 3.1.2)")
		}
		if reason := endpointMistake(named[name]); reason != "" {
			k.fail(where, named[name], reason)
		}
		parts = append(parts, name+`="`+named[name]+`"`)
		if name != "default" && !k.reportsTo(name) {
			k.warn(where, name, "is an endpoint that no policy reports to: write report-to: ["+name+"]")
		}
	}
	k.put(endpointsHeader, strings.Join(parts, ", "))
}

func (k *compiler) reportsTo(name string) bool {
	if slices.Contains(k.csp["report-to"], name) || slices.Contains(k.only["report-to"], name) {
		return true
	}
	return slices.ContainsFunc(k.set, func(h Header) bool { return strings.Contains(h.Value, `report-to="`+name+`"`) })
}

// endpointMistake: an endpoint that is not potentially trustworthy is ignored.
func endpointMistake(url string) string {
	rest, secure := strings.CutPrefix(url, "https://")
	switch {
	case !secure && (!strings.HasPrefix(url, "/") || strings.HasPrefix(url, "//")):
		return "is neither an https URL nor a path: browsers ignore it (Reporting API section 3.2)"
	case secure && (rest == "" || rest[0] == '/'):
		return "has no host"
	case !printable(url) || strings.ContainsAny(url, `"\#`):
		return "has a character that cannot stand in the address of an endpoint"
	}
	return ""
}

func isKey(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// siteData: Clear Site Data section 3.1.
var siteData = []string{"cache", "cookies", "storage", "clientHints", "executionContexts", "prefetchCache", "prerenderCache", "*"}

// clearSiteData writes Clear-Site-Data, and keeps the page that says so out of
// caches: a stored one would clear again.
func (k *compiler) clearSiteData(types []string) {
	quoted := make([]string, 0, len(types))
	for i, t := range types {
		switch {
		case !slices.Contains(siteData, t):
			k.fail("clear_site_data", t, "is no type of data: the types are "+strings.Join(siteData, ", ")+" (Clear Site Data section 3.1)")
		case slices.Contains(types[:i], t):
			k.fail("clear_site_data", t, "stands twice")
		case t == "*" && len(types) > 1:
			k.fail("clear_site_data", t, "is all types: leave the others out")
		}
		quoted = append(quoted, `"`+t+`"`)
	}
	if len(types) == 0 {
		return
	}
	k.put(clearHeader, strings.Join(quoted, ", "))
	if i := k.find(cacheControl); i < 0 {
		k.set = append(k.set, Header{Name: cacheControl, Value: "no-store", Existing: Replace, Because: AsClear})
	}
}
