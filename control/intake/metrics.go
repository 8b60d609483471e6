package intake

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/authz/event"
)

type metrics struct {
	events           *prometheus.CounterVec
	sealDropped      *prometheus.CounterVec
	duplicates, dead prometheus.Counter
	failures         prometheus.Counter
	lag, backlog     prometheus.Gauge
	knownTypes       map[event.Type]bool
	knownOutcomes    map[event.Outcome]bool
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "gatehouse", Subsystem: "intake", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "gatehouse", Subsystem: "intake", Name: name, Help: help})
	}
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "gatehouse", Subsystem: "intake", Name: "events_total", Help: "Events written to the audit log.",
		}, []string{"type", "outcome"}),
		sealDropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "gatehouse", Subsystem: "intake", Name: "personal_dropped_total", Help: "Events whose readable fields were dropped: unreadable, erased or no_master_key.",
		}, []string{"reason"}),
		duplicates:    counter("duplicates_total", "Events that came again and were in the audit log already."),
		dead:          counter("dead_letters_total", "Entries of the stream that are no events."),
		failures:      counter("failures_total", "Attempts to take events in that failed; each is repeated."),
		lag:           gauge("lag_seconds", "Age of the newest event at the time it was written to the audit log."),
		backlog:       gauge("backlog", "Events in the stream that are not in the audit log yet."),
		knownTypes:    knownTypes(),
		knownOutcomes: knownOutcomes(),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.events, m.sealDropped, m.duplicates, m.dead, m.failures, m.lag, m.backlog} {
		errs = append(errs, r.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register the metrics of the intake: %w", err)
	}
	return m, nil
}

func (m *metrics) took(b batch, fresh []event.Event, now time.Time) {
	for _, e := range fresh {
		kind, outcome := m.labels(e)
		m.events.WithLabelValues(kind, outcome).Inc()
	}
	m.duplicates.Add(float64(len(b.events) - len(fresh)))
	m.dead.Add(float64(len(b.dead)))
	m.lag.Set(max(0, now.Sub(time.UnixMilli(millisOf(b.newest))).Seconds()))
}

// labels bounds the number of series: whoever can write to the stream could
// make up types.
func (m *metrics) labels(e event.Event) (kind, outcome string) {
	kind, outcome = "other", "other"
	if m.knownTypes[e.Type] {
		kind = string(e.Type)
	}
	if m.knownOutcomes[e.Outcome] {
		outcome = string(e.Outcome)
	}
	return kind, outcome
}

func knownTypes() map[event.Type]bool {
	known := map[event.Type]bool{}
	for _, t := range event.Types() {
		known[t] = true
	}
	return known
}

func knownOutcomes() map[event.Outcome]bool {
	known := map[event.Outcome]bool{}
	for _, o := range []event.Outcome{event.Allow, event.Deny, event.Report, event.Success, event.Failure} {
		known[o] = true
	}
	return known
}
