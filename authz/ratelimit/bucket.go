package ratelimit

import (
	"maps"
	"slices"

	"gatehouse/authz/limit"
)

// maxBucket bounds the entries of a bucket's id.
const maxBucket = 10

// FindBucket returns the rule of a bucket of Envoy's rate_limit_quota filter, or
// nil if none applies. A bucket's id has no order: the rule is the one whose path
// names all of its entries, whatever the order; of several, the one that comes
// first when entries are tried in the order of their keys. A concurrency limit has no
// rate that could be dealt out, and does not apply.
func (c *Config) FindBucket(domain string, bucket map[string]string) *Rule {
	at, ok := c.domains[domain]
	if !ok || len(bucket) == 0 || len(bucket) > maxBucket {
		return nil
	}
	return at.bucket(slices.Sorted(maps.Keys(bucket)), bucket)
}

func (n *node) bucket(keys []string, bucket map[string]string) *Rule {
	if len(keys) == 0 {
		if n.rule != nil && n.rule.Algorithm == limit.Concurrency {
			return nil
		}
		return n.rule
	}
	for i, key := range keys {
		child := n.child(key, bucket[key])
		if child == nil {
			continue
		}
		rest := slices.Delete(slices.Clone(keys), i, i+1)
		if rule := child.bucket(rest, bucket); rule != nil {
			return rule
		}
	}
	return nil
}
