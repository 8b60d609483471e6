package verdicts

import "strings"

const app = "https://app.example"

func preflightMethodCases() []Case {
	const cite = citePreflight + "; " + citeMethods
	return []Case{
		granted("method: one that is listed", cite, "share", asks(app, "PUT"), acao, app, acac, "true", acam, "PUT, DELETE", acma, "600"),
		granted("method: another that is listed", cite, "share", asks(app, "DELETE"), acao, app, acac, "true", acam, "PUT, DELETE", acma, "600"),
		granted("method: GET needs no list", cite, "share", asks(app, "GET"), acao, app, acac, "true", acma, "600"),
		granted("method: HEAD needs no list", cite, "share", asks(app, "HEAD"), acao, app, acac, "true", acma, "600"),
		granted("method: POST needs no list", cite, "share", asks(app, "POST"), acao, app, acac, "true", acma, "600"),
		granted("method: PATCH as it is listed", cite, "several", asks(app, "PATCH"), acao, app, acam, "PATCH, purge", acma, "86400"),
		granted("method: one of the application's own, in lower case", cite, "several", asks(app, "purge"), acao, app, acam, "PATCH, purge", acma, "86400"),
		granted("method: any is answered with the one asked for", citeWildcard, "any-method", asks(app, "PATCH"), acao, app, acac, "true", acam, "PATCH"),
		granted("method: any, of the application's own", citeWildcard, "any-method", asks(app, "purge"), acao, app, acac, "true", acam, "purge"),
		granted("method: any, in lower case, is the one asked for", citeWildcard, "any-method", asks(app, "put"), acao, app, acac, "true", acam, "put"),
		granted("method: any, to everybody", citeWildcard, "open", asks("https://any.example", "PATCH"), acao, "*", acam, "PATCH"),
		granted("method: any, and a safelisted one", citeWildcard, "open", asks("https://any.example", "GET"), acao, "*"),
		granted("method: OPTIONS itself where any is allowed", cite, "open", asks(app, "OPTIONS"), acao, "*", acam, "OPTIONS"),
		declined("method: one that is not listed", cite, "share", "cors_method", asks(app, "PATCH")),
		declined("method: put is not PUT", cite, "share", "cors_method", asks(app, "put")),
		declined("method: Put is not PUT", cite, "share", "cors_method", asks(app, "Put")),
		declined("method: patch is not PATCH", cite, "several", "cors_method", asks(app, "patch")),
		declined("method: PURGE is not purge", cite, "several", "cors_method", asks(app, "PURGE")),
		declined("method: get is not GET", cite, "share", "cors_method", asks(app, "get")),
		declined("method: OPTIONS is not safelisted", cite, "share", "cors_method", asks(app, "OPTIONS")),
		declined("method: an empty one", cite, "share", "cors_method", asks(app, "")),
		declined("method: a list", cite, "share", "cors_method", asks(app, "PUT, DELETE")),
		declined("method: a star is no method of the list", cite, "share", "cors_method", asks(app, "*")),
		declined("method: CONNECT where any is allowed", cite, "any-method", "cors_method", asks(app, "CONNECT")),
		declined("method: TRACE where any is allowed", cite, "any-method", "cors_method", asks(app, "TRACE")),
		declined("method: TRACK where any is allowed", cite, "open", "cors_method", asks(app, "TRACK")),
		declined("method: trace in lower case is forbidden too", cite, "any-method", "cors_method", asks(app, "trace")),
		declined("method: no token where any is allowed", cite, "open", "cors_method", asks(app, "PU T")),
		declined("method: two lines", cite, "share", "cors_method", append(asks(app, "PUT"), [2]string{"Access-Control-Request-Method", "PUT"})),
	}
}

