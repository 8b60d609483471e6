package limit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of a batcher.
const (
	// maxFlying is the number of batches that are under way at once. More would
	// make each smaller and so dearer: one is being answered while the next is
	// written.
	maxFlying = 2
	maxQueued = 8192
	maxBatch  = 512
)

// ErrBusy is in the chain, below ErrUnavailable, when more callers wait for Redis
// than could be answered in time.
var ErrBusy = errors.New("too many callers wait for Redis")

// batcher sends what arrives together in one round trip. Nothing waits for
// company: a command leaves at once if a place is free, and with all that came
// meanwhile as soon as one becomes free. It is safe for concurrent use.
type batcher struct {
	client  redis.UniversalClient
	within  time.Duration
	breaker *breaker

	mu     sync.Mutex
	queue  []*call
	flying int
	calls  calls
}

// call is what one caller asks. It is used again, unless its caller has gone.
type call struct {
	cmds  []redis.Cmder
	err   error
	done  chan struct{} // holds one
	waits bool          // somebody hears it
	timer *time.Timer
}

// calls are those that nobody uses.
type calls struct{ pool sync.Pool }

func (p *calls) get(cmds []redis.Cmder) *call {
	c, ok := p.pool.Get().(*call)
	if !ok {
		c = &call{done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
		c.timer.Stop()
	}
	c.cmds = cmds
	return c
}

func (p *calls) put(c *call) error {
	err := c.err
	c.cmds, c.err, c.waits = nil, nil, false
	p.pool.Put(c)
	return err
}

func newBatcher(client redis.UniversalClient, within time.Duration) *batcher {
	return &batcher{client: client, within: within, breaker: newBreaker()}
}

// do is doWithin, waiting for a place no longer than an answer may take.
func (b *batcher) do(ctx context.Context, cmds ...redis.Cmder) error {
	return b.doWithin(ctx, b.within, cmds)
}

// doWithin runs the commands, waiting so long for a place, and returns nil if Redis was asked; each command then has
// its own answer or error. The commands are not to be looked at after an error:
// they may still be under way.
func (b *batcher) doWithin(ctx context.Context, wait time.Duration, cmds []redis.Cmder) error {
	c := b.calls.get(cmds)
	b.mu.Lock()
	if len(b.queue) >= maxQueued {
		b.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrBusy)
	}
	if b.flying < maxFlying {
		b.flying++
		if b.flying > 1 {
			b.mu.Unlock()
			gather()
			b.mu.Lock()
		}
		batch := b.take(c)
		b.mu.Unlock()
		b.send(batch)
		b.next()
		return b.calls.put(c)
	}
	c.waits = true
	b.queue = append(b.queue, c)
	b.mu.Unlock()
	c.timer.Reset(wait)
	select {
	case <-c.done:
		c.timer.Stop()
		return b.calls.put(c)
	case <-c.timer.C:
		return fmt.Errorf("%w: %w", ErrUnavailable, errWaited)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

var errWaited = fmt.Errorf("%w within the time for it", context.DeadlineExceeded)

// take is the next batch, the last of it being more; the lock is held.
func (b *batcher) take(more ...*call) []*call {
	n := min(len(b.queue), maxBatch)
	batch := append(b.queue[:n:n], more...)
	b.queue = b.queue[n:]
	return batch
}

// next frees the place, or has somebody send what came meanwhile.
func (b *batcher) next() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.flying--
		return
	}
	go b.drain(b.take())
}

func (b *batcher) drain(batch []*call) {
	for {
		b.send(batch)
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.flying--
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		gather()
		b.mu.Lock()
		batch = b.take()
		b.mu.Unlock()
	}
}

// gather lets those come along who are ready to run, and would ask in a moment: a batch
// costs Redis, this program and the kernel the same whatever it holds. Without company
// it takes no time.
func gather() { runtime.Gosched() }

// send never takes longer than within, whatever the callers' contexts say: one
// that goes away must not take the others along.
func (b *batcher) send(batch []*call) {
	err := b.breaker.enter()
	if err == nil {
		err = b.exec(batch)
		b.breaker.leave(err == nil)
	}
	for _, c := range batch {
		if err != nil {
			c.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if c.waits {
			c.done <- struct{}{} // never waits: it holds one
		}
	}
}

func (b *batcher) exec(batch []*call) error {
	ctx, cancel := context.WithTimeout(context.Background(), b.within)
	defer cancel()
	if len(batch) == 1 && len(batch[0].cmds) == 1 {
		return asked(b.client.Process(ctx, batch[0].cmds[0]))
	}
	pipe := b.client.Pipeline()
	for _, c := range batch {
		for _, cmd := range c.cmds {
			_ = pipe.Process(ctx, cmd) // Exec tells
		}
	}
	cmds, err := pipe.Exec(ctx)
	for _, cmd := range cmds {
		if err := asked(cmd.Err()); err != nil {
			return err
		}
	}
	if len(cmds) == 0 {
		return err
	}
	return nil
}

// asked tells an answer that is an error, which concerns one caller, from none.
func asked(err error) error {
	if _, answered := errors.AsType[redis.Error](err); err == nil || answered {
		return nil
	}
	return err
}
