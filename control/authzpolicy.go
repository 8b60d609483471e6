package control

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	authzpolicy "gatehouse/authz/policy"
)

// policyWithin bounds one attempt: an edit waits for it before it goes on.
const policyWithin = 500 * time.Millisecond

// authzPolicy keeps authz's policy in Redis. It is put there again whenever it
// is not there: Redis may have been away, or have lost it.
type authzPolicy struct {
	redis redis.UniversalClient
	log   *slog.Logger
	every time.Duration

	writing sync.Mutex // one at a time: an older text must not overtake a newer one

	mu      sync.Mutex // guards what follows, never held during I/O
	text    string     // what Redis should hold; empty before the first
	version string
	state   redisState
}

// redisState is Redis as /readyz shows it.
type redisState struct {
	Reachable bool `json:"reachable"`
	// Version of the policy that Redis holds for authz.
	Version string `json:"policy_version,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// publish sets what Redis should hold and tries to put it there at once.
func (a *authzPolicy) publish(ctx context.Context, text []byte, version string) {
	a.mu.Lock()
	a.text, a.version = string(text), version
	a.mu.Unlock()
	a.ensure(ctx)
}

// run looks after it until ctx ends.
func (a *authzPolicy) run(ctx context.Context) {
	ticker := time.NewTicker(a.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			a.ensure(ctx)
		}
	}
}

// ensure makes Redis hold the policy.
func (a *authzPolicy) ensure(ctx context.Context) {
	a.writing.Lock()
	defer a.writing.Unlock()
	text, version := a.wanted()
	if text == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, policyWithin)
	defer cancel()
	err := a.write(ctx, text, version)
	switch {
	case err == nil:
		a.note(redisState{Reachable: true, Version: version})
	case errors.Is(ctx.Err(), context.Canceled): // control ends
	default:
		a.note(redisState{Version: a.current().Version, Problem: err.Error()})
	}
}

func (a *authzPolicy) wanted() (text, version string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text, a.version
}

func (a *authzPolicy) write(ctx context.Context, text, version string) error {
	held, err := a.redis.Get(ctx, authzpolicy.Key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if err == nil && held == text {
		return nil
	}
	_, err = a.redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, authzpolicy.Key, text, 0)
		p.Publish(ctx, authzpolicy.Channel, version)
		return nil
	})
	return err
}

// note logs what has changed, not what goes on.
func (a *authzPolicy) note(s redisState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch before := a.state; {
	case s.Problem != "" && before.Problem == "":
		a.log.Warn("authz's policy cannot be put into Redis; it will be as soon as Redis answers", "error", s.Problem)
	case s.Problem == "" && (before.Problem != "" || before.Version != s.Version):
		a.log.Info("authz's policy is in Redis", "version", s.Version)
	}
	a.state = s
}

func (a *authzPolicy) current() redisState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}
