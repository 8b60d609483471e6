package session

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// counts are the metrics; those of a nil registerer count for nobody.
type counts struct {
	lookups          *prometheus.CounterVec
	hits, misses     prometheus.Counter
	revocations      *prometheus.CounterVec
	lostPushes       prometheus.Counter
	unsentPushes     prometheus.Counter
	unconfirmedWrite prometheus.Counter
}

func newCounts(reg prometheus.Registerer, size func() int) *counts {
	with := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: "gatehouse_session_" + name, Help: help})
	}
	c := &counts{
		lookups: with.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_session_lookups_total", Help: "Lookups of well-formed tokens, by who answered.",
		}, []string{"from"}),
		revocations: with.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_session_revocations_total", Help: "Revocations made by this process, by what was revoked.",
		}, []string{"what"}),
		lostPushes:       counter("pushes_lost_total", "Revocations that were noticed by a gap in their numbers."),
		unsentPushes:     counter("pushes_unsent_total", "Revocations that could not be pushed to other replicas' caches."),
		unconfirmedWrite: counter("writes_unconfirmed_total", "Writes that fewer replicas of Redis confirmed than were asked to."),
	}
	c.hits, c.misses = c.lookups.WithLabelValues("cache"), c.lookups.WithLabelValues("redis")
	with.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_session_cache_entries", Help: "Sessions that the local cache holds.",
	}, func() float64 { return float64(size()) })
	return c
}

func (c *counts) hit()       { c.hits.Inc() }
func (c *counts) miss()      { c.misses.Inc() }
func (c *counts) lost()      { c.lostPushes.Inc() }
func (c *counts) unsent()    { c.unsentPushes.Inc() }
func (c *counts) undurable() { c.unconfirmedWrite.Inc() }

func (c *counts) revocation(what string) {
	switch what {
	case everybody:
		what = "everything"
	case "t":
		what = "tenant"
	}
	c.revocations.WithLabelValues(what).Inc()
}
