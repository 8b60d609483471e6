package redistest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const allSlots = 16384

// Spread gives all slots to the first n primaries, evenly, without a key: what the
// servers hold is deleted. The processes stay the same, and so do the replicas. It
// returns when all six nodes say the same.
func (c *Cluster) Spread(t testing.TB, n int) {
	t.Helper()
	owner := func(slot int) int { return slot * n / allSlots }
	ctx, cancel := context.WithTimeout(context.Background(), 2*within)
	defer cancel()
	var clients []*redis.Client
	var ids, addrs []string
	for _, n := range append(append([]*Node{}, c.Primaries...), c.Replicas...) {
		clients = append(clients, n.Client(t))
	}
	for _, client := range clients {
		// A primary that hears that its last slot went, before it is told itself, would become a replica. Redis 6 cannot be told.
		_ = client.ConfigSet(ctx, "cluster-allow-replica-migration", "no").Err()
		must(t, client.ConfigSet(ctx, "cluster-replica-no-failover", "yes").Err()) // a busy machine is no failure
	}
	for i, p := range c.Primaries {
		must(t, clients[i].FlushAll(ctx).Err())
		id, err := clients[i].Do(ctx, "cluster", "myid").Text()
		must(t, err)
		ids, addrs = append(ids, id), append(addrs, p.Addr)
	}
	// What a primary said before it was told may arrive after another was, which then gives slots back: nobody has
	// those until all are told again.
	until(t, "all nodes know where the slots are", func(ctx context.Context) bool {
		tellAll(ctx, t, clients[:len(ids)], ids, owner)
		return agree(ctx, clients, addrs, owner)
	})
	for _, client := range clients {
		must(t, client.ConfigSet(ctx, "cluster-replica-no-failover", "no").Err())
	}
}

// tellAll tells the primaries; the replicas hear it from them.
func tellAll(ctx context.Context, t testing.TB, primaries []*redis.Client, ids []string, owner func(slot int) int) {
	t.Helper()
	told := make([]error, len(ids))
	var all sync.WaitGroup
	for i, client := range primaries {
		all.Go(func() { told[i] = tell(ctx, client, ids, owner) })
	}
	all.Wait()
	must(t, errors.Join(told...))
	for _, client := range primaries {
		must(t, client.Do(ctx, "cluster", "bumpepoch").Err()) // its claims are the newest
	}
}

// agree gives the nodes a few seconds to say the same.
func agree(ctx context.Context, clients []*redis.Client, addrs []string, owner func(slot int) int) bool {
	ctx, cancel := context.WithTimeout(ctx, within/2)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(clients, func(c *redis.Client) bool { return !agrees(ctx, c, addrs, owner) }) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func tell(ctx context.Context, client *redis.Client, ids []string, owner func(slot int) int) error {
	pipe := client.Pipeline()
	for slot := range allSlots {
		pipe.Do(ctx, "cluster", "setslot", slot, "node", ids[owner(slot)])
	}
	_, err := pipe.Exec(ctx)
	return err //nolint:wrapcheck // the test says what it did
}

func agrees(ctx context.Context, client *redis.Client, addrs []string, owner func(slot int) int) bool {
	if !strings.Contains(client.ClusterInfo(ctx).Val(), "cluster_state:ok") {
		return false
	}
	known := 0
	for _, s := range client.ClusterSlots(ctx).Val() { //nolint:staticcheck // what go-redis's own client goes by
		if len(s.Nodes) != 2 || s.Nodes[0].Addr != addrs[owner(s.Start)] || s.Nodes[0].Addr != addrs[owner(s.End)] {
			return false
		}
		known += s.End - s.Start + 1
	}
	return known == allSlots
}
