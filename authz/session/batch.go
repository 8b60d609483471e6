package session

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Lookups that arrive together share a write to Redis and a read: a batch leaves
// as soon as one of a few senders is free, and takes along what has come
// meanwhile. Nobody waits for a batch to fill.
const (
	senders    = 2
	batchMost  = 64
	queueMost  = 4096
	sendWithin = 150 * time.Millisecond
)

type batcher struct {
	client *redis.Client
	queue  chan *asked
	over   chan struct{} // closed when nobody sends any more
}

type asked struct {
	ctx    context.Context //nolint:containedctx // of the caller, who waits meanwhile
	script *redis.Script
	key    string
	args   []any
	cmd    *redis.Cmd
	done   chan struct{}
}

// newBatcher is nil for what it does not know: in a Cluster a batch would wait
// for its slowest node, and one node that fails would fail all.
func newBatcher(client redis.UniversalClient) *batcher {
	one, ok := client.(*redis.Client)
	if !ok {
		return nil
	}
	return &batcher{client: one, queue: make(chan *asked, queueMost), over: make(chan struct{})}
}

// ask is false where the batcher cannot take the question.
func (b *batcher) ask(ctx context.Context, q *Question) (*redis.Cmd, bool) {
	a := &asked{ctx: ctx, script: q.Script, key: q.Key, args: q.Args, done: make(chan struct{})}
	select {
	case b.queue <- a:
	default:
		return nil, false
	}
	select {
	case <-a.done:
		return a.cmd, true
	case <-b.over:
		return nil, false
	case <-ctx.Done():
		failed := redis.NewCmd(ctx)
		failed.SetErr(ctx.Err())
		return failed, true
	}
}

// send serves the queue until ctx ends, and then what is still in it.
func (b *batcher) send(ctx context.Context) {
	batch := make([]*asked, 0, batchMost)
	for {
		select {
		case a := <-b.queue:
			batch = append(batch[:0], a)
		case <-ctx.Done():
			if batch = b.more(batch[:0]); len(batch) == 0 {
				return
			}
			b.exchange(batch)
			continue
		}
		batch = b.more(batch)
		b.exchange(batch)
	}
}

func (b *batcher) more(batch []*asked) []*asked {
	for len(batch) < batchMost {
		select {
		case a := <-b.queue:
			batch = append(batch, a)
		default:
			return batch
		}
	}
	return batch
}

func (b *batcher) exchange(batch []*asked) {
	ctx, cancel := context.WithTimeout(context.Background(), sendWithin)
	defer cancel()
	pipe := b.client.Pipeline()
	for _, a := range batch {
		if a.ctx.Err() == nil {
			a.cmd = a.script.EvalSha(ctx, pipe, []string{a.key}, a.args...)
		}
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, a := range batch {
		switch {
		case a.cmd == nil:
			a.cmd = redis.NewCmd(a.ctx)
			a.cmd.SetErr(a.ctx.Err())
		case a.cmd.Err() != nil && strings.HasPrefix(a.cmd.Err().Error(), "NOSCRIPT"):
			// A Redis that has just started; it knows the script from here on.
			a.cmd = a.script.Eval(ctx, b.client, []string{a.key}, a.args...)
		}
		close(a.done)
	}
}
