package verdicts

import "strings"

// cspCases: Content-Security-Policy by directive, nonces and reports.
func cspCases() []Case {
	const nonceCSP = "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; " +
		"img-src 'self' data:; report-to csp; script-src 'nonce-N' 'strict-dynamic'; style-src 'self'"
	nonced := func(c Case) Case {
		c.Nonced = true
		return c
	}
	inbound := func(name, policy string, header ...[2]string) Case {
		return Case{Cites: "CSP3 7.1", Name: name, Policy: policy, Header: header, Nonced: policy == "nonce", Gone: gone(policy)}
	}
	return []Case{
		nonced(one("CSP3 7.1", "the nonce is in the header and at the application", "nonce", nil, cspName, nonceCSP)),
		nonced(one("CSP3 3.2", "a report-only policy stands beside, with the same nonce", "nonce", nil, onlyName, "default-src 'none'; report-to csp; style-src 'nonce-N'")),
		nonced(one("Reporting API 3.2; RFC 9651 3.2", "the endpoints are a dictionary", "nonce", nil, "Reporting-Endpoints", `csp="/csp-reports/nonce", default="https://reports.example/all"`)),
		nonced(one("CSP3 7.1", "the application's own nonce is not in force", "nonce", [][2]string{{cspName, "script-src 'nonce-mine'"}}, cspName, nonceCSP)),
		nonced(one("CSP3 3.2", "the application's report-only policy is replaced", "nonce", [][2]string{{onlyName, "default-src *"}}, onlyName,
			"default-src 'none'; report-to csp; style-src 'nonce-N'")),
		inbound("a client's nonce is replaced", "nonce", [2]string{"X-Csp-Nonce", "AAAAAAAAAAAAAAAAAAAAAA=="}),
		inbound("a client's nonce is replaced in any case", "nonce", [2]string{"X-CSP-NONCE", "AAAAAAAAAAAAAAAAAAAAAA=="}),
		inbound("two nonces of a client are replaced", "nonce", [2]string{"X-Csp-Nonce", "a"}, [2]string{"X-Csp-Nonce", "b"}),
		inbound("a client's nonce is dropped where no policy makes one", "plain", [2]string{"X-Csp-Nonce", "a"}),
		inbound("it is dropped with an underscore too", "plain", [2]string{"X_Csp_Nonce", "a"}),
		inbound("it is dropped under a strict policy without nonces", "strict", [2]string{"x-csp-nonce", "a"}),
		one("CSP3 7.1", "in report mode there is no nonce", "nonce-quiet", nil, cspName, ""),
		one("CSP3 2.3", "directives without value have none", "csp", nil, cspName, "default-src 'none'; base-uri 'none'; sandbox allow-scripts; upgrade-insecure-requests"),
		one("CSP3 2.3", "without a preset nothing else is set", "csp", nil, frameName, ""),
		one("CSP3 6.7.3", "a directive is replaced, another taken away", "less", nil, cspName,
			"default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; img-src https:; script-src 'self'; style-src 'self'"),
		nonced(one("CSP3 2.2.1", "a policy written whole is read by directive", "whole", nil, cspName, "default-src 'self'; base-uri 'none'; object-src 'none'; script-src 'nonce-N'")),
		one("CSP3 2.2", "a policy can be left to the application", "no-csp", [][2]string{{cspName, "default-src 'self'"}}, cspName, "default-src 'self'"),
		one("CSP3 2.2", "left to the application, there may be none", "no-csp", nil, cspName, ""),
		one("CSP3 3.2", "a report-only policy can stand alone", "watch-csp", nil, onlyName, "report-uri /csp-reports/watch; script-src 'self'"),
		one("CSP3 3.2", "alone, it leaves the enforced one to the application", "watch-csp", [][2]string{{cspName, "default-src 'self'"}}, cspName, "default-src 'self'"),
		one("CSP3 6.4.2.2", "hosts among the ancestors leave frame options out", "framed", nil, frameName, ""),
		one("CSP3 6.4.2", "hosts among the ancestors stand in the CSP", "framed", nil, cspName,
			"default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors https://portal.example; img-src 'self' data:; script-src 'self'; style-src 'self'"),
		one("CSP3 6.4.2.2; HTML 7.6", "frame options follow the ancestors", "framed-own", nil, frameName, "SAMEORIGIN"),
		one("CSP3 6.4.2.2", "the ancestors follow frame options", "own", nil, cspName,
			"default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'self'; img-src 'self' data:; script-src 'self'; style-src 'self'"),
	}
}

