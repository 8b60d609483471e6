package authz

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"gatehouse/authz/login"
	"gatehouse/authz/ratelimit"
	"gatehouse/authz/secret"
)

// Options are what an authz is started with. Fields that name an alternative to
// an address or a URL are for tests and for running all in one process.
type Options struct {
	// Listen is host:port, or unix:///path, for gRPC and HTTP/1.1 alike.
	Listen   string
	Listener net.Listener // instead of Listen; Run closes it
	// MetricsListen serves /metrics; empty serves none.
	MetricsListen   string
	MetricsListener net.Listener

	Redis       RedisOptions
	RedisClient redis.UniversalClient // instead of Redis; the caller closes it

	// SessionCache bounds the local cache of sessions, in sessions: 0 means
	// 20,000, less than 0 none.
	SessionCache int

	// PolicyFile is read instead of Redis's gatehouse:policy.
	PolicyFile string
	// StateDir keeps the last good policy; empty keeps none.
	StateDir string
	// RateLimitConfig is a folder of envoyproxy/ratelimit's YAML; empty serves
	// no RateLimitService. With it, authz is ready also without a policy.
	RateLimitConfig string
	// RateLimitXDS is the same over xDS, in place of the folder; its Log is set by
	// Run. With it, authz is ready once that has sent a configuration.
	RateLimitXDS *ratelimit.XDSOptions
	// RateLimit is how that service answers.
	RateLimit RateLimitOptions

	// PseudonymKey keys the pseudonyms in events. Without it a random one is
	// drawn, said out loud: then pseudonyms change with each start.
	PseudonymKey secret.Value
	// AssertionKey signs what tells upstreams who is signed in, and is the same for
	// all replicas; without it they get no assertion, said out loud.
	AssertionKey secret.Value
	// AssertionIssuer is the "iss" of assertions; empty means "gatehouse".
	AssertionIssuer string
	// Users are who can sign in; nil serves no /auth/. If they are login.Accounts,
	// and there is a PseudonymKey, people have second factors, passkeys, keys and
	// pages too.
	Users login.UserStore
	// Mailer carries the links of resets and notices to people; nil carries none.
	Mailer login.Mailer
	// ProviderSecrets is a folder with the client's secret at each OpenID provider
	// of the policy, in a file of the provider's name, read at each use. Providers
	// without a readable one sign nobody in.
	ProviderSecrets string
	// Hasher checks passwords; nil takes login's default costs.
	Hasher *login.Hasher

	// Instance names this replica in events; empty takes the host's name.
	Instance string
	// Guard looks at what others wrote for secrets; what it and the logger find
	// becomes events. Nil looks at nothing.
	Guard    *secret.Guard
	Log      *slog.Logger         // nil means slog.Default()
	Registry *prometheus.Registry // nil makes one
	Now      func() time.Time     // nil means time.Now

	// Started, if set, is called once with the bound address.
	Started func(net.Addr)
}

// RateLimitOptions are how the RateLimitService answers; the zero value answers as
// envoyproxy/ratelimit does by default.
type RateLimitOptions struct {
	OnError                 ratelimit.OnError
	Headers                 ratelimit.Headers
	Shadow, Quota, Metadata bool // see ratelimit.Options
	// Merge takes files of one domain together.
	Merge bool
	// Compat adds envoyproxy/ratelimit's metrics, with hits near a limit from NearRatio on.
	Compat    bool
	NearRatio float64
	// Statsd, if set, is a StatsD server that is told of Compat's metrics, too: tcp://HOST:PORT
	// or udp://HOST:PORT.
	Statsd string
}

func (o *Options) validate() error {
	var errs []error
	switch o.RateLimit.OnError {
	case "", ratelimit.OnErrorUnavailable, ratelimit.OnErrorDeny, ratelimit.OnErrorAllow, ratelimit.OnErrorLocal:
	default:
		errs = append(errs, fmt.Errorf("--ratelimit-on-redis-error %q: write unavailable, deny, allow or local", o.RateLimit.OnError))
	}
	if o.RateLimit.NearRatio < 0 || o.RateLimit.NearRatio > 1 {
		errs = append(errs, fmt.Errorf("--ratelimit-near-limit-ratio %v: write 0 to 1", o.RateLimit.NearRatio))
	}
	if o.Listen == "" && o.Listener == nil {
		errs = append(errs, errors.New("authz has no address to listen on: pass --listen 127.0.0.1:9001"))
	}
	return errors.Join(errs...)
}

const defaultSessionCache = 20_000

func (o *Options) sessionCache() int {
	if o.SessionCache == 0 {
		return defaultSessionCache
	}
	return max(o.SessionCache, 0)
}
