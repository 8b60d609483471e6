package migrate

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
)

// Kind is what becomes of a variable.
type Kind string

// The kinds.
const (
	Carried  Kind = "carried" // into the command or the environment
	Secret   Kind = "secret"  // into a file that is to be written
	Needless Kind = "needless"
	// Missing has no equivalent; verdicts stay the same.
	Missing Kind = "missing"
	// Changing cannot be carried over, and changes verdicts or keeps Envoy from asking.
	Changing Kind = "changing"
)

// Note is about one variable.
type Note struct {
	Variable string `json:"variable"`
	Kind     Kind   `json:"kind"`
	Text     string `json:"text"`
}

// Report is the equivalent configuration.
type Report struct {
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment,omitempty"`
	Notes       []Note            `json:"notes"`
}

// Changes says whether something that changes verdicts was left behind.
func (r Report) Changes() bool {
	return slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Kind == Changing })
}

// RateLimit translates the environment of envoyproxy/ratelimit: the variables that are
// set, to values that are not empty. What is not set counts with its default there.
func RateLimit(env map[string]string) Report {
	m := &migration{env: env, report: Report{Command: []string{"gatehouse", "serve", "authz"}, Environment: map[string]string{}}}
	m.backend()
	m.listen()
	m.config()
	m.redis()
	m.behaviour()
	m.metrics()
	m.rest()
	slices.SortStableFunc(m.report.Notes, func(a, b Note) int { return strings.Compare(a.Variable, b.Variable) })
	return m.report
}

type migration struct {
	env    map[string]string
	report Report
}

func (m *migration) get(name, unset string) string {
	if v := m.env[name]; v != "" {
		return v
	}
	return unset
}

func (m *migration) on(name string) bool {
	return slices.Contains([]string{"1", "t", "true"}, strings.ToLower(m.env[name]))
}

func (m *migration) flag(args ...string) { m.report.Command = append(m.report.Command, args...) }

// note tells of a variable that is set.
func (m *migration) note(name string, kind Kind, format string, args ...any) {
	if m.env[name] != "" {
		m.report.Notes = append(m.report.Notes, Note{name, kind, fmt.Sprintf(format, args...)})
	}
}

func (m *migration) carried(flag string, names ...string) {
	for _, name := range names {
		m.note(name, Carried, "is %s", flag)
	}
}

// secret has a file take the place of a value.
func (m *migration) secret(name, variable, hint string) {
	file := "/run/secrets/" + strings.ToLower(variable)
	m.report.Environment[variable+"_FILE"] = file
	m.note(name, Secret, "write %s to %s (mode 0600): secrets are read from files only", hint, file)
}

func (m *migration) backend() {
	if strings.EqualFold(m.get("BACKEND_TYPE", "redis"), "redis") {
		m.note("BACKEND_TYPE", Carried, "is Redis, the only one there is")
		return
	}
	m.note("BACKEND_TYPE", Changing, "only Redis is supported: memcached can lose a counter at any time, and counts in no atomic step")
}

func (m *migration) listen() {
	if uds := m.get("GRPC_UDS", ""); uds != "" {
		m.flag("--listen", "unix://"+uds)
		m.carried("--listen", "GRPC_UDS")
		m.note("GRPC_HOST", Needless, "GRPC_UDS goes before it")
		m.note("GRPC_PORT", Needless, "GRPC_UDS goes before it")
	} else {
		m.flag("--listen", net.JoinHostPort(m.get("GRPC_HOST", "0.0.0.0"), m.get("GRPC_PORT", "8081")))
		m.carried("--listen", "GRPC_HOST", "GRPC_PORT")
	}
	if m.on("GRPC_SERVER_USE_TLS") {
		m.note("GRPC_SERVER_USE_TLS", Changing, "there is no TLS on --listen: put an Envoy or a mesh in front, or use a Unix socket; Envoy cannot connect as it did")
	} else {
		m.note("GRPC_SERVER_USE_TLS", Needless, "is off")
	}
	for _, name := range []string{"GRPC_SERVER_TLS_CERT", "GRPC_SERVER_TLS_KEY", "GRPC_CLIENT_TLS_CACERT", "GRPC_CLIENT_TLS_SAN"} {
		m.note(name, Missing, "belongs to GRPC_SERVER_USE_TLS")
	}
	for _, name := range []string{"HOST", "PORT"} {
		m.note(name, Missing, "/healthz and /readyz are served on --listen; /json is not served")
	}
	for _, name := range []string{"DEBUG_HOST", "DEBUG_PORT"} {
		m.note(name, Missing, "there is no debugging port")
	}
}

