package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/secret"
	"gatehouse/control/policy"
)

const (
	redisDial   = time.Second
	redisWithin = 2 * time.Second
	poolSize    = 10
)

// openRedis makes a client. It does not connect: Redis may come later.
func openRedis(o RedisOptions, file policy.RedisSettings) (*redis.Client, error) {
	location, password, err := o.complete(file)
	if err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(location)
	if err != nil {
		return nil, fmt.Errorf("the Redis URL cannot be read: %w: write redis://host:port/db or unix:///path.sock", withoutURL(err))
	}
	if password != "" {
		options.Password = password
	}
	options.PoolSize = poolSize
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = redisDial, redisWithin, redisWithin
	options.ContextTimeoutEnabled = true
	// Whoever asks tries again in his own time.
	options.MaxRetries, options.DialerRetries = -1, 1
	options.ClientName = "gatehouse-control"
	return redis.NewClient(options), nil
}

// complete takes from gatehouse.yaml what flags and environment leave open.
func (o RedisOptions) complete(file policy.RedisSettings) (location, password string, err error) {
	location, password = text(o.URL), text(o.Password)
	if location == "" {
		location = file.URL
		if file.URLFile != "" {
			if location, err = secretIn("redis.url", file.URLFile); err != nil {
				return "", "", err
			}
		}
	}
	if password == "" && file.PasswordFile != "" {
		if password, err = secretIn("redis.password", file.PasswordFile); err != nil {
			return "", "", err
		}
	}
	if location == "" {
		return "", "", errors.New("no Redis is named: pass --redis, set REDIS_URL_FILE, or write redis.url into the policy file")
	}
	return location, password, nil
}

func secretIn(name, path string) (string, error) {
	v, err := secret.File{Name: name, Path: path}.Read()
	return text(v), err
}

func text(v secret.Value) string { return strings.TrimSpace(v.RevealString()) }

// withoutURL drops the text of the URL, and with it the password, from an error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// redisLog takes what go-redis would write to standard error. Each failure is
// also an error that somebody handles: here it is for debugging only.
type redisLog struct{ log *slog.Logger }

// Printf implements go-redis' logging.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...), "from", "go-redis")
}
