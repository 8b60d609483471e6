package pipeline

import (
	"gatehouse/filter/cors"
	"gatehouse/filter/headers"
	"gatehouse/filter/policy"
)

// PlannedStatus stands for the status of any response that went by a plan: none is a
// failure of the server.
const PlannedStatus = 200

// Plan is what becomes of a response's packed map, in the memory of dst if there is
// enough, where the response is what nearly all are: a success of the upstream's, under
// a policy whose headers are the same for all of them, without cookies to harden. It is
// false for any other: Respond treats those, and would these in the same way.
func (x *Exchange) Plan(dst []byte, packed string) ([]byte, bool) {
	p := x.policy
	if p == nil || x.reply != nil {
		return dst, false
	}
	plan := p.Plan(x.head.tls())
	c := &x.cuts
	if plan == nil || !c.Scan(plan, packed) || c.Counts[policy.SlotStatus] != 1 || c.Counts[policy.SlotContentType] > 1 {
		return dst, false
	}
	mediaType := c.Values[policy.SlotContentType]
	if c.Counts[policy.SlotContentType] == 0 {
		mediaType = ""
	}
	if !headers.TakesAll(c.Values[policy.SlotStatus], mediaType) {
		return dst, false
	}
	further, ok := x.further(p)
	if !ok {
		return dst, false
	}
	return c.Packed(dst, plan, further), true
}

// further are the lines that a plan's do not have: Vary, and what CORS says of one
// origin; false where Vary must be made of several.
//
//go:noinline
func (x *Exchange) further(p *policy.Compiled) ([][2]string, bool) {
	n := 0
	if want := p.Vary; want != "" {
		switch x.cuts.Counts[policy.SlotVary] {
		case 0:
		case 1:
			want = x.varied.with(x.cuts.Values[policy.SlotVary], want)
		default:
			return nil, false
		}
		x.extra[0][0], x.extra[0][1] = "vary", want
		n = 1
	}
	if x.shares() {
		given := p.CORS.Actual(x.given[:0], x.head.origins)
		for i := range given {
			x.extra[n][0], x.extra[n][1] = given[i].Name, given[i].Value
			n++
		}
	}
	return x.extra[:n], true
}

// with is what becomes of one line.
func (m *varied) with(have, want string) string {
	if have != m.have || want != m.want {
		if len(have) > maxVaried {
			return cors.MergeVary([]string{have}, want)
		}
		m.keep([]string{have}, want)
	}
	return m.merged
}
