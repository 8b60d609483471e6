package migrate

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTheCommandIsTheSameServiceElsewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		env      map[string]string
		want     []string // parts of the command, in order
		changing string   // the variable that changes verdicts
	}{
		{"the defaults", nil, []string{
			"serve authz --listen 0.0.0.0:8081 --ratelimit-config /srv/runtime_data/current/config --redis unix:///var/run/nutcracker/ratelimit.sock --redis-pool-size 10",
			"--metrics-listen 0.0.0.0:9090 --ratelimit-metrics compat",
		}, ""},
		{"as most run it", map[string]string{
			"RUNTIME_ROOT": "/data", "RUNTIME_SUBDIRECTORY": "ratelimit", "REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": "redis:6379", "USE_STATSD": "false", "LOG_LEVEL": "WARN",
		}, []string{"--ratelimit-config /data/ratelimit/config --redis redis://redis:6379/0", "--log-level warn"}, ""},
		{"a Cluster with TLS", map[string]string{"REDIS_TYPE": "CLUSTER", "REDIS_URL": "a:1,b:2", "REDIS_TLS": "true", "REDIS_TLS_CACERT": "/ca.pem"},
			[]string{"--redis rediss-cluster://a:1,b:2?ca_file=/ca.pem"}, ""},
		{"Sentinels", map[string]string{"REDIS_TYPE": "sentinel", "REDIS_URL": "mymaster,a:1,b:2"}, []string{"--redis redis-sentinel://a:1,b:2/mymaster"}, ""},
		{"modes", map[string]string{"SHADOW_MODE": "true", "QUOTA_MODE": "1", "RESPONSE_DYNAMIC_METADATA": "t", "MERGE_DOMAIN_CONFIG": "true", "NEAR_LIMIT_RATIO": "0.5"},
			[]string{"--ratelimit-merge-domains", "--ratelimit-shadow --ratelimit-quota --ratelimit-metadata", "--ratelimit-near-limit-ratio 0.5"}, ""},
		{"xDS", map[string]string{"CONFIG_TYPE": "GRPC_XDS_SOTW", "CONFIG_GRPC_XDS_SERVER_URL": "xds:1", "CONFIG_GRPC_XDS_SERVER_USE_TLS": "true"},
			[]string{"--ratelimit-xds xds:1 --ratelimit-xds-node default --ratelimit-xds-ca system"}, ""},
		{"a Unix socket", map[string]string{"GRPC_UDS": "/run/rl.sock", "GRPC_PORT": "1"}, []string{"--listen unix:///run/rl.sock"}, ""},
		{"headers of the usual names", map[string]string{
			"LIMIT_RESPONSE_HEADERS_ENABLED": "true", "LIMIT_LIMIT_HEADER": "x-ratelimit-limit", "LIMIT_REMAINING_HEADER": "x-ratelimit-remaining", "LIMIT_RESET_HEADER": "x-ratelimit-reset",
		}, []string{"--ratelimit-x-headers"}, ""},
		{"no statistics", map[string]string{"DISABLE_STATS": "true"}, []string{"--log-format text"}, ""},
		{"StatsD", map[string]string{"USE_STATSD": "true", "STATSD_HOST": "statsd"}, []string{"--ratelimit-statsd tcp://statsd:8125"}, ""},
		{"StatsD over UDP", map[string]string{"STATSD_PORT": "9125", "STATSD_PROTOCOL": "UDP"}, []string{"--ratelimit-statsd udp://localhost:9125"}, ""},
		{"memcached", map[string]string{"BACKEND_TYPE": "memcache", "MEMCACHE_HOST_PORT": "m:1"}, nil, "BACKEND_TYPE"},
		{"TLS for Envoy", map[string]string{"GRPC_SERVER_USE_TLS": "true"}, nil, "GRPC_SERVER_USE_TLS"},
		{"a prefix", map[string]string{"CACHE_KEY_PREFIX": "a"}, nil, "CACHE_KEY_PREFIX"},
		{"refused hits that do not count", map[string]string{"STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT": "true"}, nil, "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT"},
		{"a certificate that is not checked", map[string]string{"REDIS_TLS": "true", "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION": "true"}, nil, "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report := RateLimit(c.env)
			command := strings.Join(report.Command, " ")
			for _, part := range c.want {
				if !strings.Contains(command, part) {
					t.Errorf("%s\nlacks %s", command, part)
				}
			}
			var changing []string
			for _, n := range report.Notes {
				if n.Kind == Changing {
					changing = append(changing, n.Variable)
				}
			}
			if strings.Join(changing, " ") != c.changing || report.Changes() != (c.changing != "") {
				t.Errorf("changing: %v", changing)
			}
		})
	}
}

func TestEveryVariableIsTold(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"FILE", "GRPC_XDS_SOTW"} {
		env := map[string]string{"MADE_UP": "1"}
		for _, name := range Known() {
			env[name] = "true"
		}
		env["CONFIG_TYPE"] = kind
		report := RateLimit(env)
		for name := range env {
			n := len(slices.DeleteFunc(slices.Clone(report.Notes), func(n Note) bool { return n.Variable != name }))
			if n == 0 {
				t.Errorf("%s: %s is not told", kind, name)
			}
		}
	}
}

func TestNoSecretIsRepeated(t *testing.T) {
	t.Parallel()
	secret := rand.Text()
	for _, env := range []map[string]string{
		{"REDIS_AUTH": secret}, {"REDIS_AUTH": "user:" + secret}, {"REDIS_SENTINEL_AUTH": secret}, {"REDIS_PERSECOND_AUTH": secret, "REDIS_PERSECOND": "true"},
		{"REDIS_URL": "redis://u:" + secret + "@h:1"}, {"REDIS_URL": secret + "@h:1"}, {"REDIS_PERSECOND_URL": "redis://u:" + secret + "@h"},
		{"CONFIG_TYPE": "GRPC_XDS_SOTW", "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS": "authorization:" + secret},
		{"SOMETHING_ELSE": secret},
	} {
		report := RateLimit(env)
		if strings.Contains(fmt.Sprintf("%+v", report), secret) {
			t.Errorf("%+v", report)
		}
		if env["REDIS_AUTH"] != "" && report.Environment["REDIS_PASSWORD_FILE"] == "" {
			t.Errorf("%+v", report)
		}
	}
}

func TestAnEnvironmentFileIsReadAsDockerDoes(t *testing.T) {
	t.Parallel()
	env, err := ReadEnv(strings.NewReader("# a comment\n\nexport A=1\nB=\"two words\"\nC='x'\nD=a=b\nE=\n"))
	if err != nil || fmt.Sprint(env) != "map[A:1 B:two words C:x D:a=b E:]" {
		t.Errorf("%v, %v", env, err)
	}
	secret := rand.Text()
	if _, err := ReadEnv(strings.NewReader("A=1\n" + secret + "\n")); !errors.Is(err, ErrEnvFile) || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}