// gone: no client's nonce reaches the application; where the policy makes one,
// that one does.
func gone(policy string) []string {
	if policy == "nonce" {
		return nil
	}
	return []string{"x-csp-nonce"}
}

// cookieCases: RFC 6265bis.
func cookieCases() []Case {
	long := strings.Repeat("x", 1025)
	const attributes, prefixes = "RFC 6265bis 4.1.2", "RFC 6265bis 4.1.3, 5.7"
	cookie := func(cites, name, policy, line, want string) Case {
		return one(cites, name, policy, [][2]string{{"Set-Cookie", line}}, "Set-Cookie", want)
	}
	clear := func(c Case) Case {
		c.TLS = false
		return c
	}
	return []Case{
		cookie(attributes, "a bare cookie is hardened", "cookies", "a=1", "a=1; Secure; HttpOnly; SameSite=Strict"),
		cookie(attributes, "a preset hardens it too", "strict", "a=1", "a=1; Secure; HttpOnly; SameSite=Lax"),
		cookie(attributes, "an API's cookie is hardened", "api", "a=1", "a=1; Secure; HttpOnly; SameSite=Lax"),
		cookie(attributes, "a web application's cookie is hardened", "web", "a=1", "a=1; Secure; HttpOnly; SameSite=Lax"),
		cookie(attributes, "what is old keeps its cookies", "legacy", "a=1", "a=1"),
		cookie(attributes, "hardening can be taken out of a preset", "cookies-off", "a=1", "a=1"),
		cookie(attributes, "Secure alone can be asked for", "cookies-secure", "a=1", "a=1; Secure"),
		cookie(attributes, "no attribute is doubled", "cookies", "a=1; Secure; HttpOnly; SameSite=Lax", "a=1; Secure; HttpOnly; SameSite=Lax"),
		cookie("RFC 6265bis 5.6", "attributes are found in any case", "cookies", "a=1;secure;HTTPONLY;SAMESITE=lax", "a=1;secure;HTTPONLY;SAMESITE=lax"),
		cookie("RFC 6265bis 5.6", "white space around attributes is none", "cookies", "a=1 ;  Secure ; HttpOnly ; SameSite = Lax", "a=1 ;  Secure ; HttpOnly ; SameSite = Lax"),
		cookie(attributes, "path and age stay", "cookies", "a=1; Path=/x; Max-Age=5", "a=1; Path=/x; Max-Age=5; Secure; HttpOnly; SameSite=Strict"),
		cookie("RFC 9110 5.5", "a date with a comma stays whole", "cookies-secure", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Secure"),
		cookie("RFC 6265bis 5.7", "SameSite=None is the application's to say", "cookies", "a=1; SameSite=None; Secure", "a=1; SameSite=None; Secure; HttpOnly"),
		clear(cookie("RFC 6265bis 5.7", "SameSite=None needs Secure even in clear", "cookies", "a=1; SameSite=None", "a=1; SameSite=None; Secure; HttpOnly")),
		cookie("RFC 6265bis 5.6.7", "a SameSite that is none counts for nothing", "cookies", "a=1; SameSite=Maybe", "a=1; SameSite=Maybe; Secure; HttpOnly; SameSite=Strict"),
		clear(cookie("RFC 6265bis 5.7", "in clear a cookie is not Secure", "cookies", "a=1", "a=1; HttpOnly; SameSite=Strict")),
		cookie("RFC 6265bis 4.1.2.6", "a cookie for scripts has no HttpOnly", "cookies", "XSRF-TOKEN=1", "XSRF-TOKEN=1; Secure; SameSite=Strict"),
		cookie(attributes, "an exception stays as it is", "cookies", "legacy=1; Path=/", "legacy=1; Path=/"),
		cookie("RFC 6265bis 4.1.1", "exceptions are exact", "cookies", "legacy2=1", "legacy2=1; Secure; HttpOnly; SameSite=Strict"),
		cookie("RFC 6265bis 5.6", "a value that looks like an attribute is none", "cookies-secure", "secure=1", "secure=1; Secure"),
		cookie("RFC 6265bis 5.6", "a nameless cookie is hardened", "cookies-secure", "alone", "alone; Secure"),
		cookie("RFC 6265bis 5.7", "a deletion is hardened", "cookies-secure", "a=; Max-Age=0", "a=; Max-Age=0; Secure"),
		clear(cookie(prefixes, "__Secure- is Secure", "cookies-secure", "__Secure-a=1", "__Secure-a=1; Secure")),
		cookie(prefixes, "__Host- has the path /", "cookies-secure", "__Host-a=1", "__Host-a=1; Path=/; Secure"),
		cookie(prefixes, "__Host- has no other path", "cookies-secure", "__Host-a=1; Path=/x; Secure", "__Host-a=1; Secure; Path=/"),
		cookie(prefixes, "__Host- has no domain", "cookies-secure", "__Host-a=1; Domain=app.example; Path=/; Secure", "__Host-a=1; Secure; Path=/"),
		cookie(prefixes, "prefixes count in any case", "cookies-secure", "__HOST-a=1", "__HOST-a=1; Path=/; Secure"),
		cookie(prefixes, "a right __Host- cookie stays", "cookies-secure", "__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/"),
		clear(cookie("CHIPS 3.1", "Partitioned needs Secure even in clear", "cookies", "a=1; Partitioned; SameSite=None", "a=1; Partitioned; SameSite=None; Secure; HttpOnly")),
		cookie("CHIPS 3.1", "Partitioned is found in any case", "cookies-secure", "a=1; partitioned", "a=1; partitioned; Secure"),
		cookie("RFC 6265bis 5.6", "an attribute of more than 1024 bytes is none", "cookies-secure", "a=1; Secure="+long, "a=1; Secure="+long+"; Secure"),
		cookie("RFC 6265bis 5.6", "a value does not switch Secure off", "cookies-secure", "a=1; Secure=false", "a=1; Secure=false"),
		cookie("RFC 6265bis 5.6", "a name before white space is the exception's", "cookies", "legacy =1", "legacy =1"),
		cookie("RFC 6265bis 5.6", "an exception may have a name that is no token", "cookies", "cart[1]=1", "cart[1]=1"),
		cookie("RFC 6265bis 5.7", "names are compared with their case", "cookies", "Legacy=1", "Legacy=1; Secure; HttpOnly; SameSite=Strict"),
		cookie("RFC 6265bis 5.6", "a nameless cookie is not its value's exception", "cookies", "legacy", "legacy; Secure; HttpOnly; SameSite=Strict"),
		cookie("RFC 6265bis 5.6", "an empty name is a name", "cookies-secure", "=__Host-a; Path=/x", "=__Host-a; Path=/x; Secure"),
		cookie("RFC 6265bis 5.6", "a quoted value ends at its semicolon", "cookies-secure", `a="1; Secure"`, `a="1; Secure"; Secure`),
		cookie(prefixes, "of two paths of __Host- none is trusted", "cookies-secure", "__Host-a=1; Path=/; Path=/x; Secure", "__Host-a=1; Secure; Path=/"),
		cookie(prefixes, "a domain without value is none", "cookies-secure", "__Host-a=1; Domain=; Path=/; Secure", "__Host-a=1; Domain=; Path=/; Secure"),
		cookie(prefixes, "__Host-Http- is HttpOnly too", "cookies-secure", "__Host-Http-a=1; Secure; Path=/", "__Host-Http-a=1; Secure; Path=/; HttpOnly"),
		one("RFC 9110 5.3", "several cookies stay several", "cookies", [][2]string{{"Set-Cookie", "legacy=1"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2; Secure; HttpOnly; SameSite=Lax"}},
			"Set-Cookie", "legacy=1 | a=1; Secure; HttpOnly; SameSite=Strict | b=2; Secure; HttpOnly; SameSite=Lax"),
	}
}
