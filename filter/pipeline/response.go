package pipeline

import (
	"strings"

	"gatehouse/filter/cors"
	"gatehouse/filter/headers"
)

// ResponseHeaders is a host's view of the response headers.
type ResponseHeaders interface {
	headers.View
	// Status is the response's, three digits.
	Status() int
}

// Respond writes the policy into the response, whoever made it: the upstream,
// the proxy, another filter or this one.
func (x *Exchange) Respond(v ResponseHeaders) {
	if h := x.dresses(); h != nil {
		x.dress(h, v)
	}
	if x.varies() {
		x.varied.merge(v, x.policy.Vary)
	}
	if x.shares() {
		x.share(x.policy.CORS, v)
	}
}

// Responds tells whether Respond does anything: if not, nobody need read the
// response's headers for it.
func (x *Exchange) Responds() bool { return x.dresses() != nil || x.shares() || x.varies() }

// varies: the answer to a preflight already has a Vary of its own.
func (x *Exchange) varies() bool {
	return x.policy != nil && x.policy.Vary != "" && !x.answeredPreflight()
}

// dresses is the policy of headers that the response gets, nil if it gets none.
func (x *Exchange) dresses() *headers.Policy {
	p := x.policy
	if p == nil { // refused before there was one: what the default policy sets fits best
		p = x.set.Fallback()
	}
	if p == nil || p.HeadersReport {
		return nil
	}
	return p.Headers
}

func (x *Exchange) shares() bool {
	return x.policy != nil && x.policy.CORS != nil && !x.policy.CORSReport && !x.answeredPreflight()
}

func (x *Exchange) dress(h *headers.Policy, v ResponseHeaders) {
	if h.Nonced() && x.nonce == "" && !x.makeNonce() {
		// A policy whose nonce nobody can know is stricter than the one meant,
		// and never laxer.
		x.nonce = unknownNonce
	}
	h.Apply(headers.Response{Status: v.Status(), TLS: x.head.tls(), Nonce: x.nonce}, v)
}

// unknownNonce matches no element: it is no base64-value.
const unknownNonce = "-"

// makeNonce makes the nonce of this exchange.
//
//go:noinline
func (x *Exchange) makeNonce() bool {
	if x.random == nil || x.random.Fill(x.raw[:]) != nil {
		return false
	}
	x.nonce = headers.Nonce(x.raw)
	return true
}

// answeredPreflight: such an answer already has all of its CORS headers.
func (x *Exchange) answeredPreflight() bool {
	return x.reply != nil && x.verdict.Feature == "cors"
}

// share gives the response to the page of another origin, or not (Fetch section
// 3.3.3). The gateway is the authority: what the upstream said is replaced.
func (x *Exchange) share(p *cors.Policy, v ResponseHeaders) {
	given := p.Actual(x.given[:0], x.head.origins)
	for i := range given {
		x.shared[i] = given[i].Name
	}
	v.RemoveAll(cors.ResponseHeaders(), x.shared[:len(given)]...)
	for i := range given {
		v.Set(given[i].Name, given[i].Value)
	}
}

// varied is the last merging of Vary. An upstream says the same in nearly all of its
// answers, and the merged value is nothing of one exchange.
type varied struct{ have, want, merged string }

// maxVaried is how long a Vary may be, in bytes, to be kept for the next exchange.
const maxVaried = 256

func (m *varied) merge(v ResponseHeaders, want string) {
	have := v.Values("vary")
	one := len(have) == 1
	switch {
	case one && have[0] == m.have && want == m.want:
	case cors.Varies(have, want):
		return
	case one && len(have[0]) <= maxVaried:
		m.keep(have, want)
	default:
		v.Set("vary", cors.MergeVary(have, want))
		return
	}
	v.Set("vary", m.merged)
}

//go:noinline
func (m *varied) keep(have []string, want string) {
	*m = varied{have: strings.Clone(have[0]), want: want}
	if m.merged = m.have; !cors.Varies(have, want) {
		m.merged = cors.MergeVary(have, want)
	}
}
