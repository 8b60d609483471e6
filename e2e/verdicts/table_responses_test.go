package verdicts

// statusCases: which responses take which headers.
func statusCases() []Case {
	grpc := func(name, mediaType, header, want string) Case {
		return one("gRPC over HTTP2, Responses", name, "api", [][2]string{{"Content-Type", mediaType}, {"Grpc-Status", "0"}}, header, want)
	}
	at := func(cites, name, policy string, status int, upstream [][2]string, want map[string]string) Case {
		return Case{Cites: cites, Name: name, Policy: policy, TLS: true, Answers: status, Upstream: upstream, Want: want}
	}
	opened := at("RFC 6455 4.2.2; RFC 9110 15.2.2", "an upgrade gets HSTS and nothing for documents", "nonce", 101, [][2]string{{"Set-Cookie", "a=1"}},
		map[string]string{cspName: "", frameName: "", onlyName: "", hstsName: twoYears, "Set-Cookie": "a=1; Secure; HttpOnly; SameSite=Lax"})
	opened.Header, opened.Nonced = webSocket(), true
	interim := at("RFC 9110 15.2; RFC 8297 2", "a final response after an interim one has each header once", "strict", 200, nil,
		map[string]string{cspName: strictCSP, frameName: "DENY"})
	interim.Interim = true
	head := at("RFC 9110 9.3.2", "HEAD gets what GET gets", "strict", 200, nil, map[string]string{cspName: strictCSP, "X-Content-Type-Options": "nosniff"})
	head.Method = "HEAD"
	return []Case{
		opened, interim, head,
		at("RFC 9110 15.3.5", "no content: no headers for documents", "strict", 204, nil, map[string]string{cspName: "", frameName: "", "X-Content-Type-Options": "nosniff", hstsName: twoYears}),
		at("RFC 9110 15.3.5", "no content: cookies are hardened", "strict", 204, [][2]string{{"Set-Cookie", "a=1"}}, map[string]string{"Set-Cookie": "a=1; Secure; HttpOnly; SameSite=Lax"}),
		at("RFC 9110 15.3.5", "no content: leaks are removed", "strict", 204, [][2]string{{"X-Powered-By", "x"}}, map[string]string{"X-Powered-By": ""}),
		at("RFC 9111 3.2", "not modified: the stored page gets today's policy", "strict", 304, nil, map[string]string{cspName: strictCSP, frameName: "DENY"}),
		{Cites: "RFC 9111 3.2; CSP3 7.1", Name: "not modified: a nonce of today would shut out the stored page's scripts", Policy: "nonce", TLS: true, Answers: 304, Nonced: true,
			Want: map[string]string{cspName: "", onlyName: "", frameName: "DENY"}},
		{Cites: "RFC 9111 3.2; CSP3 7.1", Name: "not modified: the application's own policy would replace the stored one", Policy: "nonce", Answers: 304, Nonced: true,
			Upstream: [][2]string{{cspName, "default-src *"}}, Want: map[string]string{cspName: ""}},
		at("RFC 9111 3.2; RFC 9110 15.4.5", "not modified: a kept policy is not repeated, and the stored page keeps it", "keep", 304, nil, map[string]string{cspName: "", "X-Own": ""}),
		at("RFC 9111 3.2", "not modified: a policy to be kept is kept", "keep", 304, [][2]string{{cspName, "default-src 'self'"}}, map[string]string{cspName: "default-src 'self'"}),
		at("RFC 9111 3.2; RFC 9110 15.4.5", "not modified: half of a merged policy would replace the stored whole", "merge", 304, nil,
			map[string]string{cspName: "", "Cache-Control": "", "Permissions-Policy": "", frameName: "DENY"}),
		at("RFC 9111 3.2", "not modified: a policy that is repeated is merged", "merge", 304, [][2]string{{cspName, "img-src 'self'"}}, map[string]string{cspName: "img-src 'self', " + apiCSP}),
		at("RFC 9111 3.2, 5.2.2.5", "not modified: what an API's application lets caches keep is kept", "api", 304, nil, map[string]string{"Cache-Control": ""}),
		at("RFC 9110 15.4.5", "not modified: the ETag stays", "strict", 304, [][2]string{{"ETag", `"1"`}}, map[string]string{"ETag": `"1"`}),
		at("Referrer Policy 8.2; RFC 6797 7.2", "a redirect has the headers", "strict", 302, [][2]string{{"Location", "/x"}}, map[string]string{"Referrer-Policy": "no-referrer", hstsName: twoYears, "Location": "/x"}),
		at("RFC 9110 15.5.5", "an error of the application has the headers", "strict", 404, nil, map[string]string{cspName: strictCSP, hstsName: twoYears}),
		at("RFC 9110 15.6.1", "a failure of the application has the headers", "strict", 500, nil, map[string]string{cspName: strictCSP, frameName: "DENY"}),
		at("RFC 9110 14.4", "a part has the headers", "strict", 206, nil, map[string]string{cspName: strictCSP, "X-Content-Type-Options": "nosniff"}),
		grpc("gRPC has no CSP", "application/grpc", cspName, ""),
		grpc("gRPC has no frame options", "application/grpc", frameName, ""),
		grpc("gRPC is not sniffed by anybody", "application/grpc", "X-Content-Type-Options", ""),
		grpc("gRPC keeps its caching", "application/grpc", "Cache-Control", ""),
		grpc("gRPC with a codec is gRPC", "application/grpc+proto", cspName, ""),
		grpc("gRPC with a parameter is gRPC", "application/grpc;charset=utf-8", cspName, ""),
		grpc("gRPC in another case is gRPC", "Application/gRPC", cspName, ""),
		grpc("gRPC with white space before its parameter is gRPC", "application/grpc ; a=b", cspName, ""),
		grpc("a second type is what browsers take, not gRPC", "application/grpc+x, text/html", cspName, apiCSP),
		grpc("a second type behind a parameter is what browsers take", "application/grpc;a=b,text/html", cspName, apiCSP),
		grpc("what only begins like gRPC is no type: browsers guess", "application/grpc text/html", cspName, apiCSP),
		grpc("a codec that is no token is no type: browsers guess", "application/grpc+<html>", "X-Content-Type-Options", "nosniff"),
		one("Fetch 2.2.2 (extract a MIME type)", "a second line with a type is what browsers take", "api",
			[][2]string{{"Content-Type", "application/grpc"}, {"Content-Type", "text/html"}}, cspName, apiCSP),
		grpc("gRPC gets HSTS", "application/grpc", hstsName, twoYears),
		grpc("the status of gRPC stays", "application/grpc", "Grpc-Status", "0"),
		grpc("gRPC-Web is for browsers", "application/grpc-web+proto", "X-Content-Type-Options", "nosniff"),
		grpc("a name that only begins like gRPC is not gRPC", "application/grpcx", cspName, apiCSP),
		one("gRPC over HTTP2, Responses", "leaks of gRPC are removed", "api", [][2]string{{"Content-Type", "application/grpc"}, {"Server", "x"}}, "Server", ""),
		{Cites: "RFC 9110 15.5.16; CSP3 7.1", Name: "a local reply has a nonce of its own", Policy: "nonce-upload", Method: "POST", Body: "x", Status: 415,
			Rule: "type_undeclared", Decision: "deny", Want: map[string]string{cspName: "default-src 'none'; script-src 'nonce-N'"}},
		{Cites: "RFC 9110 15.6.4", Name: "a request without a policy is refused with the headers of the default one", Policy: "missing", TLS: true, Status: 503,
			Rule: "unknown_policy", Decision: "deny", Want: map[string]string{cspName: strictCSP, hstsName: twoYears, frameName: "DENY"}},
	}
}

