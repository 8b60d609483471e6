package event

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	appended, lost, streamErrors prometheus.Counter
}

func newMetrics(r prometheus.Registerer, queued func() float64) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "gatehouse", Subsystem: "events", Name: name, Help: help})
	}
	m := &metrics{
		appended:     counter("appended_total", "Events that the Redis stream has taken."),
		lost:         counter("lost_total", "Events that were dropped because the queue was full or the process ended."),
		streamErrors: counter("stream_errors_total", "Attempts to append to the Redis stream that failed; each is repeated."),
	}
	if r == nil {
		return m, nil
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "gatehouse", Subsystem: "events", Name: "queued", Help: "Events that wait to be appended.",
	}, queued)
	err := errors.Join(r.Register(m.appended), r.Register(m.lost), r.Register(m.streamErrors), r.Register(waiting))
	if err != nil {
		return nil, fmt.Errorf("register the metrics of the event writer: %w", err)
	}
	return m, nil
}
