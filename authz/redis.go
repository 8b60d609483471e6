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
	// URL is redis://host:port/db, rediss:// for TLS, unix:///path.sock?db=n, or
	// redis-cluster:// and redis-sentinel:// as redisauth.Options.Open reads them.
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
	size := defaultPoolSize
	if o.PoolSize > 0 {
		size = o.PoolSize
	}
	return o.open(redisauth.Tuning{
		PoolSize: size, Dial: redisDial, Read: redisWithin, Write: redisWithin, WaitForAConn: redisWithin,
	})
}

// openBackground makes the client for what no request waits for: events, the
// policy, and asking whether Redis is there. Apart, so that a burst of events
// takes no connection from a Check.
func openBackground(o RedisOptions) (redis.UniversalClient, error) {
	return o.open(redisauth.Tuning{PoolSize: backgroundPoolSize, Dial: time.Second, Read: 2 * time.Second, Write: 2 * time.Second})
}

func (o RedisOptions) open(t redisauth.Tuning) (redis.UniversalClient, error) {
	if strings.TrimSpace(o.URL.RevealString()) == "" {
		return nil, errors.New("no Redis is named: pass --redis, or REDIS_URL_FILE with the file that holds its URL")
	}
	t.Name = "gatehouse-authz"
	client, err := redisauth.Options{
		URL: o.URL, Password: o.Password, LiveURL: o.LiveURL, LivePassword: o.LivePassword,
	}.Open(t)
	if err != nil {
		return nil, err
	}
	return client, nil
}

// redisLog takes what go-redis would write to standard error. Each failure is
// also an error that somebody handles: here it is for debugging only.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...), "from", "go-redis")
}
