package limit

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxOrphans bounds the counters that wait for an end: those that one replica found new
// while Redis was failing.
const maxOrphans = 10_000

// orphans are counters in Redis that have no end yet: Redis had lost them, an INCRBY
// made them anew, and the PEXPIRE after it did not succeed. Each is tried again until
// it does. One is left for good only if the replica ends before that: some 60 bytes,
// of a window that has passed, which change no count.
type orphans struct {
	mu   sync.Mutex
	ends map[string]time.Time
}

func newOrphans() *orphans { return &orphans{ends: map[string]time.Time{}} }

// expiry is the command that ends a counter, which is an orphan until it has.
func (w *Windows) expiry(ctx context.Context, c *counted) redis.Cmder {
	w.orphans.mu.Lock()
	defer w.orphans.mu.Unlock()
	if len(w.orphans.ends) < maxOrphans {
		w.orphans.ends[c.key] = time.Now().Add(time.Duration(w.lifetime(c.left)) * time.Millisecond)
	}
	return redis.NewIntCmd(ctx, "pexpire", c.key, w.lifetime(c.left))
}

// second sends what the answers to the first commands asked for.
func (w *Windows) second(ctx context.Context, cmds []redis.Cmder) error {
	if err := w.lanes.do(ctx, cmds...); err != nil {
		return err
	}
	for _, cmd := range cmds {
		if cmd.Name() == "pexpire" && cmd.Err() == nil {
			w.orphans.adopted(keyOf(cmd))
		}
	}
	return nil
}

func (o *orphans) adopted(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ends, key)
}

// adopt tries again for all of them, a few at a time.
func (w *Windows) adopt(ctx context.Context, now time.Time) {
	const atOnce = 256
	var cmds []redis.Cmder
	w.orphans.mu.Lock()
	for key, end := range w.orphans.ends {
		if len(cmds) == atOnce {
			break
		}
		cmds = append(cmds, redis.NewIntCmd(ctx, "pexpire", key, max(1, end.Sub(now).Milliseconds())))
	}
	w.orphans.mu.Unlock()
	if len(cmds) > 0 {
		_ = w.second(ctx, cmds) // those that are left are tried at the next turn
	}
}
