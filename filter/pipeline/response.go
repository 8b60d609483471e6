package pipeline

import (
	"gatehouse/filter/cors"
	"gatehouse/filter/headers"
)

// ResponseHeaders is a host's view of the response headers.
type ResponseHeaders interface {
	headers.View
	// Values returns all lines of the header.
	Values(name string) []string
}

// Respond writes the policy into the response, whoever made it: the upstream,
// the proxy, another filter or this one.
func (x *Exchange) Respond(v ResponseHeaders) {
	if x.policy == nil {
		return
	}
	if h := x.policy.Headers; h != nil && !x.policy.HeadersReport {
		h.Apply(x.head.tls(), v)
	}
	if x.policy.CORS != nil && !x.policy.CORSReport && !x.answeredPreflight() {
		x.share(x.policy.CORS, v)
	}
}

// answeredPreflight: such an answer already has all of its CORS headers.
func (x *Exchange) answeredPreflight() bool {
	return x.reply != nil && x.verdict.Feature == "cors"
}

// share gives the response to the page of another origin, or not (Fetch section
// 3.3.3). The gateway is the authority: what the upstream said is replaced.
func (x *Exchange) share(p *cors.Policy, v ResponseHeaders) {
	if vary := p.Vary(); vary != "" {
		if have := v.Values("vary"); !cors.Varies(have, vary) {
			v.Set("vary", cors.MergeVary(have, vary))
		}
	}
	var lines [3]cors.Header
	given := p.Actual(lines[:0], x.head.origins)
	for _, name := range cors.ResponseHeaders() {
		if !names(given, name) {
			v.Remove(name)
		}
	}
	for _, h := range given {
		v.Set(h.Name, h.Value)
	}
}

func names(given []cors.Header, name string) bool {
	for i := range given {
		if given[i].Name == name {
			return true
		}
	}
	return false
}
