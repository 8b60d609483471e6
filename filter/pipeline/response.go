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
	for _, name := range cors.ResponseHeaders() {
		v.Remove(name)
	}
	if vary := p.Vary(); vary != "" {
		v.Set("vary", cors.MergeVary(v.Values("vary"), vary))
	}
	origin, ok := p.Allowed(x.head.origins)
	if !ok {
		return
	}
	var lines [3]cors.Header
	for _, h := range p.Actual(lines[:0], origin) {
		v.Set(h.Name, h.Value)
	}
}
