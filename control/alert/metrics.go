package alert

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	raised, deliveries, dead, evicted *prometheus.CounterVec
	storeErrors                       prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "gatehouse", Subsystem: "alert", Name: name, Help: help}, labels)
	}
	m := &metrics{
		raised:     vec("raised_total", "Alerts that were raised.", "rule", "severity"),
		deliveries: vec("deliveries_total", "Attempts to tell a sink, by what came of them.", "sink", "result"),
		dead:       vec("dead_letters_total", "What a sink did not take in the end.", "sink"),
		evicted:    vec("groups_evicted_total", "Groups that were given up because a rule had too many.", "rule"),
		storeErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "gatehouse", Subsystem: "alert", Name: "store_failures_total", Help: "Questions to the store that failed; each is repeated.",
		}),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.raised, m.deliveries, m.dead, m.evicted, m.storeErrors} {
		errs = append(errs, r.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register the metrics of alerts: %w", err)
	}
	return m, nil
}
