package cli

import (
	"github.com/spf13/pflag"

	"gatehouse/authz"
	"gatehouse/authz/ratelimit"
)

// rateLimitFlags say how the RateLimitService answers.
type rateLimitFlags struct {
	onError          string
	standard, legacy bool
	shadow, quota    bool
	metadata         bool
}

func (f *rateLimitFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.onError, "ratelimit-on-redis-error", string(ratelimit.OnErrorUnavailable),
		"RateLimitService without Redis: unavailable (Envoy's failure_mode_deny decides), deny, allow or local")
	flags.BoolVar(&f.standard, "ratelimit-headers", false, "RateLimitService: send RateLimit, RateLimit-Policy and Retry-After")
	flags.BoolVar(&f.legacy, "ratelimit-x-headers", false, "RateLimitService: send X-RateLimit-Limit, -Remaining and -Reset")
	flags.BoolVar(&f.shadow, "ratelimit-shadow", false, "RateLimitService: count, and refuse nothing")
	flags.BoolVar(&f.quota, "ratelimit-quota", false, "RateLimitService: take every limit for a quota")
	flags.BoolVar(&f.metadata, "ratelimit-metadata", false, "RateLimitService: send descriptors and rules' metadata as dynamic metadata")
}

func (f *rateLimitFlags) options() authz.RateLimitOptions {
	o := authz.RateLimitOptions{
		OnError: ratelimit.OnError(f.onError), Headers: ratelimit.Headers{Standard: f.standard},
		Shadow: f.shadow, Quota: f.quota, Metadata: f.metadata,
	}
	if f.legacy {
		o.Headers.Limit, o.Headers.Remaining, o.Headers.Reset = "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"
	}
	return o
}
