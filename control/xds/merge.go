package xds

import (
	"maps"

	"gatehouse/control/policy"
)

// Merge is next with the policies that only former has, for the filter and for
// authz: what both must know while requests are still on former's routes.
// Neither argument is changed.
func Merge(next, former *policy.Compiled) *policy.Compiled {
	merged := *next
	merged.Filter.Policies = both(next.Filter.Policies, former.Filter.Policies)
	merged.Authz.Policies = both(next.Authz.Policies, former.Authz.Policies)
	return &merged
}

func both[P any](first, second map[string]P) map[string]P {
	out := maps.Clone(second)
	if out == nil {
		out = map[string]P{}
	}
	maps.Copy(out, first)
	return out
}
