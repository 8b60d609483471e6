package migrate

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

func (m *migration) redis() {
	if at := m.redisURL(); at != "" {
		m.flag("--redis", at)
	}
	if m.get("REDIS_AUTH", "") != "" {
		m.secret("REDIS_AUTH", "REDIS_PASSWORD", "its value (of user:password the password; the user goes into --redis as user@)")
	}
	m.note("REDIS_SENTINEL_AUTH", Changing, "Sentinels are asked with the password of the URL's file only: write the whole redis-sentinel:// URL to a file and pass --redis-url-file")
	m.flag("--redis-pool-size", m.get("REDIS_POOL_SIZE", "10"))
	m.carried("--redis-pool-size", "REDIS_POOL_SIZE")
	if m.on("REDIS_PERSECOND") {
		m.note("REDIS_PERSECOND", Needless, "one Redis counts all units; verdicts are the same, and the counters of seconds move to it")
	} else {
		m.note("REDIS_PERSECOND", Needless, "is off")
	}
	for name := range m.env {
		if strings.HasPrefix(name, "REDIS_PERSECOND_") {
			m.note(name, Needless, "one Redis counts all units")
		}
	}
	for _, name := range []string{"REDIS_PIPELINE_WINDOW", "REDIS_PIPELINE_LIMIT", "REDIS_CLUSTER_PIPELINE_PARALLELISM"} {
		m.note(name, Needless, "requests that arrive together share a round trip, and none waits for others")
	}
	for _, name := range []string{"REDIS_TIMEOUT", "REDIS_POOL_ON_EMPTY_BEHAVIOR"} {
		m.note(name, Missing, "a request waits at most 150 ms for Redis; then --ratelimit-on-redis-error decides")
	}
	for _, name := range []string{"REDIS_STARTUP_INITIAL_INTERVAL", "REDIS_STARTUP_MAX_INTERVAL", "REDIS_STARTUP_MAX_ELAPSED_TIME", "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION"} {
		m.note(name, Needless, "it starts without Redis, is not ready until Redis answers, and connects again by itself")
	}
	for name := range m.env {
		if strings.HasPrefix(name, "MEMCACHE_") {
			m.note(name, Missing, "only Redis is supported")
		}
	}
}

// redisURL is empty if it has to come from a file.
func (m *migration) redisURL() string {
	value := m.get("REDIS_URL", "/var/run/nutcracker/ratelimit.sock")
	if hasSecret(value) {
		m.secret("REDIS_URL", "REDIS_URL", "it, as redis://USER:PASSWORD@HOST:PORT/0,")
		return ""
	}
	scheme, suffix := "redis", ""
	if m.on("REDIS_TLS") {
		scheme, suffix = "rediss", m.redisTLS()
	}
	m.note("REDIS_TLS", Carried, "is the scheme of --redis")
	m.carried("--redis", "REDIS_URL", "REDIS_SOCKET_TYPE", "REDIS_TYPE")
	if _, bare, found := strings.Cut(value, "://"); found {
		value = bare
	}
	switch kind := strings.ToLower(m.get("REDIS_TYPE", "single")); {
	case kind == "cluster":
		return scheme + "-cluster://" + value + suffix
	case kind == "sentinel":
		primary, sentinels, _ := strings.Cut(value, ",")
		return scheme + "-sentinel://" + sentinels + "/" + primary + suffix
	case kind != "single":
		m.note("REDIS_TYPE", Changing, "%.40q is none of single, sentinel and cluster", kind)
		return scheme + "://" + value + suffix
	case strings.HasPrefix(value, "/"):
		return "unix://" + value
	case strings.Contains(value, "/"):
		return scheme + "://" + value + suffix
	}
	return scheme + "://" + value + "/0" + suffix
}

func (m *migration) redisTLS() string {
	query := url.Values{}
	for variable, name := range map[string]string{"REDIS_TLS_CACERT": "ca_file", "REDIS_TLS_CLIENT_CERT": "cert_file", "REDIS_TLS_CLIENT_KEY": "key_file"} {
		if v := m.get(variable, ""); v != "" {
			query.Set(name, v)
			m.note(variable, Carried, "is %s in --redis", name)
		}
	}
	if m.on("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION") {
		m.note("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION", Changing, "the name in Redis's certificate is always checked: Redis cannot be asked until it is right")
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + strings.ReplaceAll(query.Encode(), "%2F", "/")
}

// hasSecret is also true for a URL that cannot be read and has an @ in it.
func hasSecret(value string) bool {
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return strings.Contains(value, "@")
	}
	_, set := u.User.Password()
	return set
}

