package quota

import (
	"context"
	_ "embed" // for the script
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnavailable says that Redis did not deal out a share.
var ErrUnavailable = errors.New("no share can be dealt out")

//go:embed shares.lua
var sharesSource string

// maxDemand bounds what an Envoy can say was asked of it.
const maxDemand = 1 << 40

// Shares deals out limits among holders, who are the Envoys of all replicas. It is
// safe for concurrent use.
type Shares struct {
	redis  redis.UniversalClient
	now    func() time.Time // nil: Redis's clock
	script *redis.Script
}

// NewShares returns Shares in Redis. Replicas agree on the time by asking Redis
// for it; tests pass their own.
func NewShares(client redis.UniversalClient, now func() time.Time) *Shares {
	return &Shares{redis: client, now: now, script: redis.NewScript(sharesSource)}
}

// Deal gives holder its share of a limit for the time ttl, in place of the one it
// had. Demand is what was asked of it in a window.
func (s *Shares) Deal(ctx context.Context, bucket, holder string, limit uint32, demand uint64, ttl time.Duration) (uint32, error) {
	now := int64(0)
	if s.now != nil {
		now = s.now().UnixMilli()
	}
	share, err := s.script.Run(ctx, s.redis, []string{"gatehouse:quota:" + bucket},
		limit, holder, min(demand, maxDemand), ttl.Milliseconds(), now).Int64()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return uint32(min(max(share, 0), int64(limit))), nil // #nosec G115 -- within limit
}

// Return gives back a holder's share.
func (s *Shares) Return(ctx context.Context, bucket, holder string) error {
	if err := s.redis.HDel(ctx, "gatehouse:quota:"+bucket, holder).Err(); err != nil {
		return fmt.Errorf("%w: give a share back: %w", ErrUnavailable, err)
	}
	return nil
}
