package verdicts

// policyCases: which policy applies, and what never reaches the application.
func policyCases() []Case {
	const dropped = "x-gatehouse-subject"
	return []Case{
		// Those without a policy come first: the Wasm runner's host cannot forget
		// a property.
		{Name: "the default policy applies where nothing else is named", Want: map[string]string{"X-Frame-Options": "DENY"}},
		{Name: "a rule applies by its path", Path: "/plain", Want: map[string]string{"X-Frame-Options": ""}},
		{Name: "a rule's path is without the query", Path: "/plain?x=/", Want: map[string]string{"X-Frame-Options": ""}},
		{Name: "a rule's path is not a prefix", Path: "/plain/x", Want: map[string]string{"X-Frame-Options": "DENY"}},
		{Name: "a rule applies by host, path and method", Method: "POST", Host: "EU.Shop.Example:8443", Path: "/files/new", Body: "x",
			Status: 415, Rule: "type_undeclared", Decision: "deny"},
		{Name: "a rule does not apply to another method", Method: "PATCH", Host: "eu.shop.example", Path: "/files", Body: "x"},
		{Name: "a rule does not apply to another host", Method: "POST", Host: "shop.example", Path: "/files", Body: "x"},
		{Name: "a rule's prefix ends at a segment", Method: "POST", Host: "eu.shop.example", Path: "/filesystem", Body: "x"},
		{Name: "route metadata goes before the rules", Policy: "own", Path: "/plain", Want: map[string]string{"X-Frame-Options": "SAMEORIGIN"}},
		{Name: "a policy that does not exist refuses", Policy: "missing", Status: 503, Rule: "unknown_policy", Decision: "deny"},
		{Name: "a header that only Gatehouse sets is dropped", Policy: "plain", Header: [][2]string{{"X-Gatehouse-Subject", "root"}}, Gone: []string{dropped}},
		{Name: "it is dropped in any case", Policy: "plain", Header: [][2]string{{"X-GATEHOUSE-SUBJECT", "root"}}, Gone: []string{dropped}},
		{Name: "it is dropped with underscores", Policy: "plain", Header: [][2]string{{"X_Gatehouse_Subject", "root"}}, Gone: []string{dropped}},
		{Name: "it is dropped when it stands twice", Policy: "plain",
			Header: [][2]string{{"X-Gatehouse-Subject", "a"}, {"X-Gatehouse-Subject", "b"}}, Gone: []string{dropped}},
		{Name: "an unknown one is dropped too", Policy: "plain", Header: [][2]string{{"X-Gatehouse-New", "1"}}, Gone: []string{"x-gatehouse-new"}},
	}
}

// headerCases: OWASP ASVS 5.0 V3.4, and the seed's checklist.
func headerCases() []Case {
	return []Case{
		{Cites: "CSP3 2.4; HTML 7.6; Fetch 3.5; Referrer Policy 4.1", Name: "strict sets the seed's checklist", Policy: "strict", Want: map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": strictCSP,
		}},
		{Cites: "HTML 7.1.3; Fetch 3.6", Name: "strict sets the isolation headers", Policy: "strict", Want: map[string]string{
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "X-Permitted-Cross-Domain-Policies": "none",
		}},
		{Cites: "RFC 6797 7.2", Name: "HSTS is not sent over http", Policy: "strict", Want: map[string]string{"Strict-Transport-Security": ""}},
		{Cites: "RFC 6797 7.2", Name: "HSTS is sent over TLS", Policy: "strict", TLS: true, Want: map[string]string{"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}},
		{Cites: "RFC 6797 7.2", Name: "the application's HSTS is removed over http", Policy: "strict",
			Upstream: [][2]string{{"Strict-Transport-Security", "max-age=1"}}, Want: map[string]string{"Strict-Transport-Security": ""}},
		{Cites: "RFC 9110 5.3", Name: "the application's header is replaced, not doubled", Policy: "strict",
			Upstream: [][2]string{{"X-Frame-Options", "ALLOWALL"}}, Want: map[string]string{"X-Frame-Options": "DENY"}},
		{Cites: "RFC 9110 10.2.4, 17.12", Name: "what tells too much is removed", Policy: "strict",
			Upstream: [][2]string{{"Server", "Apache/2.4.1"}, {"X-Powered-By", "PHP/7"}}, Want: map[string]string{"Server": "", "X-Powered-By": ""}},
		{Cites: "RFC 9110 5.5", Name: "other headers stay", Policy: "strict", Upstream: [][2]string{{"X-Other", "1"}, {"Cache-Control", "max-age=5"}},
			Want: map[string]string{"X-Other": "1", "Cache-Control": "max-age=5"}},
		{Cites: "RFC 6265bis 4.1.2; RFC 9110 5.3", Name: "cookies are hardened, each on its line", Policy: "strict", Upstream: [][2]string{{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}},
			Want: map[string]string{"Set-Cookie": "a=1; HttpOnly; SameSite=Lax | b=2; HttpOnly; SameSite=Lax"}},
		{Cites: "HTML 7.6", Name: "an override replaces the preset's value", Policy: "own", Want: map[string]string{"X-Frame-Options": "SAMEORIGIN"}},
		{Cites: "RFC 9110 5.5", Name: "an own header is added", Policy: "own", Want: map[string]string{"X-Own": "1"}},
		{Cites: "HTML 7.6", Name: "an empty override leaves the header to the application", Policy: "own",
			Upstream: [][2]string{{"Referrer-Policy", "origin"}}, Want: map[string]string{"Referrer-Policy": "origin"}},
		{Cites: "RFC 9110 10.2.4, 17.12", Name: "an own removal removes", Policy: "own", Upstream: [][2]string{{"X-Secret", "1"}}, Want: map[string]string{"X-Secret": ""}},
		{Cites: "RFC 9110 5.5", Name: "in report mode nothing is set", Policy: "quiet", Want: map[string]string{"X-Frame-Options": ""}},
		{Cites: "RFC 9110 5.5", Name: "in report mode nothing is removed", Policy: "quiet", Upstream: [][2]string{{"X-Powered-By", "PHP"}}, Want: map[string]string{"X-Powered-By": "PHP"}},
		{Cites: "RFC 9110 15.5; RFC 9111 5.2.2.5", Name: "a refusal carries the headers too", Policy: "upload", Method: "POST", Body: "x", Status: 415, Rule: "type_undeclared", Decision: "deny",
			Want: map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}},
		{Cites: "RFC 9110 5.5", Name: "an empty policy touches nothing", Policy: "plain", Upstream: [][2]string{{"Server", "x"}, {"Vary", "Accept"}},
			Want: map[string]string{"Server": "x", "Vary": "Accept", "X-Frame-Options": ""}},
	}
}