func (m *migration) metrics() {
	statsd := []string{"USE_STATSD", "USE_DOG_STATSD", "USE_DOG_STATSD_MOGRIFIERS", "STATSD_HOST", "STATSD_PORT", "STATSD_PROTOCOL", "STATS_FLUSH_INTERVAL", "EXTRA_TAGS", "GOSTATS_FLUSH_INTERVAL_SECONDS"}
	if m.on("DISABLE_STATS") {
		m.note("DISABLE_STATS", Carried, "there is no --metrics-listen")
		for _, name := range statsd {
			m.note(name, Needless, "DISABLE_STATS is on")
		}
		return
	}
	m.note("DISABLE_STATS", Needless, "is off")
	listen := "0.0.0.0:9090"
	if addr := m.get("PROMETHEUS_ADDR", ""); addr != "" {
		listen = addr
		if strings.HasPrefix(addr, ":") {
			listen = "0.0.0.0" + addr
		}
	}
	m.flag("--metrics-listen", listen, "--ratelimit-metrics", "compat")
	if ratio := m.get("NEAR_LIMIT_RATIO", ""); ratio != "" {
		m.flag("--ratelimit-near-limit-ratio", ratio)
	}
	m.carried("--ratelimit-near-limit-ratio", "NEAR_LIMIT_RATIO")
	m.carried("--metrics-listen with --ratelimit-metrics compat", "USE_PROMETHEUS", "PROMETHEUS_ADDR")
	m.note("PROMETHEUS_PATH", Missing, "the path is /metrics")
	m.note("PROMETHEUS_MAPPER_YAML", Missing, "names are those of the default mapping")
	m.note("PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS", Missing, "response times have names of their own")
	m.statsd()
}

// statsd is carried over where the environment asks for it. (There it is on unless told,
// towards a server on localhost that most do not have.)
func (m *migration) statsd() {
	wanted := m.on("USE_STATSD") || m.env["USE_STATSD"] == "" && (m.env["STATSD_HOST"] != "" || m.env["STATSD_PORT"] != "")
	for _, name := range []string{"USE_DOG_STATSD", "USE_DOG_STATSD_MOGRIFIERS"} {
		m.note(name, Missing, "DogStatsD's tags are not spoken: --ratelimit-statsd udp://HOST:PORT tells it names without tags, and the same figures are at /metrics with labels")
	}
	m.note("EXTRA_TAGS", Missing, "metrics have no further tags: let the scraper or the StatsD server add them")
	for _, name := range []string{"STATS_FLUSH_INTERVAL", "GOSTATS_FLUSH_INTERVAL_SECONDS"} {
		m.note(name, Missing, "StatsD is told every ten seconds")
	}
	names := []string{"USE_STATSD", "STATSD_HOST", "STATSD_PORT", "STATSD_PROTOCOL"}
	if !wanted || m.on("USE_DOG_STATSD") {
		for _, name := range names {
			m.note(name, Needless, "StatsD is not asked for")
		}
		return
	}
	m.flag("--ratelimit-statsd", strings.ToLower(m.get("STATSD_PROTOCOL", "tcp"))+"://"+net.JoinHostPort(m.get("STATSD_HOST", "localhost"), m.get("STATSD_PORT", "8125")))
	m.carried("--ratelimit-statsd, for the hits by rule, the calls and the errors; response times are at /metrics alone", names...)
}

// rest tells of what else is known there, and of what is not.
func (m *migration) rest() {
	if level := m.get("LOG_LEVEL", ""); level != "" {
		level = strings.ToLower(level)
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
			level = map[string]string{"trace": "debug", "warning": "warn", "fatal": "error", "panic": "error"}[level]
		}
		if level != "" {
			m.flag("--log-level", level)
		}
		m.carried("--log-level", "LOG_LEVEL")
	}
	if format := strings.ToLower(m.get("LOG_FORMAT", "text")); format == "json" || format == "text" {
		m.flag("--log-format", format)
		m.carried("--log-format", "LOG_FORMAT")
	}
	told := map[string]bool{}
	for _, n := range m.report.Notes {
		told[n.Variable] = true
	}
	for name, value := range m.env {
		switch {
		case told[name] || value == "":
		case strings.HasPrefix(name, "TRACING_") || strings.HasPrefix(name, "OTEL_"):
			m.note(name, Missing, "requests are not traced")
		case strings.HasPrefix(name, "XDS_CLIENT_") || strings.HasPrefix(name, "CONFIG_GRPC_XDS_"):
			m.note(name, Needless, "waits and sizes are bounded; or CONFIG_TYPE is not GRPC_XDS_SOTW")
		case strings.HasPrefix(name, "GRPC_MAX_CONNECTION_AGE"):
			m.note(name, Missing, "connections end when it stops: it tells Envoy before")
		case strings.HasPrefix(name, "REDIS_TLS_"):
			m.note(name, Needless, "REDIS_TLS is off")
		case strings.HasPrefix(name, "RUNTIME_"):
			m.note(name, Needless, "CONFIG_TYPE is not FILE")
		case strings.HasPrefix(name, "PROMETHEUS_") || name == "NEAR_LIMIT_RATIO":
			m.note(name, Needless, "there are no statistics")
		default:
			m.note(name, Missing, "is no variable of envoyproxy/ratelimit that is known here: see to it by hand")
		}
	}
}
