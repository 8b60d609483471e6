package limit

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Line runs scripts on Redis for callers who share round trips. Calls that come
// while two batches are under way wait for the next, in a queue that is bounded;
// each waits for its place for at most twice the time that an answer may take; and
// while Redis does not answer, nobody waits for it. In a Cluster each node has batches and a breaker of its own, so that one
// node that fails costs nothing but what it holds. It is safe for concurrent use.
//
// It repeats nothing that a node may have carried out. Where slots of a Cluster move, the
// client itself looks for the node that has them now, and may ask that twice; a Call that
// says Once is lost then.
type Line struct{ lanes *lanes }

// NewLine returns a Line on client, whose answers may take that time.
func NewLine(client redis.UniversalClient, within time.Duration) *Line {
	return &Line{newLanes(client, within)}
}

// Cluster says whether keys of different slots are to be in different calls.
func (l *Line) Cluster() bool { return l.lanes.cluster != nil }

// Script is a Lua script, and the hash by which Redis knows it.
type Script struct{ source, hash any } // as arguments of commands

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
	// Once says that it must not be carried out twice, whatever happens.
	Once bool

	// Value and Err are what became of it. ErrUnavailable is in the chain of Err if
	// Redis was not asked, or not in time.
	Value any
	Err   error
}

// Run runs the calls, all at once, and returns when each has its Value or Err.
func (l *Line) Run(ctx context.Context, calls ...*Call) {
	if len(calls) == 1 {
		l.run(ctx, calls[0])
		return
	}
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

func (c *Call) command(ctx context.Context, name string, script any) *redis.Cmd {
	args := make([]any, 0, 3+len(c.Keys)+len(c.Args))
	args = append(args, name, script, len(c.Keys))
	for _, key := range c.Keys {
		args = append(args, key)
	}
	return redis.NewCmd(ctx, append(args, c.Args...)...)
}

// ask does not look at cmd after an error of the batcher: it may be under way.
func (l *Line) ask(ctx context.Context, c *Call, cmd *redis.Cmd) (any, error) {
	if c.Once {
		if err := l.lanes.once(ctx, c.Keys[0], cmd); err != nil {
			return nil, err
		}
		return cmd.Result()
	}
	// Whoever asks by a Line has a deadline of its own, and waits until then on a busy machine.
	if err := l.lanes.doWithin(ctx, 2*l.lanes.within, []redis.Cmder{cmd}); err != nil {
		return nil, err
	}
	return cmd.Result()
}
