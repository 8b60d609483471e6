package verdicts

// sharingCases are about the answers of the application.
func sharingCases() []Case {
	const evil = "https://evil.example"
	shared := func(pairs ...string) map[string]string {
		return with(append([]string{acao, app, acac, "true", aceh, "x-total", vary, "Origin"}, pairs...)...)
	}
	reply := func(name, cite, policy, from string, upstream [][2]string, want map[string]string) Case {
		c := Case{Name: name, Cite: cite, Policy: policy, Upstream: upstream, Want: want}
		if from != "" {
			c.Header = [][2]string{origin(from)}
		}
		return c
	}
	all := [][2]string{{acao, evil}, {acac, "true"}, {aceh, "x-inner"}, {acam, "PATCH"}, {acah, "x-inner"}, {acma, "9"}, {acapn, "true"}}
	cases := []Case{
		reply("the application's permission for everybody is replaced", citeContract, "share", app, [][2]string{{acao, "*"}, {aceh, "x-inner"}}, shared()),
		reply("the application's permission for another site is replaced", citeContract, "share", app, all, shared()),
		reply("the application's permission for the same site stands once", citeResponses, "share", app, [][2]string{{acao, app}, {acac, "true"}}, shared()),
		reply("the application's permissions in two lines are replaced by one", citeCheck, "share", app, [][2]string{{acao, app}, {acao, evil}}, shared()),
		reply("the application's permission is removed for other sites", citeContract, "share", evil, all, with(vary, "Origin")),
		reply("the application's permission is removed without an origin", citeContract, "share", "", all, with(vary, "Origin")),
		reply("the application's permission for null is removed", citeContract, "share", "null", [][2]string{{acao, "null"}}, with(vary, "Origin")),
		reply("the application's credentials are removed where there are none", citeWildcard, "several", app, all, with(acao, app, vary, "Origin")),
		reply("the application's credentials are removed where all may read", citeWildcard, "open", evil, all, with(acao, "*")),
		reply("without a policy the application decides", citeContract, "plain", evil, [][2]string{{acao, "*"}}, map[string]string{acao: "*", vary: ""}),
		reply("switched off, the application decides", citeContract, "unshared", evil, [][2]string{{acao, evil}, {acac, "true"}, {vary, "X"}},
			map[string]string{acao: evil, acac: "true", vary: "X"}),
		reply("in report mode the application decides", citeContract, "watch", evil, [][2]string{{acao, "*"}}, map[string]string{acao: "*", vary: ""}),
		reply("everybody may read", citeCheck, "open", "https://any.example", nil, with(acao, "*", vary, "")),
		reply("everybody may read, also without an origin: a cache serves both", citeCaches, "open", "", nil, with(acao, "*", vary, "")),
		reply("everybody may read, also from null", citeCheck, "open", "null", nil, with(acao, "*", vary, "")),
		reply("everybody may read, also from what is no origin: a cache serves all", citeCaches, "open", "nonsense", nil, with(acao, "*", vary, "")),
		reply("everybody may read, and the application's Vary stays", citeCaches, "open", app, [][2]string{{vary, "Accept"}}, with(acao, "*", vary, "Accept")),
		reply("everybody may read all headers", citeResponses, "star-named", app, nil, with(acao, "*", aceh, "*")),
		reply("exposed headers are listed", citeResponses, "any-method", app, nil, with(acao, app, acac, "true", aceh, "X-A, x-b")),
		reply("exposed headers are not told to other sites", citeResponses, "any-method", evil, nil, with(vary, "Origin")),
		reply("nothing exposed: no header", citeResponses, "several", app, nil, with(acao, app, vary, "Origin")),
		reply("an answer has nothing of preflights", citeResponses, "share", app, nil, shared()),
		reply("null may read where it is listed", citeCheck, "sandbox", "null", nil, with(acao, "null", vary, "Origin")),
	}
	for _, v := range []struct{ name, have, want string }{
		{"another name", "Accept-Encoding", "Accept-Encoding, Origin"},
		{"the same name", "Origin", "Origin"},
		{"the same name in another case", "origin", "origin"},
		{"the same name among others", "Accept, ORIGIN", "Accept, ORIGIN"},
		{"a name that only contains it", "X-Origin", "X-Origin, Origin"},
		{"a star", "*", "*"},
		{"a star among others", "Accept, *", "*"},
		{"the same name twice", "Origin, Accept, origin", "Origin, Accept"},
		{"empty elements", "Accept,,", "Accept, Origin"},
	} {
		for _, from := range []struct{ name, origin string }{{"an allowed site", app}, {"another site", evil}, {"nobody", ""}} {
			cases = append(cases, reply("Vary with "+v.name+", asked by "+from.name, citeCaches, "share", from.origin,
				[][2]string{{vary, v.have}}, map[string]string{vary: v.want}))
		}
	}
	two := [][2]string{{vary, "Accept"}, {vary, "Cookie"}}
	cases = append(cases, reply("Vary in two lines becomes one", citeCaches, "share", app, two, map[string]string{vary: "Accept, Cookie, Origin"}))
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "PATCH"} {
		cases = append(cases, Case{Name: method + " of an allowed site may be read", Cite: citeResponses, Policy: "share", Method: method,
			Header: [][2]string{origin(app)}, Want: shared()},
			Case{Name: method + " of another site goes on and may not be read", Cite: citeResponses, Policy: "share", Method: method,
				Header: [][2]string{origin(evil)}, Want: with(vary, "Origin")})
	}
	return cases
}

// gatewayCases are about answers that no application made: without permission
// the page would see a network error instead of the status.
func gatewayCases() []Case {
	var cases []Case
	for _, g := range []struct {
		name, gateway string
		status        int
	}{
		{"a dead upstream", "dead", 503},
		{"a direct response", "direct", 200},
		{"a direct refusal", "gone", 410},
		{"a redirect", "redirect", 308},
		{"Check's 401", "401", 401},
		{"Check's 403", "403", 403},
		{"Check's 429", "429", 429},
	} {
		add := func(name, policy, from string, want map[string]string) {
			c := Case{Name: g.name + " " + name, Cite: citeGateway, Policy: policy, Gateway: g.gateway, Status: g.status, Want: want}
			if from != "" {
				c.Header = [][2]string{origin(from)}
			}
			cases = append(cases, c)
		}
		add("may be read by an allowed site", "share", app, with(acao, app, acac, "true", aceh, "x-total", vary, "Origin"))
		add("may not be read by another site", "share", "https://evil.example", with(vary, "Origin"))
		add("varies without an origin", "share", "", with(vary, "Origin"))
		add("may be read by everybody", "open", app, with(acao, "*", vary, ""))
	}
	file := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\nGIF89a\r\n--b--\r\n"
	upload := func(name, from string, want map[string]string) Case {
		return Case{Name: name, Cite: citeGateway, Policy: "guarded", Method: "POST", Body: file,
			Header: [][2]string{origin(from), {"Content-Type", "multipart/form-data; boundary=b"}},
			Status: 415, Rule: "type_mismatch", Decision: "deny", Want: want}
	}
	return append(cases,
		upload("a refused upload may be read by an allowed site", app, with(acao, app, vary, "Origin")),
		upload("a refused upload may not be read by another site", "https://evil.example", with(vary, "Origin")),
		Case{Name: "a refusal of cross-site requests is not shared with the site it refuses", Cite: citeGateway, Policy: "own-site", Method: "POST",
			Header: [][2]string{origin("https://evil.example"), {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "cors"}},
			Status: 403, Rule: "csrf_cross_site", Decision: "deny", Want: with(vary, "Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest")},
	)
}
