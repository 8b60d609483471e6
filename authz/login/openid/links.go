package openid

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Ref names a session that was begun at a provider.
type Ref struct{ UserID, SessionID string }

// Links know which sessions a provider's subject and session have here, so that
// its sign-out finds them.
type Links struct {
	redis redis.UniversalClient
	now   func() time.Time
}

// NewLinks returns Links in Redis.
func NewLinks(client redis.UniversalClient, now func() time.Time) *Links {
	return &Links{redis: client, now: now}
}

// Enter notes ref under the identity's subject and session, for as long as the
// session can live.
func (l *Links) Enter(ctx context.Context, who Identity, ref Ref, life time.Duration) error {
	keys := []string{linkKey("sub", who.Provider, who.Subject)}
	if who.SessionID != "" {
		keys = append(keys, linkKey("sid", who.Provider, who.SessionID))
	}
	_, err := l.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			now := l.now()
			// What can live no longer makes room, or the list of who signs in every day
			// would only grow.
			p.ZRemRangeByScore(ctx, key, "-inf", strconv.FormatInt(now.UnixMilli(), 10))
			p.ZAdd(ctx, key, redis.Z{Score: float64(now.Add(life).UnixMilli()), Member: ref.UserID + "\x00" + ref.SessionID})
			// Never shorter: sessions of before may live longer than this one, as after the
			// policy has shortened them.
			p.ExpireNX(ctx, key, life)
			p.ExpireGT(ctx, key, life)
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
	members, err := l.redis.ZRange(ctx, key, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("%w: find a provider's sessions: %w", ErrUnavailable, err)
	}
	refs := make([]Ref, 0, len(members))
	for _, m := range members {
		if user, session, ok := strings.Cut(m, "\x00"); ok {
			ref, err := l.Current(ctx, Ref{UserID: user, SessionID: session})
			if err != nil {
				return nil, err
			}
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// maxMoves bounds how often a session's name is followed.
const maxMoves = 64

// Moved notes that the session of from has another id from now on, as after a
// second factor, for as long as it can live.
func (l *Links) Moved(ctx context.Context, from Ref, to string, life time.Duration) error {
	if err := l.redis.Set(ctx, linkKey("moved", from.UserID, from.SessionID), to, life).Err(); err != nil {
		return fmt.Errorf("%w: note a session's new id: %w", ErrUnavailable, err)
	}
	return nil
}

// Current is the session of ref under the id that it has now.
func (l *Links) Current(ctx context.Context, ref Ref) (Ref, error) {
	for range maxMoves {
		to, err := l.redis.Get(ctx, linkKey("moved", ref.UserID, ref.SessionID)).Result()
		if errors.Is(err, redis.Nil) {
			break
		}
		if err != nil {
			return ref, fmt.Errorf("%w: find a session's new id: %w", ErrUnavailable, err)
		}
		ref.SessionID = to
	}
	return ref, nil
}

// linkKey holds no name of a person in clear.
func linkKey(kind, provider, name string) string {
	return "gatehouse:openid:" + kind + ":" + base64.RawURLEncoding.EncodeToString(digest(provider+"\x00"+name))
}
