package authz

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/every"
	"gatehouse/authz/policy"
)

// readiness is the document of /readyz. Authz is ready once it has a policy to
// decide by, also while Redis is away: then it decides what the policy says for
// that, and taking all replicas out of service would decide nothing.
type readiness struct {
	Ready     bool          `json:"ready"`
	Policy    policy.Status `json:"policy"`
	Redis     redisState    `json:"redis"`
	RateLimit *domains      `json:"ratelimit,omitempty"`
}

type domains struct {
	Domains int `json:"domains"`
}

type redisState struct {
	Reachable bool      `json:"reachable"`
	Since     time.Time `json:"since"`
	Problem   string    `json:"problem,omitempty"`
}

const (
	pingEvery  = time.Second
	pingWithin = 500 * time.Millisecond
)

// watcher knows whether Redis answers.
type watcher struct {
	client redis.UniversalClient
	now    func() time.Time
	log    *slog.Logger

	mu    sync.Mutex
	state redisState
}

func newWatcher(ctx context.Context, client redis.UniversalClient, now func() time.Time, log *slog.Logger) *watcher {
	w := &watcher{client: client, now: now, log: log}
	w.state.Since = now()
	w.ping(ctx)
	return w
}

func (w *watcher) run(ctx context.Context) {
	every.Turn(ctx, pingEvery, w.ping)
}

func (w *watcher) ping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pingWithin)
	defer cancel()
	err := w.client.Ping(ctx).Err()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Reachable != (err == nil) || (err != nil && w.state.Problem == "") {
		w.state.Reachable, w.state.Since = err == nil, w.now()
		if err != nil {
			w.log.Error("Redis does not answer; sessions fail closed and limits do what the policy says", "error", err)
		} else {
			w.log.Info("Redis answers")
		}
	}
	w.state.Problem = ""
	if err != nil {
		w.state.Problem = err.Error()
	}
}

func (w *watcher) current() redisState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}
