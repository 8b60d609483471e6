package authz

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gatehouse/authz/event"
)

// counts are the metrics of the composed server; the rooms have their own.
type counts struct {
	panics  prometheus.Counter
	entries *prometheus.CounterVec
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func newCounts(reg prometheus.Registerer) *counts {
	with := promauto.With(reg)
	return &counts{
		panics: with.NewCounter(prometheus.CounterOpts{
			Name: "gatehouse_authz_panics_total", Help: "Handlers that panicked; each refused its request.",
		}),
		entries: with.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_authz_access_log_events_total", Help: "Events made of Envoy's access log.",
		}, []string{"type", "outcome"}),
	}
}

func (c *counts) entry(e event.Event) {
	c.entries.WithLabelValues(string(e.Type), string(e.Outcome)).Inc()
}

func (c *counts) watch(reg prometheus.Registerer, state func() readiness) {
	gauge := func(name, help string, of func(readiness) bool) {
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			if of(state()) {
				return 1
			}
			return 0
		})
	}
	gauge("gatehouse_authz_ready", "Whether there is something to decide by.", func(r readiness) bool { return r.Ready })
	gauge("gatehouse_authz_policy_loaded", "Whether a policy is loaded.", func(r readiness) bool { return r.Policy.Loaded })
	gauge("gatehouse_authz_redis_up", "Whether Redis answers.", func(r readiness) bool { return r.Redis.Reachable })
}
