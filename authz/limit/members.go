package limit

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	membersKey = "gh:l:members"
	// aliveFor is how long a replica that says nothing is still counted: longer than
	// any restart of Redis should take.
	aliveFor  = 30 * time.Second
	tellAfter = 5 * time.Second
)

// members knows how many replicas share the limits.
type members struct {
	id    string
	known atomic.Int64
	told  time.Time // only tell touches it
}

func newMembers() *members {
	m := &members{id: rand.Text()}
	m.known.Store(1)
	return m
}

// tell says that this replica is there, and learns who else is.
func (m *members) tell(ctx context.Context, l *lanes) {
	now := time.Now()
	if now.Sub(m.told) < tellAfter {
		return
	}
	m.told = now
	count := redis.NewIntCmd(ctx, "zcard", membersKey)
	err := l.do(ctx,
		redis.NewIntCmd(ctx, "zadd", membersKey, now.Unix(), m.id),
		redis.NewIntCmd(ctx, "zremrangebyscore", membersKey, "-inf", now.Add(-aliveFor).Unix()),
		redis.NewIntCmd(ctx, "pexpire", membersKey, aliveFor.Milliseconds()),
		count)
	if err == nil && count.Err() == nil {
		m.known.Store(max(1, count.Val()))
	}
}

func (m *members) leave(ctx context.Context, l *lanes) {
	_ = l.do(ctx, redis.NewIntCmd(ctx, "zrem", membersKey, m.id)) // it is forgotten by itself, later
}

// Members is the number of replicas that Redis knew of when it was last asked, at
// least 1. Run keeps it up to date, within five seconds.
func (w *Windows) Members() int64 { return w.members.known.Load() }
