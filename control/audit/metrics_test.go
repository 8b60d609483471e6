package audit

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func counted(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	switch {
	case out.GetCounter() != nil:
		return out.GetCounter().GetValue()
	case out.GetHistogram() != nil:
		return float64(out.GetHistogram().GetSampleCount())
	}
	return out.GetGauge().GetValue()
}

func TestTheMetricsTellOfSizeCommitsAndFailures(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	l := open(t, t.TempDir(), func(o *Options) { o.Registerer = registry })
	add(t, l, "a", "b")
	add(t, l, "c")
	if n := counted(t, l.metrics.commits); n != 2 {
		t.Errorf("%v commits", n)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "gatehouse_audit_entries" && f.GetMetric()[0].GetGauge().GetValue() != 3 {
			t.Errorf("%v", f)
		}
	}
	if len(families) != 7 {
		t.Errorf("%d metrics", len(families))
	}
	closed(t, l)
	if families, err = registry.Gather(); err != nil || len(families) != 0 {
		t.Errorf("%d metrics after the end: %v", len(families), err)
	}
}
