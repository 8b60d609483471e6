package audit

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	registerer prometheus.Registerer
	registered []prometheus.Collector

	commits              prometheus.Histogram
	failures, unchecked  prometheus.Counter
	indexFailures        prometheus.Counter
	indexLag, indexDelay prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, l *Tlog) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "gatehouse", Subsystem: "audit", Name: name, Help: help}
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help)))
	}
	m := &metrics{
		registerer: r,
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "gatehouse", Subsystem: "audit", Name: "commit_seconds", Help: "Time that a batch of events took to become durable.",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 12),
		}),
		failures:      counter("failures_total", "Batches of events that could not be written; each is repeated."),
		unchecked:     counter("unchecked_total", "Old events that were written without the index having said that they are new."),
		indexFailures: counter("index_failures_total", "Attempts to bring the search index up to date that failed; each is repeated."),
		indexLag:      gauge("index_lag_events", "Events in the audit log that cannot be searched for yet."),
		indexDelay:    gauge("index_delay_seconds", "Age of the newest event at the time it could be searched for."),
	}
	if r == nil {
		return m, nil
	}
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("entries", "Events in the audit log.")), func() float64 { return float64(l.size.Load()) })
	var errs []error
	for _, c := range []prometheus.Collector{m.commits, m.failures, m.unchecked, m.indexFailures, m.indexLag, m.indexDelay, size} {
		if err := r.Register(c); err != nil {
			errs = append(errs, err)
			continue
		}
		m.registered = append(m.registered, c)
	}
	if err := errors.Join(errs...); err != nil {
		m.unregister()
		return nil, fmt.Errorf("register the metrics of the audit log: %w", err)
	}
	return m, nil
}

func (m *metrics) committed(took time.Duration, err error) {
	if err != nil {
		m.failures.Inc()
		return
	}
	m.commits.Observe(took.Seconds())
}

// unregister lets the log be opened again in the same process.
func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
}
