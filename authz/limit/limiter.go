package limit

import (
	"context"
	_ "embed" // for limit.lua
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed limit.lua
var source string

const keyPrefix = "gh:l:{"

// Limiter counts on Redis. It is safe for concurrent use.
type Limiter struct {
	redis  redis.UniversalClient
	script *redis.Script
	now    func() time.Time
}

// New returns a Limiter on client. now is nil in production: then Redis's own
// clock counts, which is the same for all replicas.
func New(client redis.UniversalClient, now func() time.Time) *Limiter {
	return &Limiter{redis: client, script: redis.NewScript(kindsSource + source), now: now}
}

// Admit counts the call against all limits if every one of them (shadows aside)
// admits it, and against none otherwise. The results are in the order of the
// requests. The error is ErrSpec or ErrUnavailable.
func (l *Limiter) Admit(ctx context.Context, requests []Request) ([]Result, error) {
	return l.run(ctx, "all", requests)
}

// Count counts the call against each limit for itself, as ShouldRateLimit does.
// A fixed window counts also what it refuses, as envoyproxy/ratelimit does.
func (l *Limiter) Count(ctx context.Context, requests []Request) ([]Result, error) {
	return l.run(ctx, "each", requests)
}

func (l *Limiter) run(ctx context.Context, mode string, requests []Request) ([]Result, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	if err := validate(requests); err != nil {
		return nil, err
	}
	requests, err := l.prepared(requests)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(requests))
	args := make([]any, 0, 2+6*len(requests))
	args = append(args, l.micros(), mode)
	for i := range requests {
		keys[i] = requests[i].redisKey()
		args = requests[i].appendArgs(args)
	}
	numbers, err := l.script.Run(ctx, l.redis, keys, args...).Int64Slice()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if len(numbers) != 4*len(requests) {
		return nil, fmt.Errorf("%w: the script answered %d numbers for %d limits", ErrUnavailable, len(numbers), len(requests))
	}
	return results(requests, numbers), nil
}

func (l *Limiter) micros() int64 {
	if l.now == nil {
		return 0
	}
	return l.now().UnixMicro()
}

// redisKey names the algorithm: a limit that changes its algorithm must not
// meet the other's data.
func (r Request) redisKey() string {
	return keyPrefix + r.Key + "}:" + string(r.Spec.algorithm()[0])
}

func (r Request) appendArgs(args []any) []any {
	shadow := 0
	if r.Shadow {
		shadow = 1
	}
	s := r.Spec
	return append(args, string(s.algorithm()[0]), s.capacity(), s.Window.Microseconds(),
		strconv.FormatFloat(s.interval(), 'f', 2, 64), r.hits(), shadow)
}

// interval is the time in µs after which GCRA grants the next request, rounded
// up to a quarter: such values, added to today's time, stay exact in a float64.
func (s Spec) interval() float64 {
	if s.Algorithm == Quota {
		return float64(s.ends)
	}
	if s.Requests == 0 {
		return 0
	}
	return math.Ceil(float64(s.Window.Microseconds())/float64(s.Requests)*4) / 4
}

func results(requests []Request, numbers []int64) []Result {
	out := make([]Result, len(requests))
	for i := range requests {
		n := numbers[4*i:]
		out[i] = requests[i].result(n[0] == 1, n[1], micros(n[2]), micros(n[3]))
	}
	return out
}

func (r Request) result(allowed bool, remaining int64, reset, retry time.Duration) Result {
	return Result{
		Name: r.Spec.Name, Limit: r.Spec.Requests, Window: r.Spec.Window, Shadow: r.Shadow,
		Allowed: allowed, Remaining: remaining, Reset: reset, RetryAfter: retry,
	}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
