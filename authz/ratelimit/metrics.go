package ratelimit

import (
	"strings"
	"sync"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gatehouse/authz/limit"
)

// Metrics are what a Service counts.
type Metrics struct {
	answers *prometheus.CounterVec
	shadow  *prometheus.CounterVec
	errors  prometheus.Counter
	ready   sync.Map // of prometheus.Counter by series
}

type series struct {
	domain string
	code   pb.RateLimitResponse_Code
}

// NewMetrics registers them; a registerer takes them once.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	with := promauto.With(reg)
	return &Metrics{
		answers: with.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_ratelimit_requests_total", Help: "Answers of ShouldRateLimit.",
		}, []string{"domain", "code"}),
		shadow: with.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_ratelimit_shadow_refusals_total",
			Help: "Descriptors that a limit in shadow_mode would have refused: see `gatehouse limit top --shadow`.",
		}, []string{"domain"}),
		errors: with.NewCounter(prometheus.CounterOpts{
			Name: "gatehouse_ratelimit_store_errors_total", Help: "Requests for which Redis did not answer in time.",
		}),
	}
}

// answered counts by domain only where the configuration names it: the number
// of labels must not be up to who asks.
func (m *Metrics) answered(config *Config, domain string, code pb.RateLimitResponse_Code) {
	domain = known(config, domain)
	at := series{domain, code}
	counter, ok := m.ready.Load(at)
	if !ok {
		counter, _ = m.ready.LoadOrStore(at, m.answers.WithLabelValues(domain, strings.ToLower(code.String())))
	}
	counter.(prometheus.Counter).Inc()
}

func known(config *Config, domain string) string {
	if _, named := config.domains[domain]; named {
		return domain
	}
	return "unknown"
}

// shadowed counts what limits that only report would have refused.
func (m *Metrics) shadowed(config *Config, domain string, results []limit.Result) {
	for i := range results {
		if results[i].Shadow && !results[i].Allowed {
			m.shadow.WithLabelValues(known(config, domain)).Inc()
		}
	}
}

func (m *Metrics) failed() { m.errors.Inc() }
