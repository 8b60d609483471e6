package control

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
	"gatehouse/control/policy"
)

const (
	redisDial   = time.Second
	redisWithin = 2 * time.Second
	poolSize    = 10
)

// openRedis makes a client. It does not connect: Redis may come later.
func openRedis(o RedisOptions, file policy.RedisSettings, log *slog.Logger) (redis.UniversalClient, error) {
	o, err := o.complete(file, log)
	if err != nil {
		return nil, err
	}
	// Whoever asks tries again in his own time.
	client, err := redisauth.Options{
		URL: o.URL, Password: o.Password, LiveURL: o.LiveURL, LivePassword: o.LivePassword,
	}.Open(redisauth.Tuning{
		Name: "gatehouse-control", PoolSize: poolSize, Dial: redisDial, Read: redisWithin, Write: redisWithin,
	})
	if err != nil {
		return nil, err
	}
	return client, nil
}

// complete takes from gatehouse.yaml what flags and environment leave open.
func (o RedisOptions) complete(file policy.RedisSettings, log *slog.Logger) (_ RedisOptions, err error) {
	if blank(o.URL) {
		o.URL, o.LiveURL = secret.New([]byte(file.URL)), nil
		if file.URLFile != "" {
			if o.URL, o.LiveURL, err = secretIn("redis.url", file.URLFile, log); err != nil {
				return o, err
			}
		}
	}
	if blank(o.Password) && file.PasswordFile != "" {
		if o.Password, o.LivePassword, err = secretIn("redis.password", file.PasswordFile, log); err != nil {
			return o, err
		}
	}
	if blank(o.URL) {
		return o, errors.New("no Redis is named: pass --redis, set REDIS_URL_FILE, or write redis.url into the policy file")
	}
	return o, nil
}

func secretIn(name, path string, log *slog.Logger) (secret.Value, *secret.Live, error) {
	live, err := secret.OpenLive(secret.File{Name: name, Path: path}, log)
	if err != nil {
		return secret.Value{}, nil, err
	}
	return live.Value(), live, nil
}

func blank(v secret.Value) bool { return strings.TrimSpace(v.RevealString()) == "" }

// redisLog takes what go-redis would write to standard error. Each failure is
// also an error that somebody handles: here it is for debugging only.
type redisLog struct{ log *slog.Logger }

// Printf implements go-redis' logging.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...), "from", "go-redis")
}
