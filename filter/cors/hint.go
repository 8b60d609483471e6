package cors

import "strings"

// The hints say in a refusal what its reader most often needs to know next. They
// stand in the log and, under Debug, in the answer; a client without Debug never
// sees them.

func (p *Policy) hintOrigin(origins []string) string {
	switch {
	case len(origins) > 1:
		return ": several Origin lines, which no browser sends"
	case len(origins) == 0 || origins[0] == "":
		return ": it is empty"
	case origins[0] == "null":
		return ": pages in a sandbox, from a file or behind a redirect between sites have no origin of their own"
	case len(origins[0]) > maxOriginLen:
		return ": it is longer than any origin"
	}
	if _, ok := parseOrigin(origins[0]); !ok {
		return ": it is no origin as browsers write it"
	}
	return ": add it to allow_origins"
}

func (p *Policy) hintMethod(methods []string) string {
	switch {
	case len(methods) != 1:
		return ": several Access-Control-Request-Method lines, which no browser sends"
	case !isToken(methods[0]):
		return ": it is no method"
	case forbiddenMethod(methods[0]):
		return ": it is forbidden to scripts"
	}
	if upper := strings.ToUpper(methods[0]); upper != methods[0] && p.allowsMethod(upper) {
		return ": methods are case-sensitive, " + upper + " would be"
	}
	return ": add it to allow_methods"
}

func (p *Policy) hintHeader(name string) string {
	lower := strings.ToLower(name)
	switch {
	case !isToken(name):
		return ": it is no header name"
	case forbiddenHeader(lower):
		return ": it is forbidden to scripts"
	case lower == "authorization" && p.anyHeader:
		return ": * does not cover it, name it beside the *"
	}
	return ": add it to allow_headers"
}

// printable makes of s a header value: what a client sent may stand in it.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}
