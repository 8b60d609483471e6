package verdicts

// Names of response headers, and what a case of CORS cites.
const (
	acao, acac, acah = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers"
	acam, acma, aceh = "Access-Control-Allow-Methods", "Access-Control-Max-Age", "Access-Control-Expose-Headers"
	acapn            = "Access-Control-Allow-Private-Network"
	vary             = "Vary"

	preflightVary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"

	citeOrigin    = "Fetch 3.2 (Origin header), HTML 7.1.1 (serialisation of an origin)"
	citeCheck     = "Fetch 4.10 (CORS check)"
	citeRequests  = "Fetch 3.3.2 (CORS protocol, HTTP requests)"
	citeResponses = "Fetch 3.3.3 (CORS protocol, HTTP responses)"
	citePreflight = "Fetch 4.8 (CORS-preflight fetch)"
	citeMethods   = "Fetch 2.2.1 (methods), RFC 9110 9.1"
	citeHeaders   = "Fetch 2.2.2 (headers), RFC 9110 5.6.1.2 (empty list elements)"
	citeWildcard  = "Fetch 3.3.5 (CORS protocol and credentials)"
	citeCaches    = "Fetch, background reading: CORS protocol and HTTP caches; RFC 9110 12.5.5 (Vary)"
	citePrivate   = "W3C CG Private Network Access 3.1 (preflights)"
	citeGateway   = "Fetch 4.4 (HTTP fetch): every response passes the CORS check, whoever made it"
	citeContract  = "Gatehouse: the gateway is the authority, cors: off leaves it to the application"
	citeDebug     = "Gatehouse: debug tells a refused preflight's sender why"
)

func origin(o string) [2]string { return [2]string{"Origin", o} }

// asks are the headers of a preflight.
func asks(o, method string, headers ...string) [][2]string {
	h := [][2]string{origin(o), {"Access-Control-Request-Method", method}}
	for _, list := range headers {
		h = append(h, [2]string{"Access-Control-Request-Headers", list})
	}
	return h
}

// private makes a preflight ask for a private network.
func private(h [][2]string, values ...string) [][2]string {
	for _, v := range values {
		h = append(h, [2]string{"Access-Control-Request-Private-Network", v})
	}
	return h
}

func nothing() map[string]string {
	return map[string]string{acao: "", acac: "", acam: "", acah: "", acma: "", aceh: "", acapn: ""}
}

// with is nothing of the protocol but what is given, as name and value.
func with(pairs ...string) map[string]string {
	want := nothing()
	for i := 0; i < len(pairs); i += 2 {
		want[pairs[i]] = pairs[i+1]
	}
	return want
}

// granted is a preflight that the filter allows.
func granted(name, cite, policy string, header [][2]string, pairs ...string) Case {
	want := with(pairs...)
	want[vary] = preflightVary
	return Case{Name: name, Cite: cite, Policy: policy, Method: "OPTIONS", Header: header, Status: 204, Rule: "cors_preflight", Want: want}
}

// declined is a preflight that the filter refuses; nobody is told more than that.
func declined(name, cite, policy, rule string, header [][2]string) Case {
	want := with(vary, preflightVary, "X-Gatehouse-Cors", "")
	return Case{Name: name, Cite: cite, Policy: policy, Method: "OPTIONS", Header: header, Status: 403, Rule: rule, Decision: "deny", Want: want}
}

// corsCases: the Fetch standard, section 3.3 (CORS protocol). Where a case names
// no rule, the request goes on and only the page's right to read is at stake.
func corsCases() []Case {
	var all []Case
	all = append(all, originCases()...)
	all = append(all, preflightMethodCases()...)
	all = append(all, preflightHeaderCases()...)
	all = append(all, preflightOtherCases()...)
	all = append(all, sharingCases()...)
	return append(all, gatewayCases()...)
}
