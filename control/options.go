package control

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gatehouse/authz/secret"
	"gatehouse/control/store"
)

// Options are what a control is started with. Listeners instead of addresses
// are for tests; Run closes them.
type Options struct {
	// Config is the path of gatehouse.yaml.
	Config string
	// XDSListen serves Envoy; it belongs on loopback or on a network of its own.
	XDSListen   string
	XDSListener net.Listener
	// HTTPListen serves /healthz, /readyz and /metrics, the API and the console.
	HTTPListen   string
	HTTPListener net.Listener
	// MetricsListen serves /metrics, too; empty serves none.
	MetricsListen   string
	MetricsListener net.Listener
	// StateDir keeps the audit log, dead letters and the last good policies.
	StateDir string

	// Version of this program, as the API tells it.
	Version string
	// Store keeps users, and what else must outlive Redis. Without a URL the audit
	// log cannot be searched, and neither API nor console is served.
	Store store.Options
	// PseudonymKey is the one that authz has.
	PseudonymKey secret.Value
	// MasterKey wraps the keys under which readable fields are kept; without it
	// they are dropped.
	MasterKey secret.Value
	// LiveMasterKey, where set, is asked again when the master key was rotated.
	LiveMasterKey *secret.Live
	// AdminTokenFile holds the token of a caller with the role admin, besides
	// those of the policy file; empty names none.
	AdminTokenFile string

	// Redis says where Redis is; where it is empty, gatehouse.yaml says so.
	Redis RedisOptions

	// AuditKey signs the audit log's checkpoints (audit.GenerateKey).
	AuditKey secret.Value

	// WasmPath is the filter's module, as Envoy sees it.
	WasmPath string
	// AuthzAddress is authz's listener, as Envoy reaches it: host:port, or
	// unix:///path.
	AuthzAddress string
	// ScanAddress is XDSListen as Envoy reaches it; empty means XDSListen itself,
	// unless that is all interfaces.
	ScanAddress string
	// EnvoyListen and EnvoyTLSListen go before what gatehouse.yaml says.
	EnvoyListen, EnvoyTLSListen string

	// Instance names this control in events and in the consumer group; it should
	// be the same after a restart. Empty takes the host's name.
	Instance string
	// Guard looks at what others wrote for secrets; what it and the logger find
	// becomes events. Nil looks at nothing.
	Guard    *secret.Guard
	Log      *slog.Logger         // nil means slog.Default()
	Registry *prometheus.Registry // nil makes one
	// Metrics is what /metrics shows; nil means Registry.
	Metrics prometheus.Gatherer
	Now     func() time.Time // nil means time.Now

	timing timing // for tests
}

// RedisOptions say how to reach Redis. The URL is a secret because it may carry
// a password.
type RedisOptions struct {
	URL, Password secret.Value
	// LiveURL and LivePassword, where set, are asked at each new connection.
	LiveURL, LivePassword *secret.Live
}

// timing is how long things take that a test does not want to wait for.
type timing struct {
	poll     time.Duration // between looks at the files
	settle   time.Duration // for which an edited file must be left alone
	prune    time.Duration // until what no route refers to any more is dropped
	republic time.Duration // between looks at Redis's copy of the policy
	// Of people's requests; 0 leaves it to the rooms.
	retry      time.Duration // after the first failure of a step
	processors time.Duration // between questions to a processor
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
		o.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	if o.Metrics == nil {
		o.Metrics = o.Registry
	}
	if o.Instance == "" {
		o.Instance = hostname()
	}
	o.timing.poll = cmp.Or(o.timing.poll, time.Second)
	o.timing.settle = cmp.Or(o.timing.settle, 100*time.Millisecond)
	o.timing.prune = cmp.Or(o.timing.prune, 5*time.Second)
	o.timing.republic = cmp.Or(o.timing.republic, time.Second)
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "control"
	}
	return name
}

func (o *Options) validate() error {
	var errs []error
	need := func(ok bool, advice string) {
		if !ok {
			errs = append(errs, errors.New(advice))
		}
	}
	need(o.Config != "", "no policy file is named: pass --config gatehouse.yaml")
	need(o.XDSListen != "" || o.XDSListener != nil, "control has no address for Envoy: pass --xds-listen 127.0.0.1:9002")
	need(o.HTTPListen != "" || o.HTTPListener != nil, "control has no HTTP address: pass --http-listen 127.0.0.1:8081")
	need(o.StateDir != "", "control has no folder for its state: pass --state-dir DIR")
	need(!o.AuditKey.Empty(), "the audit log has no signing key: make one with `gatehouse audit keygen` and set GATEHOUSE_AUDIT_KEY_FILE to its path")
	need(o.WasmPath != "", "the filter's module is not named: pass --wasm PATH, as Envoy sees it")
	need(o.AuthzAddress != "", "authz's address is not named: pass --authz-address 127.0.0.1:9001")
	return errors.Join(errs...)
}