// hstsCases: RFC 6797.
func hstsCases() []Case {
	clear := func(name, policy string, upstream [][2]string, want string) Case {
		c := one("RFC 6797 7.2", name, policy, upstream, hstsName, want)
		c.TLS = false
		return c
	}
	own := [][2]string{{hstsName, "max-age=1"}}
	return []Case{
		one("RFC 6797 6.1; hstspreload.org", "a policy that qualifies may say preload", "preload", nil, hstsName, "max-age=63072000; includeSubDomains; preload"),
		clear("preload is not said in clear", "preload", nil, ""),
		one("RFC 6797 6.1.1", "HSTS can be switched off", "hsts-off", nil, hstsName, "max-age=0"),
		one("RFC 6797 6.1", "HSTS that is left out is the application's", "hsts-out", own, hstsName, "max-age=1"),
		one("RFC 6797 7.1", "two lines of the application's become one", "strict", [][2]string{{hstsName, "max-age=1"}, {hstsName, "max-age=2"}}, hstsName, twoYears),
		one("RFC 6797 8.1", "kept HSTS is the first line", "keep", [][2]string{{hstsName, "max-age=1"}, {hstsName, "max-age=2"}}, hstsName, "max-age=1"),
		one("RFC 6797 7.1", "kept HSTS fills in", "keep", nil, hstsName, twoYears),
		clear("kept HSTS is not sent in clear", "keep", own, ""),
		clear("HSTS in clear is removed for what is old", "legacy", own, ""),
		clear("an API's HSTS is not sent in clear", "api", nil, ""),
		{Cites: "RFC 6797 7.2; RFC 9110 16.3.2.1", Name: "a client cannot claim TLS by its own scheme header", Policy: "strict",
			Header: [][2]string{{"X-Forwarded-Scheme", "https"}}, Want: map[string]string{hstsName: ""}},
		{Cites: "RFC 6797 7.2; RFC 7239 5.4", Name: "a client cannot claim TLS by Forwarded", Policy: "strict",
			Header: [][2]string{{"Forwarded", "proto=https"}}, Want: map[string]string{hstsName: ""}},
	}
}

