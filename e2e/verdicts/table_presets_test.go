package verdicts

// The table's values that stand in many cases.
const (
	strictCSP = "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; " +
		"img-src 'self' data:; script-src 'self'; style-src 'self'"
	webCSP = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; img-src 'self' data: https:; object-src 'none'; " +
		"style-src 'self' 'unsafe-inline'"
	apiCSP    = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	twoYears  = "max-age=63072000; includeSubDomains"
	hstsName  = "Strict-Transport-Security"
	cspName   = "Content-Security-Policy"
	onlyName  = "Content-Security-Policy-Report-Only"
	frameName = "X-Frame-Options"
)

func headerTable() []Case {
	var all []Case
	for _, part := range [][]Case{presetCases(), leakCases(), statusCases(), cspCases(), hstsCases(), existingCases(), cookieCases(), signOutCases()} {
		all = append(all, part...)
	}
	return all
}

// one is a case of one response header over TLS.
func one(cites, name, policy string, upstream [][2]string, header, want string) Case {
	return Case{Cites: cites, Name: name, Policy: policy, TLS: true, Upstream: upstream, Want: map[string]string{header: want}}
}

// presetCases: each preset, header by header.
func presetCases() []Case {
	var all []Case
	for _, p := range []struct {
		policy string
		want   map[string]string
	}{
		{"strict", map[string]string{
			cspName: strictCSP, frameName: "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", hstsName: twoYears,
			"Permissions-Policy":         "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "X-Permitted-Cross-Domain-Policies": "none", "Cache-Control": "",
		}},
		{"web", map[string]string{
			cspName: webCSP, frameName: "SAMEORIGIN", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin-when-cross-origin", hstsName: twoYears,
			"Cross-Origin-Opener-Policy": "same-origin-allow-popups", "Cross-Origin-Resource-Policy": "same-site", "X-Permitted-Cross-Domain-Policies": "none", "Cache-Control": "",
		}},
		{"api", map[string]string{
			cspName: apiCSP, frameName: "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", hstsName: twoYears,
			"Permissions-Policy": "", "Cross-Origin-Opener-Policy": "", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
		}},
		{"legacy", map[string]string{
			cspName: "", frameName: "SAMEORIGIN", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin-when-cross-origin",
			hstsName: "max-age=31536000", "Cross-Origin-Opener-Policy": "", "Cross-Origin-Resource-Policy": "", "Permissions-Policy": "",
		}},
	} {
		for name, value := range p.want {
			says := "sets " + name
			if value == "" {
				says = "leaves " + name + " alone"
			}
			all = append(all, one(sections[name], p.policy+" "+says, p.policy, nil, name, value))
		}
	}
	return all
}

// sections say where a header is defined.
var sections = map[string]string{
	cspName: "CSP3 3.1", onlyName: "CSP3 3.2", frameName: "HTML 7.6", hstsName: "RFC 6797 6.1", "X-Content-Type-Options": "Fetch 3.5",
	"Referrer-Policy": "Referrer Policy 4.1", "Permissions-Policy": "Permissions Policy 5.2", "Cross-Origin-Opener-Policy": "HTML 7.1.3",
	"Cross-Origin-Resource-Policy": "Fetch 3.6", "X-Permitted-Cross-Domain-Policies": "Adobe Cross-Domain Policy File 1.6", "Cache-Control": "RFC 9111 5.2",
}

// leakCases: what tells about the application.
func leakCases() []Case {
	const cites = "RFC 9110 17.12; ASVS 5.0 V13.4.6"
	var all []Case
	for _, name := range []string{"Server", "X-Powered-By", "Via", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator", "X-Runtime", "X-Drupal-Cache",
		"X-Varnish", "X-Backend-Server", "X-Debug-Token-Link", "X-Php-Version"} {
		all = append(all, one(cites, name+" is removed", "strict", [][2]string{{name, "tells/1.2"}}, name, ""))
	}
	return append(all,
		one(cites, "leaks are removed for an API", "api", [][2]string{{"X-Powered-By", "Express"}}, "X-Powered-By", ""),
		one(cites, "leaks are removed for a web application", "web", [][2]string{{"Server", "nginx/1.2"}}, "Server", ""),
		one(cites, "leaks are removed for what is old", "legacy", [][2]string{{"X-AspNet-Version", "4.0"}}, "X-AspNet-Version", ""),
		one(cites, "both lines of a leak are removed", "strict", [][2]string{{"Via", "1.1 a"}, {"Via", "1.1 b"}}, "Via", ""),
		one(cites, "a leak may be kept by name", "keep", [][2]string{{"Server", "mine"}}, "Server", "mine"),
		one(cites, "without a preset leaks stay", "cookies", [][2]string{{"X-Powered-By", "PHP"}}, "X-Powered-By", "PHP"),
		one("RFC 9110 8.8.3", "an ETag is no leak", "strict", [][2]string{{"ETag", `"1"`}}, "ETag", `"1"`),
	)
}

// signOutCases: Clear Site Data.
func signOutCases() []Case {
	const header, value, cites = "Clear-Site-Data", `"cache", "cookies", "storage"`, "Clear Site Data 3.1"
	at := func(name string, status int, want string) Case {
		c := one(cites, name, "sign-out", nil, header, want)
		c.Answers = status
		return c
	}
	redirect := at("a sign-out that redirects clears", 303, value)
	redirect.Upstream = [][2]string{{"Location", "/"}}
	return []Case{
		at("a sign-out clears", 200, value), redirect, at("a sign-out without content clears", 204, value),
		at("a sign-out that was refused clears nothing", 403, ""), at("a sign-out that failed clears nothing", 500, ""),
		one("RFC 9111 5.2.2.5", "what clears is not stored", "sign-out", nil, "Cache-Control", "no-store"),
		one(cites, "the application's own is replaced", "sign-out", [][2]string{{header, `"cookies"`}}, header, value),
		one(cites, "without the setting the application's own stays", "strict", [][2]string{{header, `"cookies"`}}, header, `"cookies"`),
	}
}
