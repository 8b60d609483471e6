package ratelimit

import (
	"math"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gatehouse/authz/limit"
)

const (
	// maxRuleSeries bounds the rules that metrics tell apart; those beyond are "other".
	maxRuleSeries = 10_000
	// maxLabel bounds a label, which may hold a request's value, in bytes.
	maxLabel = 128
	// DefaultNearRatio is from which share of a limit on a hit is near it.
	DefaultNearRatio = 0.8
)

// Compat are the metrics of envoyproxy/ratelimit, under the names and labels that its
// Prometheus endpoint gives them: hits by rule, of which domain, key1 and key2 are the
// first three parts of the path. detailed_metric and value_to_metric put the request's
// values into them. A call of several hits that does not fit is over the limit as a
// whole, where envoyproxy/ratelimit counts the part that would have fitted apart.
type Compat struct {
	near     float64
	calls    tallied
	failures tallied
	vecs     [5]*prometheus.CounterVec

	mu    sync.RWMutex
	rules map[ruleSeries]*ruleCounters
}

// The counters of a rule.
const (
	totalHits = iota
	overLimit
	nearLimit
	withinLimit
	shadowMode
)

var ruleCounterNames = [5]string{"total_hits", "over_limit", "near_limit", "within_limit", "shadow_mode"}

// ruleSeries is a rule's path: rest is what is deeper than the labels are.
type ruleSeries struct{ domain, key1, key2, rest string }

type ruleCounters [5]tallied

// tallied is a counter of which StatsD is told, too.
type tallied struct {
	prometheus.Counter
	n, told atomic.Int64
}

func (t *tallied) add(n int64) {
	t.Add(float64(n))
	t.n.Add(n)
}

// NewCompat registers them; a registerer takes them once. near is from 0 to 1.
func NewCompat(reg prometheus.Registerer, near float64) *Compat {
	with := promauto.With(reg)
	c := &Compat{near: near, rules: map[ruleSeries]*ruleCounters{}}
	for i, name := range ruleCounterNames {
		c.vecs[i] = with.NewCounterVec(prometheus.CounterOpts{
			Name: "ratelimit_service_rate_limit_" + name, Help: "As of envoyproxy/ratelimit.",
		}, []string{"domain", "key1", "key2"})
	}
	c.calls.Counter = with.NewCounterVec(prometheus.CounterOpts{
		Name: "ratelimit_service_total_requests", Help: "As of envoyproxy/ratelimit.",
	}, []string{"grpc_method"}).WithLabelValues("ShouldRateLimit")
	c.failures.Counter = with.NewCounterVec(prometheus.CounterOpts{
		Name: "ratelimit_service_should_rate_limit_error", Help: "As of envoyproxy/ratelimit.",
	}, []string{"err_type"}).WithLabelValues("redis_error")
	return c
}

// rule takes one descriptor's result. A nil Compat counts nothing.
func (c *Compat) rule(at ruleSeries, hits int64, result limit.Result) {
	counters := c.of(at)
	counters[totalHits].add(hits)
	if !result.Allowed {
		counters[overLimit].add(hits)
		if result.Shadow {
			counters[shadowMode].add(1)
		}
		return
	}
	counters[withinLimit].add(hits)
	after, near := result.Limit-result.Remaining, int64(math.Floor(float64(result.Limit)*c.near))
	counters[nearLimit].add(min(hits, max(0, after-near)))
}

func (c *Compat) of(at ruleSeries) *ruleCounters {
	c.mu.RLock()
	found := c.rules[at]
	c.mu.RUnlock()
	if found != nil {
		return found
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rules) >= maxRuleSeries {
		if _, known := c.rules[at]; !known {
			at = ruleSeries{"other", "other", "other", ""}
		}
	}
	if found = c.rules[at]; found == nil {
		found = &ruleCounters{}
		for i, vec := range c.vecs {
			found[i].Counter = vec.WithLabelValues(at.domain, at.key1, at.key2)
		}
		c.rules[at] = found
	}
	return found
}

// compat counts an answered request.
func (s *Service) compat(in *pb.RateLimitRequest, config *Config, matches []Match, requests []limit.Request, results []limit.Result, owners []int) {
	if s.o.Compat == nil {
		return
	}
	for i, result := range results {
		d := in.GetDescriptors()[owners[i]]
		s.o.Compat.rule(config.series(in.GetDomain(), d, matches[owners[i]]), requests[i].Hits, result)
	}
}

// series is the rule's path: the names as the file has them, with the request's values
// where the rule asks for them.
func (c *Config) series(domain string, d *ratelimitv3.RateLimitDescriptor, m Match) ruleSeries {
	var keys [2]string
	var rest []string
	at := c.domains[domain]
	for i, entry := range d.GetEntries() {
		name := entry.GetKey()
		var value string
		if at != nil {
			at = at.child(entry.GetKey(), entry.GetValue())
		}
		switch pattern, shared := m.shared[i]; {
		case shared && (m.Detailed || at != nil && at.valueToMetric):
			value = pattern
		case m.Detailed || at == nil || at.valueToMetric:
			value = entry.GetValue()
		default:
			value = at.value
		}
		if addr, err := netip.ParseAddr(value); err == nil && addr.Is4() {
			value = strings.ReplaceAll(value, ".", "_")
		}
		if label := asLabel(composite(name, value)); i < len(keys) {
			keys[i] = label
		} else {
			rest = append(rest, label)
		}
	}
	return ruleSeries{asLabel(domain), keys[0], keys[1], strings.Join(rest, ".")}
}

// asLabel is a part of a path as a label: what parts a path, or a metric, is no part of it.
func asLabel(text string) string {
	if len(text) > maxLabel {
		text = text[:maxLabel]
	}
	return strings.NewReplacer(":", "_", "|", "_").Replace(strings.ToValidUTF8(text, "_"))
}
