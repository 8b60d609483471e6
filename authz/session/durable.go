package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// write runs a script, and waits for as many replicas as the durability asks
// for. WAIT speaks of the connection that it comes on: both go to the key's
// primary in one pipeline.
func (m *Manager) write(ctx context.Context, script *redis.Script, key string, args ...any) ([]string, error) {
	durable := m.rules().Durability
	if durable.Within == 0 {
		durable.Within = defaultConfirmation
	}
	if durable.Replicas == 0 {
		return texts(script.Run(ctx, m.redis, []string{key}, args...))
	}
	answer, err := m.confirmed(ctx, durable, script, key, args)
	cluster, ok := m.redis.(*redis.ClusterClient)
	if err != nil && ok && strings.HasPrefix(err.Error(), "MOVED ") {
		// The slot has another primary since, and nothing was written here. Who it
		// is will be known at the next try.
		cluster.ReloadState(ctx)
	}
	return answer, err
}

func (m *Manager) confirmed(ctx context.Context, durable Durability, script *redis.Script, key string, args []any) ([]string, error) {
	primary, err := m.primary(ctx, key)
	if err != nil {
		return nil, err
	}
	pipe := primary.Pipeline()
	// The text of the script and not its hash: in a pipeline there is no second
	// try, and a new primary may not know it.
	answer := script.Eval(ctx, pipe, []string{key}, args...)
	confirmed := redis.NewIntCmd(ctx, "wait", durable.Replicas, durable.Within.Milliseconds())
	_ = pipe.Process(ctx, confirmed) // only queues
	if _, err := pipe.Exec(ctx); err != nil && answer.Err() != nil {
		return nil, answer.Err()
	}
	n, err := confirmed.Result()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	if n < int64(durable.Replicas) {
		m.counts.undurable()
		return nil, fmt.Errorf("%w: %d of %d within %s", ErrNotDurable, n, durable.Replicas, durable.Within)
	}
	return texts(answer)
}

func (m *Manager) primary(ctx context.Context, key string) (redis.UniversalClient, error) {
	cluster, ok := m.redis.(*redis.ClusterClient)
	if !ok {
		return m.redis, nil
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("find the primary of a slot: %w", err)
	}
	return node, nil
}

func texts(answer *redis.Cmd) ([]string, error) {
	if text, ok := answer.Val().(string); ok && answer.Err() == nil {
		return []string{text}, nil
	}
	return answer.StringSlice() //nolint:wrapcheck // the caller says what it was for
}
