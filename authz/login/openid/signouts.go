package openid

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// SignOutKept is how long a provider's sign-out is remembered for sign-ins that are under
// way: they must end within it. A person has PendingFor at the provider.
const SignOutKept = 20 * time.Minute

// signOutsKey counts the sign-outs that providers have told of. It is no clock: replicas
// need not agree on the time.
const signOutsKey = "gatehouse:openid:signouts"

// signOuts is how many there were.
func signOuts(ctx context.Context, client redis.UniversalClient) (int64, error) {
	n, err := client.Get(ctx, signOutsKey).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("%w: count providers' sign-outs: %w", ErrUnavailable, err)
	}
	return n, nil
}

// SignOut lists the sessions that end by a provider's sign-out: those of its session sid if
// it is set, else all of its subject. It is noted first: a sign-in that enters its session
// after they were listed finds it by Ended.
func (l *Links) SignOut(ctx context.Context, provider, subject, sid string) ([]Ref, error) {
	n, err := l.redis.Incr(ctx, signOutsKey).Result()
	if err == nil {
		err = l.redis.Set(ctx, signOutKey(provider, subject, sid), n, SignOutKept).Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: note a provider's sign-out: %w", ErrUnavailable, err)
	}
	return l.Find(ctx, provider, subject, sid)
}

// Ended says whether the provider has signed out the identity's session, or all of its
// subject, since the sign-in that the identity is of has begun. Whoever asks has entered
// the session: then either this is true, or SignOut lists the session, or both.
func (l *Links) Ended(ctx context.Context, who Identity) (bool, error) {
	keys := []string{signOutKey(who.Provider, who.Subject, "")}
	if who.SessionID != "" {
		keys = append(keys, signOutKey(who.Provider, "", who.SessionID))
	}
	for _, key := range keys {
		n, err := l.redis.Get(ctx, key).Int64()
		if err != nil && !errors.Is(err, redis.Nil) {
			return false, fmt.Errorf("%w: look for a provider's sign-out: %w", ErrUnavailable, err)
		}
		if n > who.SignOuts {
			return true, nil
		}
	}
	return false, nil
}

func signOutKey(provider, subject, sid string) string {
	if sid != "" {
		return linkKey("out:sid", provider, sid)
	}
	return linkKey("out:sub", provider, subject)
}
