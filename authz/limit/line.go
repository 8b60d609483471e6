package limit

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Line runs scripts on Redis for callers who share round trips. Calls that come
// while two batches are under way wait for the next, in a queue that is bounded;
// each call ends within a fixed time; and while Redis does not answer, nobody waits
// for it. In a Cluster each node has batches and a breaker of its own, so that one
// node that fails costs nothing but what it holds. It is safe for concurrent use.
//
// It repeats nothing: a call whose answer is lost may have been carried out.
type Line struct {
	within  time.Duration
	one     *batcher // nil in a Cluster
	cluster *redis.ClusterClient

	mu    sync.RWMutex
	lanes map[*redis.Client]*batcher
}

// NewLine returns a Line on client, whose calls end within that time.
func NewLine(client redis.UniversalClient, within time.Duration) *Line {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return &Line{within: within, cluster: cluster, lanes: map[*redis.Client]*batcher{}}
	}
	return &Line{within: within, one: newBatcher(client, within)}
}

// Cluster says whether keys of different slots are to be in different calls.
func (l *Line) Cluster() bool { return l.cluster != nil }

// Script is a Lua script, and the hash by which Redis knows it.
type Script struct{ source, hash string }

// NewScript makes one.
func NewScript(source string) Script {
	return Script{source: source, hash: redis.NewScript(source).Hash()}
}

// Call is a script to run. Keys has one at least, and in a Cluster they share a
// slot.
type Call struct {
	Script Script
	Keys   []string
	Args   []any

	// Value and Err are what became of it. ErrUnavailable is in the chain of Err if
	// Redis was not asked, or not in time.
	Value any
	Err   error
}

// Run runs the calls, all at once, and returns when each has its Value or Err.
func (l *Line) Run(ctx context.Context, calls ...*Call) {
	var others sync.WaitGroup
	for _, c := range calls[1:] {
		others.Go(func() { l.run(ctx, c) })
	}
	l.run(ctx, calls[0])
	others.Wait()
}

func (l *Line) run(ctx context.Context, c *Call) {
	c.Value, c.Err = l.ask(ctx, c, c.command(ctx, "evalsha", c.Script.hash))
	if c.Err != nil && strings.HasPrefix(c.Err.Error(), "NOSCRIPT") {
		// A Redis that has just started; it knows the script from here on.
		c.Value, c.Err = l.ask(ctx, c, c.command(ctx, "eval", c.Script.source))
	}
}

func (c *Call) command(ctx context.Context, name, script string) *redis.Cmd {
	args := make([]any, 0, 3+len(c.Keys)+len(c.Args))
	args = append(args, name, script, len(c.Keys))
	for _, key := range c.Keys {
		args = append(args, key)
	}
	return redis.NewCmd(ctx, append(args, c.Args...)...)
}

// ask does not look at cmd after an error of the batcher: it may be under way.
func (l *Line) ask(ctx context.Context, c *Call, cmd *redis.Cmd) (any, error) {
	if l.one != nil {
		if err := l.one.do(ctx, cmd); err != nil {
			return nil, err
		}
		return cmd.Result()
	}
	node, err := l.cluster.MasterForKey(ctx, c.Keys[0])
	if err != nil {
		return nil, fmt.Errorf("%w: find the node of the Cluster: %w", ErrUnavailable, err)
	}
	if err := l.lane(node).do(ctx, cmd); err != nil {
		l.cluster.ReloadState(ctx) // another may have taken its place
		return nil, err
	}
	if moved(cmd.Err()) {
		return l.follow(ctx, cmd)
	}
	return cmd.Result()
}

// plain runs a command that may be repeated, on the key's node.
func (l *Line) plain(ctx context.Context, key string, cmd redis.Cmder) error {
	if l.one != nil {
		return l.one.do(ctx, cmd)
	}
	node, err := l.cluster.MasterForKey(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: find the node of the Cluster: %w", ErrUnavailable, err)
	}
	return l.lane(node).do(ctx, cmd)
}

// follow asks the node that has the slot now, which the client finds out.
func (l *Line) follow(ctx context.Context, cmd *redis.Cmd) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, l.within)
	defer cancel()
	l.cluster.ReloadState(ctx)
	if err := asked(l.cluster.Process(ctx, cmd)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return cmd.Result()
}

func moved(err error) bool {
	return err != nil && (strings.HasPrefix(err.Error(), "MOVED ") || strings.HasPrefix(err.Error(), "ASK "))
}

func (l *Line) lane(node *redis.Client) *batcher {
	l.mu.RLock()
	b := l.lanes[node]
	l.mu.RUnlock()
	if b != nil {
		return b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b = l.lanes[node]; b != nil {
		return b
	}
	if len(l.lanes) >= maxLanes {
		clear(l.lanes)
	}
	b = newBatcher(node, l.within)
	l.lanes[node] = b
	return b
}
