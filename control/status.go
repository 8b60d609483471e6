package control

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/control/xds"
)

// status is what control knows about itself.
type status struct {
	mu     sync.Mutex
	policy policyState
	last   *failure
}

type policyState struct {
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// failure is why the newest edit is not live.
type failure struct {
	Time   time.Time `json:"time"`
	Errors []string  `json:"errors"`
}

func (s *status) accepted(version string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.policy.Version != version {
		s.policy = policyState{Version: version, Since: now.UTC()}
	}
	s.last = nil
}

func (s *status) rejected(err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &failure{Time: now.UTC(), Errors: lines(err)}
}

// readiness is the document of /readyz. Control is ready once it serves a
// policy. What else is wrong is told and makes it no less useful: taking it out
// of service would mend neither Redis nor an edit.
type readiness struct {
	Ready  bool        `json:"ready"`
	Policy policyState `json:"policy"`
	// LastError is why an edit of the policy file is not live.
	LastError *failure   `json:"last_error,omitempty"`
	Redis     redisState `json:"redis"`
	Envoys    []xds.Node `json:"envoys"`
}

func (c *control) readiness() readiness {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	return readiness{
		Ready:     c.status.policy.Version != "",
		Policy:    c.status.policy,
		LastError: c.status.last,
		Redis:     c.authz.current(),
		Envoys:    c.xds.Nodes(),
	}
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // the client is gone, then
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := c.readiness()
		code := http.StatusOK
		if !r.Ready {
			code = http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(r) // the client is gone, then
	})
	mux.Handle("GET /metrics", metricsHandler(c.o.Metrics))
	c.web.routes(mux)
	c.callbackRoutes(mux)
	return mux
}

func metricsHandler(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{})
}

// metrics are those of the composed server; the rooms have their own.
type metrics struct {
	edits      *prometheus.CounterVec
	rejections prometheus.Counter
	since      prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		edits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_control_policy_edits_total", Help: "Editions of the policy file, by what became of them.",
		}, []string{"result"}),
		rejections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gatehouse_control_xds_rejections_total", Help: "Resources that an Envoy refused.",
		}),
		since: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_control_policy_live_timestamp_seconds", Help: "When the live policy went live.",
		}),
	}
	for _, result := range []string{"accepted", "rejected"} {
		m.edits.WithLabelValues(result).Add(0) // so that an alert has something to compare with
	}
	return m, errors.Join(r.Register(m.edits), r.Register(m.rejections), r.Register(m.since))
}

func (m *metrics) accepted(now time.Time) {
	m.edits.WithLabelValues("accepted").Inc()
	m.since.Set(float64(now.Unix()))
}

// watch adds what is asked for when it is scraped.
func (c *control) watchState(r prometheus.Registerer) error {
	gauge := func(name, help string, of func(readiness) float64) error {
		return r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return of(c.readiness()) }))
	}
	return errors.Join(
		gauge("gatehouse_control_envoys", "Envoys that are connected.", func(s readiness) float64 { return float64(len(s.Envoys)) }),
		gauge("gatehouse_control_envoys_current", "Envoys that are connected and have accepted the live policy.", func(s readiness) float64 {
			n := 0
			for _, e := range s.Envoys {
				if e.Version == s.Policy.Version && e.Rejected == "" {
					n++
				}
			}
			return float64(n)
		}),
		gauge("gatehouse_control_redis_up", "Whether Redis holds authz's policy.", func(s readiness) float64 {
			if s.Redis.Reachable {
				return 1
			}
			return 0
		}),
	)
}