// existingCases: what the application sets itself.
func existingCases() []Case {
	lines := func(name string, values ...string) [][2]string {
		var out [][2]string
		for _, v := range values {
			out = append(out, [2]string{name, v})
		}
		return out
	}
	const list, twice = "RFC 9110 5.6.1", "RFC 9110 5.3"
	return []Case{
		one(twice, "two lines become one", "strict", lines(frameName, "SAMEORIGIN", "ALLOWALL"), frameName, "DENY"),
		one(twice, "the application's CSP is replaced", "strict", lines(cspName, "default-src *", "script-src *"), cspName, strictCSP),
		one("CSP3 2.2.2", "the application's CSP is kept", "keep", lines(cspName, "default-src 'self'"), cspName, "default-src 'self'"),
		one("CSP3 2.2.2; "+twice, "two kept policies stand in one line", "keep", lines(cspName, "default-src 'self'", "img-src *"), cspName, "default-src 'self', img-src *"),
		one("CSP3 2.2.2", "where nothing is to be kept the policy's stands", "keep", nil, cspName, strictCSP),
		one("CSP3 2.2.2", "merged policies are both enforced", "merge", lines(cspName, "script-src 'self'"), cspName, "script-src 'self', "+apiCSP),
		one("CSP3 2.2.2", "the same policy is not doubled", "merge", lines(cspName, apiCSP), cspName, apiCSP),
		one("CSP3 2.2.2", "three policies make one line", "merge", lines(cspName, "img-src 'self'", "script-src 'self'"), cspName, "img-src 'self', script-src 'self', "+apiCSP),
		one("RFC 9111 5.2", "Cache-Control is merged", "merge", lines("Cache-Control", "private"), "Cache-Control", "private, no-store"),
		one("RFC 9111 4.2.1", "a merged directive stands once", "merge", lines("Cache-Control", "No-Store, max-age=0"), "Cache-Control", "max-age=0, no-store"),
		one("RFC 9111 5.2", "an API's own Cache-Control is kept", "api", lines("Cache-Control", "public, max-age=60"), "Cache-Control", "public, max-age=60"),
		one("RFC 9651 4.2.2", "a merged feature is the policy's", "merge", lines("Permissions-Policy", "camera=*, midi=()"), "Permissions-Policy", "midi=(), camera=(), usb=()"),
		one("RFC 9651 4.2", "beside a list without its end the policy's would be ignored", "merge", lines("Permissions-Policy", "midi=("), "Permissions-Policy", "camera=(), usb=()"),
		one("RFC 9651 4.2.2", "beside a comma at the end the policy's would be ignored", "merge", lines("Permissions-Policy", "midi=(),"), "Permissions-Policy", "camera=(), usb=()"),
		one("RFC 9651 3.1.2", "beside a name in upper case the policy's would be ignored", "merge", lines("Permissions-Policy", "Midi=()"), "Permissions-Policy", "camera=(), usb=()"),
		one("RFC 9651 4.2", "two lines of a dictionary are one", "merge", lines("Permissions-Policy", "midi=()", `fullscreen=(self "https://a.example");report-to="x"`), "Permissions-Policy",
			`midi=(), fullscreen=(self "https://a.example");report-to="x", camera=(), usb=()`),
		one("RFC 9110 5.6.4", "a quote without its end takes nothing in", "merge", lines("Cache-Control", `private="x`), "Cache-Control", "no-store"),
		one("CSP3 2.2.2", "a quote in a policy quotes nothing", "merge", lines(cspName, `img-src "x, script-src 'self'`), cspName, `img-src "x, script-src 'self', `+apiCSP),
		one("RFC 9110 5.5", "an empty header says nothing that could be kept", "legacy", lines(frameName, ""), frameName, "SAMEORIGIN"),
		one(list, "a comma in a list's text does not split it", "merge", lines("Permissions-Policy", `midi=(self "https://a.example/,")`), "Permissions-Policy",
			`midi=(self "https://a.example/,"), camera=(), usb=()`),
		one(twice, "an own header is kept", "keep", lines("X-Own", "2"), "X-Own", "2"),
		one(twice, "an own header fills in", "keep", nil, "X-Own", "1"),
		one("Referrer Policy 8.1", "kept referrer policies stand in one line", "keep", lines("Referrer-Policy", "no-referrer", "origin"), "Referrer-Policy", "no-referrer, origin"),
		one("HTML 7.6", "what is old keeps its frame options", "legacy", lines(frameName, "DENY"), frameName, "DENY"),
		one("Referrer Policy 4.1", "what is old keeps its referrer policy", "legacy", lines("Referrer-Policy", "origin"), "Referrer-Policy", "origin"),
		one("RFC 6797 6.1", "what is old keeps its HSTS", "legacy", lines(hstsName, "max-age=5"), hstsName, "max-age=5"),
		one("HTML 7.1.4", "an embedder policy can be added", "isolated", nil, "Cross-Origin-Embedder-Policy", "require-corp"),
		one("HTML 7.1.2", "an agent cluster can be asked for", "isolated", lines("Origin-Agent-Cluster", "?0"), "Origin-Agent-Cluster", "?1"),
	}
}
