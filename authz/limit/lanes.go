package limit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxLanes bounds the nodes that are told apart: far more than a Cluster has at once.
const maxLanes = 1024

// lanes gives each node of a Redis Cluster a batcher of its own: what one node owes is
// not waited for by the others' callers, and its breaker is its own. One server, or
// Sentinel's, is one lane. It is safe for concurrent use.
type lanes struct {
	client  redis.UniversalClient
	within  time.Duration
	cluster *redis.ClusterClient // nil: one server
	only    *batcher

	mu     sync.RWMutex
	byNode map[string]*batcher
}

func newLanes(client redis.UniversalClient, within time.Duration) *lanes {
	l := &lanes{client: client, within: within, only: newBatcher(client, within), byNode: map[string]*batcher{}}
	l.cluster, _ = client.(*redis.ClusterClient)
	return l
}

// do runs the commands as a batcher does, those of each node in that node's lane. An
// error is of the call as a whole: some of it may have been counted.
func (l *lanes) do(ctx context.Context, cmds ...redis.Cmder) error {
	if l.cluster == nil {
		return l.only.do(ctx, cmds...)
	}
	if len(cmds) == 1 {
		lane, err := l.of(ctx, keyOf(cmds[0]))
		if err != nil {
			return err
		}
		return lane.do(ctx, cmds...)
	}
	var firstLane *batcher
	lanes := map[*batcher][]redis.Cmder{}
	for _, cmd := range cmds {
		lane, err := l.of(ctx, keyOf(cmd))
		if err != nil {
			return err
		}
		if firstLane == nil {
			firstLane = lane
		}
		lanes[lane] = append(lanes[lane], cmd)
	}
	if len(lanes) == 1 {
		return firstLane.do(ctx, cmds...)
	}
	results := make(chan error, len(lanes))
	for lane, own := range lanes {
		go func() { results <- lane.do(ctx, own...) }()
	}
	var first error
	for range lanes {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// once runs a command that must not be done twice: a Cluster's client does a pipeline
// again whose answer was lost, a node's own client does not. What a node that is no
// longer the key's own refuses is lost.
func (l *lanes) once(ctx context.Context, key string, cmd redis.Cmder) error {
	if l.cluster == nil {
		return l.only.do(ctx, cmd)
	}
	ctx, cancel := context.WithTimeout(ctx, l.within)
	defer cancel()
	node, err := l.cluster.MasterForKey(ctx, key)
	if err == nil {
		err = asked(node.Process(ctx, cmd))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (l *lanes) of(ctx context.Context, key string) (*batcher, error) {
	node, err := l.cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	addr := node.Options().Addr
	l.mu.RLock()
	lane := l.byNode[addr]
	l.mu.RUnlock()
	if lane != nil {
		return lane, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if lane = l.byNode[addr]; lane != nil {
		return lane, nil
	}
	if len(l.byNode) >= maxLanes {
		clear(l.byNode) // those who wait in one are still served by it
	}
	lane = newBatcher(l.client, l.within)
	l.byNode[addr] = lane
	return lane, nil
}

// keyOf is the key of a command as this package sends them.
func keyOf(cmd redis.Cmder) string {
	args := cmd.Args()
	at := 1
	if name := cmd.Name(); name == "evalsha" || name == "eval" {
		at = 3
	}
	if at < len(args) {
		if key, ok := args[at].(string); ok {
			return key
		}
	}
	return membersKey
}
