package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/secret"
	"gatehouse/authz/secret/redisauth"
)

// RedisOptions say how to reach Redis.
type RedisOptions struct {
	// URL is redis://host:port/db, rediss:// for TLS, or unix:///path.sock?db=n.
	// It is a secret because it may carry a password.
	URL secret.Value
	// Password, if set, goes before the URL's.
	Password secret.Value
	// LiveURL and LivePassword, where set, are asked at each new connection.
	LiveURL, LivePassword *secret.Live
	// PoolSize is the number of connections; 0 means 20.
	PoolSize int
}

// What a request may wait for Redis. Envoy waits 500 ms for Check, and Check
// asks at most twice.
const (
	redisWithin = 150 * time.Millisecond
	redisDial   = 100 * time.Millisecond

	defaultPoolSize    = 20
	backgroundPoolSize = 6
)

// OpenRedis makes a client. It does not connect: Redis may come later.
func OpenRedis(o RedisOptions) (redis.UniversalClient, error) {
	options, err := o.parse()
	if err != nil {
		return nil, err
	}
	options.PoolSize = defaultPoolSize
	if o.PoolSize > 0 {
		options.PoolSize = o.PoolSize
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = redisDial, redisWithin, redisWithin
	options.PoolTimeout = redisWithin
	return redis.NewClient(options), nil
}

// openBackground makes the client for what no request waits for: events, the
// policy, and asking whether Redis is there. Apart, so that a burst of events
// takes no connection from a Check.
func openBackground(o RedisOptions) (redis.UniversalClient, error) {
	options, err := o.parse()
	if err != nil {
		return nil, err
	}
	options.PoolSize = backgroundPoolSize
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = time.Second, 2*time.Second, 2*time.Second
	return redis.NewClient(options), nil
}

func (o RedisOptions) parse() (*redis.Options, error) {
	if strings.TrimSpace(o.URL.RevealString()) == "" {
		return nil, errors.New("no Redis is named: pass --redis, or REDIS_URL_FILE with the file that holds its URL")
	}
	options, err := redisauth.Options{
		URL: o.URL, Password: o.Password, LiveURL: o.LiveURL, LivePassword: o.LivePassword,
	}.Parse()
	if err != nil {
		return nil, err
	}
	options.ContextTimeoutEnabled = true
	// A second try would take the time that the caller no longer has, and a
	// limit would count twice.
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.ClientName = "gatehouse-authz"
	return options, nil
}

// redisLog takes what go-redis would write to standard error. Each failure is
// also an error that somebody handles: here it is for debugging only.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...), "from", "go-redis")
}
