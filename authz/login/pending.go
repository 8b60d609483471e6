package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/login/code"
)

// pendingLife is how long somebody has for the next step.
const pendingLife = 5 * time.Minute

// pendings keeps what one step of a sign-in leaves for the next, in Redis, under
// the hash of a token that only the browser has.
type pendings struct{ redis redis.UniversalClient }

var errNoPending = errors.New("the step before is unknown, or too long ago")

func pendingKey(kind, token string) string {
	return "gatehouse:login:" + kind + ":" + code.HashToken(token)
}

func (p pendings) put(ctx context.Context, kind string, value any) (token string, err error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("write the state of a sign-in: %w", err)
	}
	token = code.NewToken()
	if err := p.redis.Set(ctx, pendingKey(kind, token), text, pendingLife).Err(); err != nil {
		return "", fmt.Errorf("%w: keep the state of a sign-in: %w", ErrUnavailable, err)
	}
	return token, nil
}

// get leaves it there; take does not, so that of two who take it one gets it.
func (p pendings) get(ctx context.Context, kind, token string, into any) error {
	return p.read(into, token, func() *redis.StringCmd { return p.redis.Get(ctx, pendingKey(kind, token)) })
}

func (p pendings) take(ctx context.Context, kind, token string, into any) error {
	return p.read(into, token, func() *redis.StringCmd { return p.redis.GetDel(ctx, pendingKey(kind, token)) })
}

func (p pendings) read(into any, token string, ask func() *redis.StringCmd) error {
	if !code.IsToken(token) {
		return errNoPending
	}
	text, err := ask().Bytes()
	if errors.Is(err, redis.Nil) {
		return errNoPending
	}
	if err != nil {
		return fmt.Errorf("%w: read the state of a sign-in: %w", ErrUnavailable, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: read the state of a sign-in: %w", ErrUnavailable, err)
	}
	return nil
}

func (p pendings) drop(ctx context.Context, kind, token string) error {
	if err := p.redis.Del(ctx, pendingKey(kind, token)).Err(); err != nil {
		return fmt.Errorf("%w: end the state of a sign-in: %w", ErrUnavailable, err)
	}
	return nil
}
