package limit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	resetsKey = "gh:l:resets"
	// resetsFor is how long a reset is told: many times longer than replicas take.
	resetsFor = time.Minute
)

// Counter is one counter as it is in Redis.
type Counter struct {
	Key       string        `json:"key"` // as Key made it
	Algorithm Algorithm     `json:"algorithm"`
	Value     string        `json:"value"` // hits, or what the algorithm keeps
	TTL       time.Duration `json:"ttl_ns"`
	redisKey  string
}

// Inspector looks at counters and resets them, from outside of the replicas.
type Inspector struct {
	client redis.UniversalClient
}

// NewInspector returns one on a client that no request waits for.
func NewInspector(client redis.UniversalClient) *Inspector { return &Inspector{client: client} }

// Show are the counters of a key, of whatever algorithm has one. windows are the lengths
// to look for fixed windows of the RateLimitService with. The error is ErrUnavailable.
func (i *Inspector) Show(ctx context.Context, key string, windows ...time.Duration) ([]Counter, error) {
	if strings.ContainsAny(key, "{}") || key == "" {
		return nil, fmt.Errorf("%w: %q is not the key of a counter", ErrSpec, key)
	}
	now, err := i.client.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	candidates := []Counter{
		{Algorithm: SlidingWindow}, {Algorithm: FixedWindow}, {Algorithm: GCRA}, {Algorithm: TwoBucket}, {Algorithm: Quota},
		{Algorithm: Concurrency, redisKey: Hold{Key: key}.redisKey()},
	}
	for _, window := range windows {
		if us := window.Microseconds(); us > 0 {
			candidates = append(candidates, Counter{Algorithm: FixedWindow, redisKey: windowKey(key, now.UnixMicro()/us)})
		}
	}
	var found []Counter
	for _, c := range candidates {
		c.Key = key
		if c.redisKey == "" {
			c.redisKey = named(key, Spec{Algorithm: c.Algorithm}).redisKey()
		}
		if c.Value, err = i.value(ctx, c); errors.Is(err, redis.Nil) {
			continue
		}
		if err == nil {
			c.TTL, err = i.client.PTTL(ctx, c.redisKey).Result()
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		found = append(found, c)
	}
	return found, nil
}

// value is redis.Nil for a counter that there is not.
func (i *Inspector) value(ctx context.Context, c Counter) (string, error) {
	var n int64
	var err error
	switch c.Algorithm {
	case SlidingWindow:
		n, err = i.client.LLen(ctx, c.redisKey).Result()
	case Concurrency:
		n, err = i.client.ZCard(ctx, c.redisKey).Result()
	default:
		return i.client.Get(ctx, c.redisKey).Result()
	}
	if err == nil && n == 0 {
		err = redis.Nil
	}
	return strconv.FormatInt(n, 10), err
}

// Reset removes counters and has the replicas forget what they remember of them, which
// takes them a quarter of a second: until then they may refuse by it, or serve from
// slices of the old budget. It returns how many there were.
func (i *Inspector) Reset(ctx context.Context, counters []Counter) (int, error) {
	gone := 0
	for _, c := range counters {
		n, err := i.client.Del(ctx, c.redisKey).Result()
		if err != nil {
			return gone, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		gone += int(n)
		now, err := i.client.Time(ctx).Result()
		if err != nil {
			return gone, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		pipe := i.client.Pipeline()
		pipe.ZAdd(ctx, resetsKey, redis.Z{Score: float64(now.UnixMilli()), Member: strconv.FormatInt(now.UnixMicro(), 36) + " " + c.redisKey})
		pipe.ZRemRangeByScore(ctx, resetsKey, "-inf", strconv.FormatInt(now.Add(-resetsFor).UnixMilli(), 10))
		pipe.PExpire(ctx, resetsKey, resetsFor)
		if _, err := pipe.Exec(ctx); err != nil {
			return gone, fmt.Errorf("%w: the counter is gone, and replicas do not know: %w", ErrUnavailable, err)
		}
	}
	return gone, nil
}

// resets tells which counters somebody has reset lately.
type resets struct {
	known map[string]struct{} // of the last minute; only who listens touches it
}

// unheard are the keys of those that were not among the members of the last time.
func (r *resets) unheard(members []string) []string {
	var keys []string
	known := make(map[string]struct{}, len(members))
	for _, member := range members {
		known[member] = struct{}{}
		if _, old := r.known[member]; old {
			continue
		}
		if _, key, found := strings.Cut(member, " "); found {
			keys = append(keys, key)
		}
	}
	r.known = known
	return keys
}

func (w *Windows) hear(ctx context.Context) {
	cmd := redis.NewStringSliceCmd(ctx, "zrange", resetsKey, 0, maxRefused)
	if err := w.lanes.do(ctx, cmd); err != nil || cmd.Err() != nil {
		return // at the next turn
	}
	for _, key := range w.resets.unheard(cmd.Val()) {
		w.over.forget(key)
		w.slices.forget(key)
	}
}

func (o *overLimit) forget(key string) {
	s := o.shard(key)
	s.Lock()
	defer s.Unlock()
	delete(s.young, key)
	delete(s.old, key)
}
