package session

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// The index of a user is a sorted set of session ids by their absolute limit in
// ms. It may hold ids of sessions that ended; it never lacks one that lives.

func (m *Manager) index(ctx context.Context, key id, s Session) error {
	err := m.enter.Run(ctx, m.redis, []string{userKey(s.User.ID)},
		s.Created.UnixMilli(), s.Expires.UnixMilli(), string(key), memory.Milliseconds()).Err()
	if err != nil {
		return unavailable("enter a session into its user's index", err)
	}
	return nil
}

func (m *Manager) indexed(ctx context.Context, userID string) ([]id, error) {
	after := "(" + strconv.FormatInt(m.now().UnixMilli(), 10)
	members, err := m.redis.ZRangeByScore(ctx, userKey(userID), &redis.ZRangeBy{Min: after, Max: "+inf"}).Result()
	if err != nil {
		return nil, unavailable("read a user's index", err)
	}
	keys := make([]id, len(members))
	for i, member := range members {
		keys[i] = id(member)
	}
	return keys, nil
}

// forget is best effort: the sessions have ended already, and what stays in the
// index is dropped at its absolute limit.
func (m *Manager) forget(ctx context.Context, userID string, keys ...id) {
	if len(keys) == 0 {
		return
	}
	members := make([]any, len(keys))
	for i, key := range keys {
		members[i] = string(key)
	}
	_ = m.redis.ZRem(ctx, userKey(userID), members...).Err()
}

// List returns the live sessions of the user, those that end soonest first,
// without using them. It removes from the index what has ended.
func (m *Manager) List(ctx context.Context, userID string) ([]Session, error) {
	keys, err := m.indexed(ctx, userID)
	if err != nil {
		return nil, err
	}
	records := make([]*redis.MapStringStringCmd, len(keys))
	_, err = m.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			records[i] = p.HGetAll(ctx, key.key())
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("read a user's sessions", err)
	}
	now := m.now()
	var live []Session
	var ended []id
	for i, record := range records {
		s, err := parse(keys[i], flatten(record.Val()))
		switch {
		case err != nil && len(record.Val()) > 1:
			return nil, unavailable("read a user's sessions", err)
		case len(record.Val()) <= 1:
			// Either gone or not stored yet: only age tells, and the index's
			// own pruning does that.
		case record.Val()["end_"] != "" || !now.Before(s.ExpiresAt()):
			ended = append(ended, keys[i])
		default:
			live = append(live, s)
		}
	}
	m.forget(ctx, userID, ended...)
	return live, nil
}

func flatten(record map[string]string) []string {
	pairs := make([]string, 0, 2*len(record))
	for name, value := range record {
		pairs = append(pairs, name, value)
	}
	return pairs
}
