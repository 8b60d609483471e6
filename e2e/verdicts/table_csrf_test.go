package verdicts

import "gatehouse/filter/csrf"

// csrfCases: W3C Fetch Metadata, and the Origin field where there is none
// (OWASP's cheat sheet on CSRF, "Fetch Metadata headers").
func csrfCases() []Case {
	refused := func(name, rule, method string, header ...[2]string) Case {
		c := Case{Name: name, Policy: "own-site", Method: method, Status: 403, Rule: rule, Decision: "deny", Header: header,
			Want: map[string]string{"X-Frame-Options": "DENY", "Content-Type": "application/problem+json"}}
		if method != "GET" {
			c.Body = "a=b"
		}
		return c
	}
	passes := func(name, method string, header ...[2]string) Case {
		c := Case{Name: name, Policy: "own-site", Method: method, Header: header}
		if method != "GET" {
			c.Body = "a=b"
		}
		return c
	}
	site := func(v string) [2]string { return [2]string{"Sec-Fetch-Site", v} }
	mode := func(v string) [2]string { return [2]string{"Sec-Fetch-Mode", v} }
	origin := func(v string) [2]string { return [2]string{"Origin", v} }
	return []Case{
		refused("another site's form is refused", csrf.RuleCrossSite, "POST", site("cross-site"), mode("navigate"), origin("https://evil.example")),
		refused("another site's script is refused", csrf.RuleCrossSite, "DELETE", site("cross-site"), mode("cors"), origin("https://evil.example")),
		refused("another site's image is refused", csrf.RuleCrossSite, "GET", site("cross-site"), mode("no-cors"), [2]string{"Sec-Fetch-Dest", "image"}),
		refused("another origin of the same site is refused", csrf.RuleSameSite, "POST", site("same-site"), origin("https://blog.table.example")),
		refused("an old browser's form of another site is refused", csrf.RuleOrigin, "POST", origin("https://evil.example")),
		refused("a sandboxed page is refused", csrf.RuleOrigin, "POST", origin("null")),
		refused("two Sec-Fetch-Mode are refused", csrf.RuleAmbiguous, "POST", site("cross-site"), mode("navigate"), mode("cors")),
		passes("one's own form passes", "POST", site("same-origin"), mode("navigate")),
		passes("a link of another site passes", "GET", site("cross-site"), mode("navigate"), [2]string{"Sec-Fetch-Dest", "document"}),
		passes("a typed address passes", "GET", site("none"), mode("navigate")),
		passes("a program passes", "POST"),
		passes("a trusted origin passes", "POST", site("cross-site"), mode("cors"), origin("https://pay.example")),
		passes("an origin that CORS allows passes", "PUT", site("cross-site"), mode("cors"), origin("https://app.example")),
		{Name: "in report mode it is recorded and passes", Policy: "watch-site", Method: "POST", Body: "a=b", Header: [][2]string{site("cross-site")},
			Rule: csrf.RuleCrossSite, Decision: "report"},
		{Name: "what every site may read, not every site may send", Policy: "open-site", Method: "POST", Body: "a=b", Status: 403,
			Header: [][2]string{site("cross-site"), origin("https://evil.example")}, Rule: csrf.RuleCrossSite, Decision: "deny"},
	}
}