func preflightHeaderCases() []Case {
	const cite = citePreflight + "; " + citeHeaders
	listed := []string{acao, app, acac, "true", acah, "x-token, content-type", acma, "600"}
	bare := []string{acao, app, acac, "true", acma, "600"}
	get := func(headers ...string) [][2]string { return asks(app, "GET", headers...) }
	return []Case{
		granted("headers: one that is listed", cite, "share", get("x-token"), listed...),
		granted("headers: a sorted list, as browsers send it", cite, "share", get("content-type,x-token"), listed...),
		granted("headers: a list that is not sorted", cite, "share", get("x-token,content-type"), listed...),
		granted("headers: upper case", cite, "share", get("X-Token,Content-Type"), listed...),
		granted("headers: one twice", cite, "share", get("x-token,x-token"), listed...),
		granted("headers: spaces after commas", cite, "share", get("content-type, x-token"), listed...),
		granted("headers: tabs and spaces around", cite, "share", get("content-type \t,\t x-token "), listed...),
		granted("headers: empty elements", cite, "share", get(",, x-token ,,"), listed...),
		granted("headers: an empty list asks for nothing", cite, "share", get(""), bare...),
		granted("headers: only commas ask for nothing", cite, "share", get(" , ,"), bare...),
		granted("headers: no list", cite, "share", get(), bare...),
		granted("headers: two lines", cite, "share", get("content-type", "x-token"), listed...),
		granted("headers: 128 elements", cite, "share", get(strings.TrimSuffix(strings.Repeat("x-token,", 128), ",")), listed...),
		declined("headers: 129 elements", cite, "share", "cors_header", get(strings.TrimSuffix(strings.Repeat("x-token,", 129), ","))),
		declined("headers: a list of more than 4096 bytes", cite, "open", "cors_header", get(strings.Repeat("x", 4097))),
		declined("headers: lines of more than 4096 bytes together", cite, "open", "cors_header", get(strings.Repeat("x", 3000), strings.Repeat("y", 3000))),
		declined("headers: one that is not listed", cite, "share", "cors_header", get("x-other")),
		declined("headers: one of two that is not listed", cite, "share", "cors_header", get("x-other,x-token")),
		declined("headers: one of two lines that is not listed", cite, "share", "cors_header", get("x-token", "x-other")),
		declined("headers: Authorization is not safelisted", cite, "share", "cors_header", get("authorization")),
		declined("headers: a safelisted name with an unsafe value is not listed", cite, "several", "cors_header", get("content-type")),
		declined("headers: a name with a space", cite, "share", "cors_header", get("x token")),
		declined("headers: a name that only begins like a listed one", cite, "share", "cors_header", get("x-token-2")),
		declined("headers: a semicolon separates nothing", cite, "share", "cors_header", get("x-token;content-type")),
		declined("headers: a star is a name that is not listed", cite, "share", "cors_header", get("*")),
		granted("headers: any, to everybody", citeWildcard, "open", asks(app, "GET", "x-a,x-b"), acao, "*", acah, "x-a, x-b"),
		granted("headers: any, in upper case and twice", citeWildcard, "open", asks(app, "GET", "X-A,x-a"), acao, "*", acah, "x-a"),
		granted("headers: any, with credentials, is what was asked for", citeWildcard, "any-method", get("x-a,x-b"), acao, app, acac, "true", acah, "x-a, x-b"),
		granted("headers: any, with credentials, covers Authorization", citeWildcard, "any-method", get("authorization"), acao, app, acac, "true", acah, "authorization"),
		granted("headers: any, and Authorization named", citeWildcard, "star-named", get("authorization,x-a"), acao, "*", acah, "authorization, x-a", acma, "0"),
		granted("headers: any, and Authorization named but not asked for", citeWildcard, "star-named", get("x-a"), acao, "*", acah, "x-a", acma, "0"),
		granted("headers: a header named *", citeWildcard, "open", get("*"), acao, "*", acah, "*"),
		declined("headers: any does not cover Authorization", citeWildcard, "open", "cors_header", get("authorization")),
		declined("headers: any does not cover Authorization in upper case", citeWildcard, "open", "cors_header", get("Authorization")),
		declined("headers: any does not cover Authorization among others", citeWildcard, "open", "cors_header", get("authorization,x-a")),
		declined("headers: any is still no Cookie", cite, "any-method", "cors_header", get("cookie")),
		declined("headers: any is still no Host", cite, "open", "cors_header", get("host")),
		declined("headers: any is still no Sec-", cite, "open", "cors_header", get("sec-fetch-site")),
		declined("headers: any is still no Proxy-", cite, "open", "cors_header", get("proxy-authorization")),
		declined("headers: any is still a token", cite, "open", "cors_header", get("x a")),
	}
}

