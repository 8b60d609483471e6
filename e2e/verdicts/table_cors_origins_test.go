package verdicts

import "strings"

// originCases asks each question about an origin twice: of a request, which goes
// on in any case, and of a preflight.
func originCases() []Case {
	var cases []Case
	for _, q := range originQuestions() {
		o := [][2]string{}
		for _, line := range q.lines {
			o = append(o, origin(line))
		}
		method := [2]string{"Access-Control-Request-Method", "GET"}
		seen := with()
		if q.allowed {
			seen[acao] = q.lines[0]
			if q.policy == "share" {
				seen[acac], seen[aceh] = "true", "x-total"
			}
		}
		seen[vary] = "Origin"
		cases = append(cases, Case{Name: "origin: " + q.name, Cite: citeCheck + "; " + citeOrigin, Policy: q.policy, Header: o, Want: seen})
		if len(o) == 0 {
			continue
		}
		asked := append(append([][2]string{}, o...), method)
		if !q.allowed {
			cases = append(cases, declined("preflight, origin: "+q.name, citePreflight+"; "+citeCheck, q.policy, "cors_origin", asked))
			continue
		}
		grant := granted("preflight, origin: "+q.name, citePreflight+"; "+citeCheck, q.policy, asked, acao, q.lines[0])
		if q.policy == "share" {
			grant.Want[acac], grant.Want[acma] = "true", "600"
		}
		if q.policy == "several" {
			grant.Want[acma] = "86400"
		}
		cases = append(cases, grant)
	}
	return cases
}

type originQuestion struct {
	name, policy string
	lines        []string
	allowed      bool
}

func originQuestions() []originQuestion {
	one := func(name, policy, o string, allowed bool) originQuestion {
		return originQuestion{name, policy, []string{o}, allowed}
	}
	return []originQuestion{
		{"none at all", "share", nil, false},
		one("the one allowed", "share", "https://app.example", true),
		one("a subdomain under a wildcard", "share", "https://a.apps.example", true),
		one("two labels under a wildcard", "share", "https://a.b.apps.example", true),
		one("an underscore in a label", "share", "https://a_b.apps.example", true),
		one("any port of localhost", "share", "http://localhost:5173", true),
		one("no port of localhost", "share", "http://localhost", true),
		one("the highest port of localhost", "share", "http://localhost:65535", true),
		one("another site", "share", "https://evil.example", false),
		one("the apex of a wildcard", "share", "https://apps.example", false),
		one("an empty label under a wildcard", "share", "https://.apps.example", false),
		one("a port under a wildcard", "share", "https://a.apps.example:8443", false),
		one("http under a wildcard of https", "share", "http://a.apps.example", false),
		one("the tail of a label", "share", "https://evilapps.example", false),
		one("a path that ends like a wildcard", "share", "https://evil.example/.apps.example", false),
		one("user information before a wildcard", "share", "https://evil.example@a.apps.example", false),
		one("a backslash before a wildcard", "share", `https://evil.example\.apps.example`, false),
		one("a hash before a wildcard", "share", "https://evil.example#.apps.example", false),
		one("a question mark before a wildcard", "share", "https://evil.example?.apps.example", false),
		one("a percent sign before a wildcard", "share", "https://evil.example%2f.apps.example", false),
		one("a star of its own", "share", "https://*.apps.example", false),
		one("upper case", "share", "https://APP.example", false),
		one("an upper-case scheme", "share", "HTTPS://app.example", false),
		one("upper case under a wildcard", "share", "https://A.apps.example", false),
		one("the default port spelt out", "share", "https://app.example:443", false),
		one("another port", "share", "https://app.example:8443", false),
		one("an empty port", "share", "https://app.example:", false),
		one("a slash at the end", "share", "https://app.example/", false),
		one("a trailing dot", "share", "https://app.example.", false),
		one("a trailing dot under a wildcard", "share", "https://a.apps.example.", false),
		one("http for https", "share", "http://app.example", false),
		one("no scheme", "share", "app.example", false),
		one("no slashes", "share", "https:app.example", false),
		one("another scheme", "share", "wss://app.example", false),
		one("a longer host", "share", "https://app.example.evil.example", false),
		one("a longer beginning", "share", "https://xapp.example", false),
		one("null", "share", "null", false),
		one("a star", "share", "*", false),
		one("an empty line", "share", "", false),
		one("a list with the allowed one", "share", "https://app.example, https://app.example", false),
		one("a list by spaces, as RFC 6454 had it", "share", "https://app.example https://evil.example", false),
		one("an international name as it is written", "share", "https://bücher.apps.example", false),
		one("port 0 of localhost", "share", "http://localhost:0", false),
		one("the default port of localhost", "share", "http://localhost:80", false),
		one("a port too large of localhost", "share", "http://localhost:65536", false),
		one("a port with a leading zero of localhost", "share", "http://localhost:05173", false),
		one("no number as port of localhost", "share", "http://localhost:x", false),
		one("https of localhost", "share", "https://localhost:5173", false),
		one("a longer localhost", "share", "http://localhost.evil.example", false),
		one("localhost as user information", "share", "http://localhost:1@evil.example", false),
		one("longer than any name", "share", "https://"+strings.Repeat("a.", 300)+"apps.example", false),
		one("a label longer than any", "share", "https://"+strings.Repeat("a", 64)+".apps.example", false),
		{"two lines with the allowed one", "share", []string{"https://app.example", "https://app.example"}, false},
		{"two lines, the allowed one first", "share", []string{"https://app.example", "https://evil.example"}, false},
		{"two lines, the allowed one last", "share", []string{"https://evil.example", "https://app.example"}, false},
		one("a port that is listed", "several", "https://app.example:8443", true),
		one("an IPv6 address", "several", "http://[::1]:8080", true),
		one("an IPv4 address", "several", "http://127.0.0.1:3000", true),
		one("a scheme of an application", "several", "app://desk", true),
		one("punycode under a wildcard", "several", "https://shop.xn--bcher-kva.example", true),
		one("any port of a host", "several", "http://dev.example:8080", true),
		one("an IPv6 address written out", "several", "http://[0:0:0:0:0:0:0:1]:8080", false),
		one("an IPv4 address in short", "several", "http://127.1:3000", false),
		one("null where it is listed", "sandbox", "null", true),
		one("null in another case", "sandbox", "Null", false),
		one("a site where null is listed", "sandbox", "https://app.example", false),
	}
}
