package headers

import (
	"maps"
	"slices"
)

// preset is a set of headers to begin with. The CSP stands apart because
// policies change it by directive. docs/headers.md has the table; a test holds
// the two together.
type preset struct {
	csp     CSP
	set     []Header
	remove  []string
	keep    []string // what the upstream says of these stands
	cookies *Cookies
}

// leaks are removed by every preset: what the upstream runs on helps nobody who
// is welcome.
var leaks = []string{
	"server", "x-powered-by", "via", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-runtime", "x-drupal-cache",
	"x-drupal-dynamic-cache", "x-backend-server", "x-served-by", "x-server", "x-php-version", "x-mod-pagespeed", "x-litespeed-cache",
	"x-varnish", "x-envoy-upstream-service-time", "x-envoy-decorator-operation", "x-debug-token", "x-debug-token-link",
}

func header(name, value string) Header { return Header{Name: name, Value: value} }

// Values that several presets share, each with its reason.
var (
	frameDeny = header(frameOptions, "DENY")
	frameOwn  = header(frameOptions, "SAMEORIGIN")
	noSniff   = header("x-content-type-options", "nosniff")
	// No device of the user's without being asked for by policy.
	permissions = header(permissionHeader, "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	// For Flash and PDF readers that look for a policy file.
	noPolicyFiles = header("x-permitted-cross-domain-policies", "none")
	// Two years, and all neighbours: what the browsers' preload lists ask for is
	// one year at least. preload itself is the owner's to say, for all subdomains.
	hstsAll = header(hsts, "max-age=63072000; includeSubDomains")
	// A year, this host alone: its neighbours may not have TLS yet.
	hstsOwn    = header(hsts, "max-age=31536000")
	originOnly = header("referrer-policy", "strict-origin-when-cross-origin")
	noReferrer = header("referrer-policy", "no-referrer")
	openerOwn  = header("cross-origin-opener-policy", "same-origin")
	// Sign-in windows of others must be able to answer their opener.
	openerPopups  = header("cross-origin-opener-policy", "same-origin-allow-popups")
	resourcesOwn  = header("cross-origin-resource-policy", "same-origin")
	resourcesSite = header("cross-origin-resource-policy", "same-site")
)

func hardened() *Cookies {
	yes := true
	return &Cookies{Secure: &yes, HTTPOnly: &yes, SameSite: "Lax"}
}

var presets = map[string]preset{
	// strict is the seed's checklist of security headers and what belongs to it.
	// It fits an application whose scripts and styles are its own files.
	"strict": {
		csp: CSP{
			"default-src": {"'none'"}, "script-src": {"'self'"}, "style-src": {"'self'"}, "img-src": {"'self'", "data:"},
			"font-src": {"'self'"}, "connect-src": {"'self'"}, "form-action": {"'self'"}, "base-uri": {"'none'"}, frameAncestors: {"'none'"},
		},
		set:    []Header{frameDeny, noSniff, noReferrer, hstsAll, permissions, openerOwn, resourcesOwn, noPolicyFiles},
		remove: leaks, cookies: hardened(),
	},
	// web-app fits applications with pictures of elsewhere, styles in their
	// markup, and sign-in windows of others; scripts are still their own files.
	"web-app": {
		csp: CSP{
			"default-src": {"'self'"}, "img-src": {"'self'", "data:", "https:"}, "style-src": {"'self'", "'unsafe-inline'"},
			"object-src": {"'none'"}, "base-uri": {"'self'"}, "form-action": {"'self'"}, frameAncestors: {"'self'"},
		},
		set:    []Header{frameOwn, noSniff, originOnly, hstsAll, permissions, openerPopups, resourcesSite, noPolicyFiles},
		remove: leaks, cookies: hardened(),
	},
	// api fits what answers programs: nothing of an answer is ever rendered, and
	// nothing is kept by caches unless the upstream says so.
	"api": {
		csp:    CSP{"default-src": {"'none'"}, "base-uri": {"'none'"}, "form-action": {"'none'"}, frameAncestors: {"'none'"}},
		set:    []Header{frameDeny, noSniff, noReferrer, hstsAll, resourcesOwn, noPolicyFiles, header(cacheControl, "no-store")},
		remove: leaks, keep: []string{cacheControl}, cookies: hardened(),
	},
	// legacy-compatible breaks nothing that ran before: no limits on scripts, no
	// change to cookies, and what the upstream already says is kept.
	"legacy-compatible": {
		set:    []Header{frameOwn, noSniff, originOnly, hstsOwn, noPolicyFiles},
		remove: leaks, keep: []string{frameOptions, "referrer-policy", hsts},
	},
}

// Presets lists the names of the presets.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }
