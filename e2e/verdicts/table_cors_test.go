package verdicts

// corsCases: the Fetch standard, section 3.3 (CORS protocol). Where a case names
// no rule, the request goes on and only the page's right to read is at stake.
func corsCases() []Case {
	const (
		acao, acac, acah  = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers"
		acam, acma, aceh  = "Access-Control-Allow-Methods", "Access-Control-Max-Age", "Access-Control-Expose-Headers"
		preflightVary     = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
		preflight, denied = "cors_preflight", "deny"
	)
	origin := func(o string) [2]string { return [2]string{"Origin", o} }
	asks := func(o, method string, headers ...string) [][2]string {
		h := [][2]string{origin(o), {"Access-Control-Request-Method", method}}
		for _, list := range headers {
			h = append(h, [2]string{"Access-Control-Request-Headers", list})
		}
		return h
	}
	none := map[string]string{acao: "", acac: "", acam: "", acah: "", acma: "", aceh: ""}
	refused := map[string]string{acao: "", acac: "", acam: "", acah: "", acma: "", "Vary": preflightVary}
	return []Case{
		{Name: "an allowed origin may read", Policy: "share", Header: [][2]string{origin("https://app.example")},
			Want: map[string]string{acao: "https://app.example", acac: "true", aceh: "x-total", "Vary": "Origin"}},
		{Name: "an allowed subdomain may read", Policy: "share", Header: [][2]string{origin("https://a.b.apps.example")},
			Want: map[string]string{acao: "https://a.b.apps.example", "Vary": "Origin"}},
		{Name: "the apex of a wildcard may not", Policy: "share", Header: [][2]string{origin("https://apps.example")}, Want: none},
		{Name: "any port of localhost may read", Policy: "share", Header: [][2]string{origin("http://localhost:5173")},
			Want: map[string]string{acao: "http://localhost:5173"}},
		{Name: "another origin may not read, and the answer varies all the same", Policy: "share", Header: [][2]string{origin("https://evil.example")},
			Want: map[string]string{acao: "", acac: "", "Vary": "Origin"}},
		{Name: "no origin varies too", Policy: "share", Want: map[string]string{acao: "", "Vary": "Origin"}},
		{Name: "an origin in upper case is another", Policy: "share", Header: [][2]string{origin("https://APP.example")}, Want: none},
		{Name: "an origin with its default port is another", Policy: "share", Header: [][2]string{origin("https://app.example:443")}, Want: none},
		{Name: "an origin with a path is none", Policy: "share", Header: [][2]string{origin("https://app.example/")}, Want: none},
		{Name: "http is not https", Policy: "share", Header: [][2]string{origin("http://app.example")}, Want: none},
		{Name: "null is not allowed", Policy: "share", Header: [][2]string{origin("null")}, Want: none},
		{Name: "an empty origin is not allowed", Policy: "share", Header: [][2]string{origin("")}, Want: none},
		{Name: "two Origin lines are not allowed", Policy: "share", Header: [][2]string{origin("https://app.example"), origin("https://app.example")}, Want: none},
		{Name: "a list of origins is not allowed", Policy: "share", Header: [][2]string{origin("https://app.example, https://app.example")}, Want: none},
		{Name: "an origin that ends like an allowed one is another", Policy: "share", Header: [][2]string{origin("https://evil.example/.apps.example")}, Want: none},
		{Name: "the application's permission is replaced", Policy: "share", Header: [][2]string{origin("https://app.example")},
			Upstream: [][2]string{{acao, "*"}, {aceh, "x-inner"}}, Want: map[string]string{acao: "https://app.example", aceh: "x-total"}},
		{Name: "the application's permission is removed for others", Policy: "share", Header: [][2]string{origin("https://evil.example")},
			Upstream: [][2]string{{acao, "https://evil.example"}, {acac, "true"}}, Want: none},
		{Name: "Vary is merged, once", Policy: "share", Upstream: [][2]string{{"Vary", "Accept-Encoding"}}, Want: map[string]string{"Vary": "Accept-Encoding, Origin"}},
		{Name: "a Vary on Origin is not doubled", Policy: "share", Upstream: [][2]string{{"Vary", "origin"}}, Want: map[string]string{"Vary": "origin"}},
		{Name: "a star answers with a star and does not vary", Policy: "open", Header: [][2]string{origin("https://any.example")},
			Want: map[string]string{acao: "*", acac: "", "Vary": ""}},
		{Name: "without a policy the application decides", Policy: "plain", Header: [][2]string{origin("https://evil.example")},
			Upstream: [][2]string{{acao, "*"}}, Want: map[string]string{acao: "*", "Vary": ""}},
		{Name: "switched off, the application decides", Policy: "unshared", Header: [][2]string{origin("https://evil.example")},
			Upstream: [][2]string{{acao, "*"}}, Want: map[string]string{acao: "*"}},
		{Name: "in report mode the application decides", Policy: "watch", Header: [][2]string{origin("https://evil.example")},
			Upstream: [][2]string{{acao, "*"}}, Want: map[string]string{acao: "*"}},

		{Name: "a preflight is answered by the filter", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "PUT"),
			Status: 204, Rule: preflight,
			Want: map[string]string{acao: "https://app.example", acac: "true", acam: "PUT, DELETE", acma: "600", "Vary": preflightVary}},
		{Name: "a safelisted method needs no list", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "POST", "content-type"),
			Status: 204, Rule: preflight, Want: map[string]string{acao: "https://app.example", acam: "", acah: "x-token, content-type"}},
		{Name: "headers are asked for in any case", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "GET", "X-Token,Content-Type"),
			Status: 204, Rule: preflight, Want: map[string]string{acah: "x-token, content-type"}},
		{Name: "empty elements of the list count for nothing", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "GET", ", x-token ,,"),
			Status: 204, Rule: preflight, Want: map[string]string{acao: "https://app.example"}},
		{Name: "a preflight from another origin is refused", Policy: "share", Method: "OPTIONS", Header: asks("https://evil.example", "PUT"),
			Status: 403, Rule: "cors_origin", Decision: denied, Want: refused},
		{Name: "a preflight for another method is refused", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "PATCH"),
			Status: 403, Rule: "cors_method", Decision: denied, Want: refused},
		{Name: "methods are case-sensitive", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "put"),
			Status: 403, Rule: "cors_method", Decision: denied, Want: refused},
		{Name: "an empty method is refused", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", ""),
			Status: 403, Rule: "cors_method", Decision: denied, Want: refused},
		{Name: "a preflight for another header is refused", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "PUT", "x-token,x-other"),
			Status: 403, Rule: "cors_header", Decision: denied, Want: refused},
		{Name: "a preflight from null is refused", Policy: "share", Method: "OPTIONS", Header: asks("null", "PUT"),
			Status: 403, Rule: "cors_origin", Decision: denied, Want: refused},
		{Name: "any method is answered with the one asked for", Policy: "open", Method: "OPTIONS", Header: asks("https://any.example", "PATCH"),
			Status: 204, Rule: preflight, Want: map[string]string{acao: "*", acam: "PATCH"}},
		{Name: "any header does not cover Authorization", Policy: "open", Method: "OPTIONS", Header: asks("https://any.example", "GET", "authorization"),
			Status: 403, Rule: "cors_header", Decision: denied, Want: refused},
		{Name: "a preflight answer carries the security headers", Policy: "share", Method: "OPTIONS", Header: asks("https://app.example", "PUT"),
			Status: 204, Rule: preflight, Want: map[string]string{"X-Content-Type-Options": "nosniff"}},
		{Name: "OPTIONS without an origin is the application's", Policy: "share", Method: "OPTIONS", Header: [][2]string{{"Access-Control-Request-Method", "PUT"}}},
		{Name: "OPTIONS without a method is the application's", Policy: "share", Method: "OPTIONS", Header: [][2]string{origin("https://app.example")},
			Want: map[string]string{acao: "https://app.example"}},
		{Name: "without a policy a preflight is the application's", Policy: "plain", Method: "OPTIONS", Header: asks("https://app.example", "PUT")},
		{Name: "in report mode a preflight is the application's, and recorded", Policy: "watch", Method: "OPTIONS",
			Header: asks("https://evil.example", "PUT"), Rule: "cors_origin", Decision: "report"},
	}
}
