package limit

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxLanes bounds the nodes that are told apart: far more than a Cluster has at once.
const maxLanes = 1024

// lanes gives each node of a Redis Cluster a batcher of its own, on the node's own client:
// what one node owes is not waited for by the others' callers, its breaker is its own, and
// nothing is done twice. (A Cluster's client does a pipeline again whose answer was lost.)
// One server, or Sentinel's, is one lane. It is safe for concurrent use.
type lanes struct {
	within  time.Duration
	cluster *redis.ClusterClient // nil: one server
	only    *batcher             // nil in a Cluster

	mu     sync.RWMutex
	byNode map[*redis.Client]*batcher
}

func newLanes(client redis.UniversalClient, within time.Duration) *lanes {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return &lanes{within: within, cluster: cluster, byNode: map[*redis.Client]*batcher{}}
	}
	return &lanes{within: within, only: newBatcher(client, within)}
}

// do runs the commands as a batcher does, those of each node in that node's lane. An
// error is of the call as a whole: some of it may have been counted.
func (l *lanes) do(ctx context.Context, cmds ...redis.Cmder) error {
	return l.doWithin(ctx, l.within, cmds)
}

// doWithin is do for who waits so long for a place.
func (l *lanes) doWithin(ctx context.Context, wait time.Duration, cmds []redis.Cmder) error {
	if l.cluster == nil {
		return l.only.doWithin(ctx, wait, cmds)
	}
	if len(cmds) == 1 {
		node, err := l.node(ctx, keyOf(cmds[0]))
		if err != nil {
			return err
		}
		return l.at(ctx, node, wait, cmds)
	}
	nodes, groups, err := l.groups(ctx, cmds)
	if err != nil {
		return err
	}
	if len(nodes) == 1 {
		return l.at(ctx, nodes[0], wait, cmds)
	}
	errs := make([]error, len(nodes))
	var others sync.WaitGroup
	for i := range nodes[1:] {
		others.Go(func() { errs[i+1] = l.at(ctx, nodes[i+1], wait, groups[i+1]) })
	}
	errs[0] = l.at(ctx, nodes[0], wait, groups[0])
	others.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// groups are the commands of each node.
func (l *lanes) groups(ctx context.Context, cmds []redis.Cmder) ([]*redis.Client, [][]redis.Cmder, error) {
	var nodes []*redis.Client
	var groups [][]redis.Cmder
next:
	for _, cmd := range cmds {
		node, err := l.node(ctx, keyOf(cmd))
		if err != nil {
			return nil, nil, err
		}
		for i, known := range nodes { // a handful
			if known == node {
				groups[i] = append(groups[i], cmd)
				continue next
			}
		}
		nodes, groups = append(nodes, node), append(groups, []redis.Cmder{cmd})
	}
	return nodes, groups, nil
}

// at asks a node, and for what it no longer has the one that has it now.
func (l *lanes) at(ctx context.Context, node *redis.Client, wait time.Duration, cmds []redis.Cmder) error {
	if err := l.lane(node).doWithin(ctx, wait, cmds); err != nil {
		if ctx.Err() == nil {
			l.cluster.ReloadState(ctx) // another may have taken its place
		}
		return err
	}
	for _, cmd := range cmds {
		if moved(cmd.Err()) {
			return l.follow(ctx, cmds)
		}
	}
	return nil
}

// follow has the client find the nodes that have the slots now.
func (l *lanes) follow(ctx context.Context, cmds []redis.Cmder) error {
	ctx, cancel := context.WithTimeout(ctx, l.within)
	defer cancel()
	l.cluster.ReloadState(ctx)
	for _, cmd := range cmds {
		if !moved(cmd.Err()) {
			continue
		}
		if err := asked(l.cluster.Process(ctx, cmd)); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

func moved(err error) bool {
	return err != nil && (strings.HasPrefix(err.Error(), "MOVED ") || strings.HasPrefix(err.Error(), "ASK "))
}

// once runs a command that must not be done twice. What a node that is no longer the
// key's own refuses is lost.
func (l *lanes) once(ctx context.Context, key string, cmd redis.Cmder) error {
	if l.cluster == nil {
		return l.only.do(ctx, cmd)
	}
	node, err := l.node(ctx, key)
	if err != nil {
		return err
	}
	return l.lane(node).do(ctx, cmd)
}

func (l *lanes) node(ctx context.Context, key string) (*redis.Client, error) {
	node, err := l.cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w: find the node of the Cluster: %w", ErrUnavailable, err)
	}
	return node, nil
}

func (l *lanes) lane(node *redis.Client) *batcher {
	l.mu.RLock()
	b := l.byNode[node]
	l.mu.RUnlock()
	if b != nil {
		return b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b = l.byNode[node]; b != nil {
		return b
	}
	if len(l.byNode) >= maxLanes {
		clear(l.byNode) // those who wait in one are still served by it
	}
	b = newBatcher(node, l.within)
	l.byNode[node] = b
	return b
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
