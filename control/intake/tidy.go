package intake

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
)

// keepFor is how long entries stay in the stream after they were taken in, for
// whoever looks for the cause of something with redis-cli.
const keepFor = time.Minute

// tidy takes over what a consumer that has gone was given, and removes from the
// stream what has been taken in.
func (i *Intake) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, commandFor)
	defer cancel()
	if err := i.takeOver(ctx); err != nil {
		return err
	}
	return i.trim(ctx)
}

func (i *Intake) takeOver(ctx context.Context) error {
	for cursor := "0-0"; ; {
		entries, next, err := i.o.Redis.XAutoClaim(ctx, &redis.XAutoClaimArgs{
			Stream: event.StreamKey, Group: Group, Consumer: i.o.Consumer,
			MinIdle: i.o.TakeOverAfter, Start: cursor, Count: batchSize,
		}).Result()
		if err != nil {
			return fmt.Errorf("take over abandoned events: %w", err)
		}
		if len(entries) > 0 {
			i.o.Logger.Warn("taking over events that another control was given and did not finish", "events", len(entries))
		}
		if err := i.take(ctx, entries); err != nil {
			return err
		}
		if next == "0-0" {
			return nil
		}
		cursor = next
	}
}

// trim never removes an entry that was not acknowledged.
func (i *Intake) trim(ctx context.Context) error {
	groups, err := i.o.Redis.XInfoGroups(ctx, event.StreamKey).Result()
	if err != nil {
		return fmt.Errorf("look at the event stream: %w", err)
	}
	pending, err := i.o.Redis.XPending(ctx, event.StreamKey, Group).Result()
	if err != nil {
		return fmt.Errorf("look at the event stream: %w", err)
	}
	for _, g := range groups {
		if g.Name != Group {
			continue
		}
		i.metrics.backlog.Set(float64(g.Lag + g.Pending))
		bound := trimBound(g.LastDeliveredID, pending.Lower)
		if err := i.o.Redis.XTrimMinIDApprox(ctx, event.StreamKey, bound, 0).Err(); err != nil {
			return fmt.Errorf("trim the event stream: %w", err)
		}
	}
	return nil
}

// trimBound is the oldest entry id to keep: of what was delivered, the last
// minute, and everything from the oldest that is not acknowledged.
func trimBound(delivered, oldestPending string) string {
	bound := millisOf(delivered) - keepFor.Milliseconds()
	if oldestPending != "" {
		bound = min(bound, millisOf(oldestPending))
	}
	return strconv.FormatInt(max(0, bound), 10) + "-0"
}

// millisOf is the time in an entry's id; 0 for what is none.
func millisOf(entryID string) int64 {
	text, _, _ := strings.Cut(entryID, "-")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return ms
}
