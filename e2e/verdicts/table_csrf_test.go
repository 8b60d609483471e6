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
	opens := func(name string, header ...[2]string) Case {
		return Case{Name: name, Policy: "own-site", Header: header, Answers: 101}
	}
	varies := func(name, policy, want string) Case {
		return Case{Name: name, Policy: policy, Header: [][2]string{{"Sec-Fetch-Site", "same-origin"}}, Want: map[string]string{vary: want}}
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
		refused("a WebSocket of another site is refused, by its Origin", csrf.RuleOrigin, "GET", append(webSocket(), origin("https://evil.example"))...),
		refused("a WebSocket of a sandboxed page is refused", csrf.RuleOrigin, "GET", append(webSocket(), origin("null"))...),
		refused("a WebSocket of another site is refused, by Sec-Fetch-Site", csrf.RuleCrossSite, "GET", append(webSocket(), site("cross-site"), mode("websocket"), origin("https://evil.example"))...),
		refused("a WebSocket of another origin of the site is refused", csrf.RuleSameSite, "GET", append(webSocket(), site("same-site"), mode("websocket"), origin("https://blog.table.example"))...),
		refused("a link does not open WebSockets", csrf.RuleCrossSite, "GET", append(webSocket(), site("cross-site"), mode("navigate"))...),
		opens("a WebSocket of one's own page opens", append(webSocket(), origin("http://app.example"))...),
		opens("a WebSocket of an origin that CORS allows opens", append(webSocket(), origin("https://app.example"))...),
		opens("a WebSocket of a trusted origin opens", append(webSocket(), site("cross-site"), mode("websocket"), origin("https://pay.example"))...),
		opens("a program's WebSocket opens", webSocket()...),
		varies("what another site would not get varies on who asks", "own-site", "Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"),
		varies("where all may read, it still varies on who may embed", "open-site", csrf.Vary),
		varies("in report mode nothing depends on it", "watch-site", ""),
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

// webSocket is the opening handshake (RFC 6455 section 4.1). Chromium sends no
// Sec-Fetch-* with it.
func webSocket() [][2]string {
	return [][2]string{
		{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-Websocket-Version", "13"}, {"Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
	}
}
