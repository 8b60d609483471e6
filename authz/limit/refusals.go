package limit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/every"
)

// Bounds of Refusals.
const (
	maxRefused   = 1000 // counters that one replica, or Redis for one minute, remembers
	flushAfter   = time.Second
	minutesKept  = 5
	refusalsLast = (minutesKept + 1) * time.Minute
)

// Refusals is an approximate list of who is being limited, and by what: replicas add to
// it off the path of requests, a second after the fact, and the last five minutes count,
// each half as much as the one after it. It is bounded: where more than a thousand
// counters refuse within a minute, those that refuse least are forgotten. What was
// refused without Redis is not in it. It is safe for concurrent use.
type Refusals struct {
	client redis.UniversalClient
	now    func() time.Time
	mu     sync.Mutex
	counts map[refused]int64
}

type refused struct {
	who    Limited
	shadow bool
}

// Limited is a counter that refuses.
type Limited struct {
	Key       string        `json:"key"`
	Name      string        `json:"name,omitempty"`
	Algorithm Algorithm     `json:"algorithm"`
	Limit     int64         `json:"limit"`
	Window    time.Duration `json:"window_ns,omitempty"`
}

// Hot is a Limited with its weight: about as many refusals a minute.
type Hot struct {
	Limited
	Refused float64 `json:"refused"`
}

// NewRefusals returns one on a client that no request waits for.
func NewRefusals(client redis.UniversalClient, now func() time.Time) *Refusals {
	return &Refusals{client: client, now: wallClock(now), counts: map[refused]int64{}}
}

// Note takes what was refused of a call. It never waits for Redis. A nil Refusals
// takes nothing.
func (r *Refusals) Note(requests []Request, results []Result) {
	if r == nil {
		return
	}
	for i, result := range results {
		if result.Allowed {
			continue
		}
		spec := requests[i].Spec
		at := refused{Limited{requests[i].name(), spec.Name, spec.algorithm(), spec.Requests, spec.Window}, requests[i].Shadow}
		r.mu.Lock()
		if _, known := r.counts[at]; known || len(r.counts) < maxRefused {
			r.counts[at] += max(1, requests[i].hits())
		}
		r.mu.Unlock()
	}
}

// Run tells Redis every second, until ctx ends.
func (r *Refusals) Run(ctx context.Context) {
	every.Turn(ctx, flushAfter, func(ctx context.Context) {
		within, cancel := context.WithTimeout(ctx, flushAfter)
		defer cancel()
		_ = r.Flush(within) // what it could not tell is forgotten: the list is of now
	})
}

func refusalsKey(shadow bool, minute int64) string {
	kind := "refused"
	if shadow {
		kind = "shadow"
	}
	return "gh:l:{top}:" + kind + ":" + strconv.FormatInt(minute, 36)
}

// Flush tells Redis now. The error is ErrUnavailable.
func (r *Refusals) Flush(ctx context.Context) error {
	r.mu.Lock()
	counts := r.counts
	r.counts = make(map[refused]int64, len(counts))
	r.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	minute := r.now().Unix() / 60
	pipe := r.client.Pipeline()
	touched := map[string]bool{}
	for at, n := range counts {
		member, err := json.Marshal(at.who)
		if err != nil {
			return fmt.Errorf("write a refusal: %w", err)
		}
		key := refusalsKey(at.shadow, minute)
		touched[key] = true
		pipe.ZIncrBy(ctx, key, float64(n), string(member))
	}
	for key := range touched {
		pipe.ZRemRangeByRank(ctx, key, 0, -maxRefused-1)
		pipe.PExpire(ctx, key, refusalsLast)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Top are the counters that refuse most, or with shadow those that would, most first.
// The error is ErrUnavailable.
func (r *Refusals) Top(ctx context.Context, shadow bool, most int) ([]Hot, error) {
	minute, weight := r.now().Unix()/60, 1.0
	sum := map[Limited]float64{}
	for back := range int64(minutesKept) {
		members, err := r.client.ZRevRangeWithScores(ctx, refusalsKey(shadow, minute-back), 0, maxRefused-1).Result()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		for _, m := range members {
			var who Limited
			text, isText := m.Member.(string)
			if !isText || json.Unmarshal([]byte(text), &who) != nil {
				continue // of another version
			}
			sum[who] += m.Score * weight
		}
		weight /= 2
	}
	all := make([]Hot, 0, len(sum))
	for who, n := range sum {
		all = append(all, Hot{who, n})
	}
	slices.SortFunc(all, func(a, b Hot) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Key, b.Key))
	})
	return all[:min(most, len(all))], nil
}