func (m *migration) config() {
	switch kind := m.get("CONFIG_TYPE", "FILE"); kind {
	case "FILE":
		folder := path.Join(m.get("RUNTIME_ROOT", "/srv/runtime_data/current"), m.get("RUNTIME_SUBDIRECTORY", ""), m.get("RUNTIME_APPDIRECTORY", "config"))
		m.flag("--ratelimit-config", folder)
		m.carried("--ratelimit-config", "CONFIG_TYPE", "RUNTIME_ROOT", "RUNTIME_SUBDIRECTORY", "RUNTIME_APPDIRECTORY")
	case "GRPC_XDS_SOTW":
		m.xds()
	default:
		m.note("CONFIG_TYPE", Changing, "%.40q is neither FILE nor GRPC_XDS_SOTW", kind)
	}
	m.note("RUNTIME_WATCH_ROOT", Needless, "contents are compared every second, however they change")
	m.note("RUNTIME_IGNOREDOTFILES", Needless, "names that begin with a dot are always passed over")
	if m.on("MERGE_DOMAIN_CONFIG") {
		m.flag("--ratelimit-merge-domains")
	}
	m.carried("--ratelimit-merge-domains", "MERGE_DOMAIN_CONFIG")
	for _, name := range []string{"FORCE_START_WITHOUT_INITIAL_CONFIG", "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED"} {
		m.note(name, Missing, "a folder with mistakes ends the start; over xDS it is not ready until the first configuration")
	}
}

func (m *migration) xds() {
	m.flag("--ratelimit-xds", m.get("CONFIG_GRPC_XDS_SERVER_URL", "localhost:18000"), "--ratelimit-xds-node", m.get("CONFIG_GRPC_XDS_NODE_ID", "default"))
	m.carried("--ratelimit-xds", "CONFIG_TYPE", "CONFIG_GRPC_XDS_SERVER_URL")
	m.carried("--ratelimit-xds-node", "CONFIG_GRPC_XDS_NODE_ID")
	if m.get("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "") != "" {
		m.flag("--ratelimit-xds-header", "NAME=VALUE")
		m.note("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", Secret, "write each as NAME=VALUE in GATEHOUSE_RATELIMIT_XDS_HEADER: the values may be secrets, and are not repeated here")
	}
	if m.on("CONFIG_GRPC_XDS_SERVER_USE_TLS") {
		m.flag("--ratelimit-xds-ca", m.get("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", "system"))
		m.carried("--ratelimit-xds-ca", "CONFIG_GRPC_XDS_SERVER_USE_TLS", "CONFIG_GRPC_XDS_SERVER_TLS_CACERT")
	}
	for _, name := range []string{"CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "CONFIG_GRPC_XDS_CLIENT_TLS_KEY"} {
		m.note(name, Changing, "there is no client certificate towards the management server: a server that asks for one gives no limits")
	}
	m.note("CONFIG_GRPC_XDS_SERVER_TLS_SAN", Missing, "the certificate must be for the host of --ratelimit-xds")
	m.note("CONFIG_GRPC_XDS_NODE_METADATA", Changing, "the node has no metadata: a server that chooses limits by it chooses others")
}

func (m *migration) behaviour() {
	for _, f := range []struct{ variable, flag string }{
		{"SHADOW_MODE", "--ratelimit-shadow"}, {"QUOTA_MODE", "--ratelimit-quota"}, {"RESPONSE_DYNAMIC_METADATA", "--ratelimit-metadata"},
	} {
		if m.on(f.variable) {
			m.flag(f.flag)
		}
		m.carried(f.flag, f.variable)
	}
	m.headers()
	if m.on("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT") {
		m.note("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", Changing, "a fixed window counts what it refuses: after a refused call of several hits, a smaller one may be refused that passed; algorithm: sliding_window does not count it")
	} else {
		m.note("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", Needless, "is off")
	}
	m.note("CACHE_KEY_PREFIX", Changing, "counters have names of their own: give each deployment that shares a Redis a database of its own (the URL's number), or the same domain counts together")
	m.note("LOCAL_CACHE_SIZE_IN_BYTES", Needless, "counters over their limit are always remembered, within bounds")
	m.note("EXPIRATION_JITTER_MAX_SECONDS", Needless, "counters end with their window")
}

func (m *migration) headers() {
	names := []string{m.get("LIMIT_LIMIT_HEADER", "RateLimit-Limit"), m.get("LIMIT_REMAINING_HEADER", "RateLimit-Remaining"), m.get("LIMIT_RESET_HEADER", "RateLimit-Reset")}
	variables := []string{"LIMIT_RESPONSE_HEADERS_ENABLED", "LIMIT_LIMIT_HEADER", "LIMIT_REMAINING_HEADER", "LIMIT_RESET_HEADER"}
	if !m.on("LIMIT_RESPONSE_HEADERS_ENABLED") {
		for _, name := range variables {
			m.note(name, Needless, "no headers are sent")
		}
		return
	}
	if slices.EqualFunc(names, []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}, strings.EqualFold) {
		m.flag("--ratelimit-x-headers")
		m.carried("--ratelimit-x-headers", variables...)
		return
	}
	m.flag("--ratelimit-headers")
	for _, name := range variables {
		m.note(name, Missing, "--ratelimit-headers sends the same figures in RateLimit and RateLimit-Policy, --ratelimit-x-headers in X-RateLimit-*: names cannot be chosen")
	}
}
