package extauthz

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gatehouse/filter/verdict"
)

// Metrics are what a Service counts.
type Metrics struct {
	checks *prometheus.CounterVec
	took   prometheus.Histogram
	failed *prometheus.CounterVec
	reg    prometheus.Registerer
	// allowed is the one of checks that nearly all are.
	allowed prometheus.Counter
}

// NewMetrics registers them; a registerer takes them once.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	with := promauto.With(reg)
	m := &Metrics{
		reg: reg,
		checks: with.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_authz_checks_total", Help: "Decisions of ext_authz Check.",
		}, []string{"decision", "feature", "rule"}),
		took: with.NewHistogram(prometheus.HistogramOpts{
			Name: "gatehouse_authz_check_seconds", Help: "Time to decide a Check.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .15, .3, .5},
		}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_authz_store_errors_total", Help: "Questions that Redis did not answer in time.",
		}, []string{"feature"}),
	}
	m.allowed = m.checks.WithLabelValues(string(verdict.Allow), "", "")
	return m
}

func (m *Metrics) observe(decision verdict.Decision, o outcome, took time.Duration) {
	if decision == verdict.Allow && o.feature == "" && o.rule == "" {
		m.allowed.Inc()
	} else {
		m.checks.WithLabelValues(string(decision), o.feature, o.rule).Inc()
	}
	m.took.Observe(took.Seconds())
}

func (m *Metrics) unavailable(feature string) { m.failed.WithLabelValues(feature).Inc() }

func (m *Metrics) disagreement(active func() float64) {
	promauto.With(m.reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_authz_policy_disagreements",
		Help: "Policy versions that an Envoy has been using for more than five seconds and authz has not.",
	}, active)
}
