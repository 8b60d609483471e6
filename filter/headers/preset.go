package headers

import "slices"

const hsts = "strict-transport-security"

type preset struct {
	set    []Header
	remove []string
}

// The strict preset is the seed's security headers checklist and what belongs
// to it. It fits an application whose scripts and styles are its own files.
var presets = map[string]preset{
	"strict": {
		set: []Header{
			{Name: "content-security-policy", Value: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
				"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
			{Name: "x-frame-options", Value: "DENY"},
			{Name: "x-content-type-options", Value: "nosniff"},
			{Name: "referrer-policy", Value: "no-referrer"},
			// Two years: what the browsers' preload lists ask for at least is one.
			{Name: hsts, Value: "max-age=63072000; includeSubDomains", TLSOnly: true},
			{Name: "permissions-policy", Value: "camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
			{Name: "cross-origin-opener-policy", Value: "same-origin"},
			{Name: "cross-origin-resource-policy", Value: "same-origin"},
			{Name: "x-permitted-cross-domain-policies", Value: "none"},
		},
		remove: []string{"server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-envoy-upstream-service-time"},
	},
}

// Presets lists the names of the presets.
func Presets() []string {
	names := make([]string, 0, len(presets))
	for name := range presets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
