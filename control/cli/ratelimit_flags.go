package cli

import (
	"github.com/spf13/pflag"

	"gatehouse/authz"
	"gatehouse/authz/ratelimit"
)

const metricsCompat = "compat"

// rateLimitFlags say how the RateLimitService answers.
type rateLimitFlags struct {
	onError          string
	standard, legacy bool
	shadow, quota    bool
	metadata, merge  bool
	metrics          string
	nearRatio        float64
	statsd           string
}

func (f *rateLimitFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.onError, "ratelimit-on-redis-error", string(ratelimit.OnErrorUnavailable),
		"RateLimitService without Redis: unavailable (Envoy's failure_mode_deny decides), deny, allow or local")
	flags.BoolVar(&f.standard, "ratelimit-headers", false, "RateLimitService: send RateLimit, RateLimit-Policy and Retry-After")
	flags.BoolVar(&f.legacy, "ratelimit-x-headers", false, "RateLimitService: send X-RateLimit-Limit, -Remaining and -Reset")
	flags.BoolVar(&f.shadow, "ratelimit-shadow", false, "RateLimitService: count, and refuse nothing")
	flags.BoolVar(&f.quota, "ratelimit-quota", false, "RateLimitService: take every limit for a quota")
	flags.BoolVar(&f.merge, "ratelimit-merge-domains", false, "RateLimitService: several files may be of one domain, which has the descriptors of all")
	flags.StringVar(&f.metrics, "ratelimit-metrics", "", "RateLimitService: compat adds envoyproxy/ratelimit's metrics under their own names")
	flags.Float64Var(&f.nearRatio, "ratelimit-near-limit-ratio", ratelimit.DefaultNearRatio, "with --ratelimit-metrics compat: the share of a limit from which on a hit is near it")
	flags.StringVar(&f.statsd, "ratelimit-statsd", "", "RateLimitService: tell envoyproxy/ratelimit's metrics to the StatsD server at tcp://HOST:PORT or udp://HOST:PORT")
	flags.BoolVar(&f.metadata, "ratelimit-metadata", false, "RateLimitService: send descriptors and rules' metadata as dynamic metadata")
}

func (f *rateLimitFlags) options() authz.RateLimitOptions {
	o := authz.RateLimitOptions{
		OnError: ratelimit.OnError(f.onError), Headers: ratelimit.Headers{Standard: f.standard},
		Shadow: f.shadow, Quota: f.quota, Metadata: f.metadata,
		Merge: f.merge, Compat: f.metrics == metricsCompat, NearRatio: f.nearRatio, Statsd: f.statsd,
	}
	if f.legacy {
		o.Headers.Limit, o.Headers.Remaining, o.Headers.Reset = "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"
	}
	return o
}
