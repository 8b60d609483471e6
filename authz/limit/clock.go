package limit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// resyncAfter is how long an estimate of Redis's clock is good for: two clocks that
// are 100 ppm apart part by 0.1 ms in it.
const resyncAfter = time.Second

// redisClock estimates Redis's clock, which is the same for all replicas, to within half
// a round trip, so that a window can be named without asking.
type redisClock struct {
	fixed  func() time.Time // instead, in tests
	offset atomic.Int64     // µs, Redis's minus ours
	synced atomic.Int64     // ns since start, plus 1; 0: never
	start  time.Time
}

func newRedisClock(fixed func() time.Time) *redisClock {
	return &redisClock{fixed: fixed, start: time.Now()}
}

func (c *redisClock) micros() int64 {
	if c.fixed != nil {
		return c.fixed().UnixMicro()
	}
	return time.Now().UnixMicro() + c.offset.Load()
}

// due is true for one caller each time that the estimate has become old.
func (c *redisClock) due() bool {
	if c.fixed != nil {
		return false
	}
	last := c.synced.Load()
	now := int64(time.Since(c.start)) + 1
	return last != 0 && now-last > int64(resyncAfter) && c.synced.CompareAndSwap(last, now)
}

func (c *redisClock) ready() bool { return c.fixed != nil || c.synced.Load() != 0 }

// sync asks Redis for its time: in a Cluster the node that keeps the list of replicas,
// so that all of them ask the same.
func (c *redisClock) sync(ctx context.Context, l *lanes) error {
	before := time.Now()
	cmd := redis.NewTimeCmd(ctx, "time")
	if err := l.once(ctx, membersKey, cmd); err != nil {
		return err
	}
	if cmd.Err() != nil {
		return errors.Join(ErrUnavailable, cmd.Err())
	}
	middle := before.Add(time.Since(before) / 2)
	c.offset.Store(cmd.Val().UnixMicro() - middle.UnixMicro())
	c.synced.Store(int64(time.Since(c.start)) + 1)
	return nil
}