func preflightOtherCases() []Case {
	options := func(name, cite, policy string, header [][2]string, want map[string]string) Case {
		return Case{Name: name, Cite: cite, Policy: policy, Method: "OPTIONS", Header: header, Want: want}
	}
	method := [2]string{"Access-Control-Request-Method", "PUT"}
	told := func(name, rule, why string, header [][2]string) Case {
		c := declined(name, citeDebug, "told", rule, header)
		c.Want["X-Gatehouse-Cors"] = why
		return c
	}
	return []Case{
		options("OPTIONS without an origin is the application's", citeRequests, "share", [][2]string{method}, with(vary, "Origin")),
		options("OPTIONS without a method asked for is the application's", citeRequests, "share", [][2]string{origin(app)}, with(acao, app, acac, "true", aceh, "x-total")),
		options("OPTIONS with headers asked for but no method is the application's", citeRequests, "share",
			[][2]string{origin(app), {"Access-Control-Request-Headers", "x-token"}}, with(acao, app, acac, "true", aceh, "x-total")),
		options("OPTIONS alone is the application's", citeRequests, "share", nil, with(vary, "Origin")),
		options("OPTIONS of another site that is no preflight is the application's", citeRequests, "share", [][2]string{origin("https://evil.example")}, with(vary, "Origin")),
		options("OPTIONS alone, where all may read", citeCaches, "open", nil, with(acao, "*", vary, "")),
		options("a preflight without a policy is the application's", citeContract, "plain", asks(app, "PUT"), with()),
		options("a preflight where cors is off is the application's", citeContract, "unshared", asks(app, "PUT"), with()),
		{Name: "GET with what only preflights carry is no preflight", Cite: citeRequests, Policy: "share", Header: asks(app, "PUT"), Want: with(acao, app, acac, "true", aceh, "x-total")},
		{Name: "in report mode a preflight is the application's, and recorded", Cite: citeContract, Policy: "watch", Method: "OPTIONS",
			Header: asks("https://evil.example", "PUT"), Rule: "cors_origin", Decision: "report"},
		{Name: "in report mode an allowed preflight is the application's, and nothing is recorded", Cite: citeContract, Policy: "watch", Method: "OPTIONS", Header: asks(app, "GET")},
		{Name: "a preflight's answer carries the security headers", Cite: citeResponses, Policy: "share", Method: "OPTIONS", Header: asks(app, "PUT"),
			Status: 204, Rule: "cors_preflight", Want: map[string]string{"X-Content-Type-Options": "nosniff"}},
		granted("no max_age: the header is not sent", citeResponses, "any-method", asks(app, "GET"), acao, app, acac, "true"),
		granted("max_age 0 is sent", citeResponses, "star-named", asks(app, "GET"), acao, "*", acma, "0"),
		granted("a preflight exposes nothing", citeResponses, "star-named", asks(app, "GET", "x-a"), acao, "*", acah, "x-a", acma, "0"),
		granted("everybody, null included", citeCheck, "open", asks("null", "GET"), acao, "*"),
		declined("everybody is still an origin", citeOrigin, "open", "cors_origin", asks("nonsense", "GET")),
		declined("everybody is still one origin", citeOrigin, "open", "cors_origin", append(asks(app, "GET"), origin(app))),
		declined("everybody is not an empty one", citeOrigin, "open", "cors_origin", asks("", "GET")),
		granted("private network: allowed", citePrivate, "inside", private(asks(app, "PUT"), "true"), acao, app, acam, "PUT", acapn, "true"),
		granted("private network: allowed but not asked for", citePrivate, "inside", asks(app, "PUT"), acao, app, acam, "PUT"),
		granted("private network: asked for in another word is not asked for", citePrivate, "inside", private(asks(app, "PUT"), "1"), acao, app, acam, "PUT"),
		granted("private network: in another case is not asked for", citePrivate, "inside", private(asks(app, "PUT"), "TRUE"), acao, app, acam, "PUT"),
		granted("private network: twice is not asked for", citePrivate, "inside", private(asks(app, "PUT"), "true", "true"), acao, app, acam, "PUT"),
		declined("private network: not allowed", citePrivate, "share", "cors_private_network", private(asks(app, "PUT"), "true")),
		declined("private network: not for another site", citePrivate, "inside", "cors_origin", private(asks("https://evil.example", "PUT"), "true")),
		declined("private network: not with another method", citePrivate, "inside", "cors_method", private(asks(app, "PATCH"), "true")),
		granted("private network: everybody's preflight that does not ask", citePrivate, "open", private(asks(app, "GET"), "false"), acao, "*"),
		told("debug: why the origin", "cors_origin", `origin "https://evil.example" is not allowed: add it to allow_origins`, asks("https://evil.example", "GET")),
		told("debug: why the method", "cors_method", `method "PUT" is not allowed: add it to allow_methods`, asks(app, "PUT")),
		told("debug: why the header", "cors_header", `header "x-a" is not allowed: add it to allow_headers`, asks(app, "GET", "x-a")),
		told("debug: why not the private network", "cors_private_network", "access to a private network is not allowed: set allow_private_network", private(asks(app, "GET"), "true")),
		granted("debug: an allowed preflight is told nothing", citeDebug, "told", asks(app, "GET"), acao, app, "X-Gatehouse-Cors", ""),
	}
}
