package policy

import (
	"slices"

	"gatehouse/filter/abi"
	"gatehouse/filter/cors"
)

// Slots of a plan's values.
const (
	SlotStatus = 1 + iota
	SlotContentType
	SlotVary
)

// Plan is what the policy does to the head of a plain success (pipeline.Exchange.Plan
// says which those are), beside what CORS says of one origin; nil where each response
// must be looked at.
func (c *Compiled) Plan(tls bool) *abi.Plan {
	if tls {
		return c.plans[1]
	}
	return c.plans[0]
}

func (c *Compiled) plan() {
	if c.Headers == nil || c.HeadersReport {
		return
	}
	for i, tls := range []bool{false, true} {
		h, ok := c.Headers.Plain(tls)
		if !ok || slices.ContainsFunc(slices.Concat(h.Names(), h.Remove, h.Look), planned) {
			continue
		}
		p := &abi.Plan{}
		p.Show(":status", SlotStatus)
		p.Show("content-type", SlotContentType)
		p.Show("vary", SlotVary)
		for _, line := range h.Set {
			p.Drop(line[0])
			p.Add(line[0], line[1])
		}
		for _, name := range h.Remove {
			p.Drop(name)
		}
		for _, name := range h.Look {
			p.Stop(name)
		}
		if h.Cookies {
			p.Stop("set-cookie")
		}
		if c.CORS != nil && !c.CORSReport {
			for _, name := range cors.ResponseHeaders().List() {
				p.Drop(name)
			}
		}
		if c.Vary != "" {
			p.Drop("vary")
		}
		c.plans[i] = p
	}
}

// planned are names that a plan treats in its own way: a policy that sets or removes
// one has none.
func planned(name string) bool {
	return slices.Contains([]string{":status", "content-type", "vary", "set-cookie"}, name) || slices.Contains(cors.ResponseHeaders().List(), name)
}
