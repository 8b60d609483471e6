package openid

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Ref names a session that was begun at a provider.
type Ref struct{ UserID, SessionID string }

// Links know which sessions a provider's subject and session have here, so that
// its sign-out finds them.
type Links struct{ redis redis.UniversalClient }

// NewLinks returns Links in Redis.
func NewLinks(client redis.UniversalClient) *Links { return &Links{redis: client} }

// Enter notes ref under the identity's subject and session, for as long as the
// session can live.
func (l *Links) Enter(ctx context.Context, who Identity, ref Ref, life time.Duration) error {
	keys := []string{linkKey("sub", who.Provider, who.Subject)}
	if who.SessionID != "" {
		keys = append(keys, linkKey("sid", who.Provider, who.SessionID))
	}
	_, err := l.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.SAdd(ctx, key, ref.UserID+"\x00"+ref.SessionID)
			p.Expire(ctx, key, life)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: note a provider's session: %w", ErrUnavailable, err)
	}
	return nil
}

// Find lists the sessions of the provider's session sid if it is set, else all
// of its subject.
func (l *Links) Find(ctx context.Context, provider, subject, sid string) ([]Ref, error) {
	key := linkKey("sub", provider, subject)
	if sid != "" {
		key = linkKey("sid", provider, sid)
	}
	members, err := l.redis.SMembers(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("%w: find a provider's sessions: %w", ErrUnavailable, err)
	}
	refs := make([]Ref, 0, len(members))
	for _, m := range members {
		if user, session, ok := strings.Cut(m, "\x00"); ok {
			refs = append(refs, Ref{UserID: user, SessionID: session})
		}
	}
	return refs, nil
}

// linkKey holds no name of a person in clear.
func linkKey(kind, provider, name string) string {
	return "gatehouse:openid:" + kind + ":" + base64.RawURLEncoding.EncodeToString(digest(provider+"\x00"+name))
}
