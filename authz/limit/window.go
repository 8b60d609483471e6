package limit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Windows counts fixed windows at the least cost: one plain command a request and a
// share of a round trip; none for a counter that is known to be over its limit; and,
// for a hot one whose Request has a Lease, none while its slice of the budget lasts
// (Slices). Other algorithms go to a Limiter. It is safe for concurrent use.
//
// It promises, for each key and window, that no more than Requests hits are admitted
// by all replicas together, while Redis keeps its data. Where a window begins is
// Redis's clock as each replica estimates it, to within a round trip. With N
// replicas, up to N slices may be refused although nobody has used them, as Slices tell.
type Windows struct {
	within  time.Duration
	lanes   *lanes
	limiter *Limiter
	clock   *redisClock
	over    *overLimit
	hints   *hints
	orphans *orphans
	resets  resets
	slices  *Slices
	members *members
}

// NewWindows returns a Windows on client, which is to open no more connections than
// it needs and to retry nothing. A call ends within that time, also when Redis is
// slow. now is nil in production.
func NewWindows(client redis.UniversalClient, within time.Duration, now func() time.Time) *Windows {
	return NewWindowsOn(NewLine(client, within), now)
}

// NewWindowsOn is NewWindows on a Line that others use, too.
func NewWindowsOn(line *Line, now func() time.Time) *Windows {
	return &Windows{
		within: line.lanes.within, lanes: line.lanes, limiter: NewOn(line, now), clock: newRedisClock(now),
		over: newOverLimit(), hints: newHints(), orphans: newOrphans(), slices: newWindowSlices(line, now), members: newMembers(),
	}
}

// Count counts the call against each limit for itself, as Limiter.Count does.
func (w *Windows) Count(ctx context.Context, requests []Request) ([]Result, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	if err := validate(requests); err != nil {
		return nil, err
	}
	if ready := w.clock.ready(); !ready || w.clock.due() {
		// An estimate that cannot be renewed just now is good enough for a while.
		if err := w.clock.sync(ctx, w.lanes); err != nil && !ready {
			return nil, err
		}
	}
	for i := range requests {
		if requests[i].Spec.algorithm() != FixedWindow {
			return w.mixed(ctx, requests)
		}
	}
	return w.count(ctx, requests)
}

// counted is one limit of a call on its way.
type counted struct {
	key    string
	window int64 // its number since the epoch
	used   int64
	left   time.Duration // of the window
	cmd    redis.Cmder   // nil: known without asking
	kind   question
	leased bool      // it may have a slice
	slice  *slice    // nil: it has none
	at     time.Time // when that was looked for
	mine   mine
}

type question int

const (
	create question = iota // SET ... NX: not known to be in Redis
	add                    // INCRBY
	peek                   // GET
)

func (w *Windows) count(ctx context.Context, requests []Request) ([]Result, error) {
	now := w.clock.micros()
	all := make([]counted, len(requests))
	cmds := make([]redis.Cmder, 0, len(requests))
	results := make([]Result, len(requests))
	for i := range requests {
		r, c := &requests[i], &all[i]
		window := r.Spec.Window.Microseconds()
		c.window, c.left = now/window, micros(window-now%window)
		c.key = windowKey(r.Key, c.window)
		switch {
		case w.served(r, c, &results[i]):
		case w.over.has(c.key):
			c.used = r.Spec.Requests + 1
		default:
			w.question(ctx, r, c)
			cmds = append(cmds, c.cmd)
		}
	}
	if len(cmds) > 0 {
		if err := w.ask(ctx, requests, all, cmds); err != nil {
			return nil, err
		}
	}
	for i := range requests {
		if results[i].Window == 0 {
			results[i] = w.judge(&requests[i], &all[i])
		}
		if all[i].leased {
			w.asked(ctx, &requests[i], &all[i], &results[i])
		}
	}
	return results, nil
}

func windowKey(key string, index int64) string {
	var b strings.Builder
	var digits [13]byte
	number := strconv.AppendInt(digits[:0], index, 36)
	b.Grow(len(keyPrefix) + len(key) + 3 + len(number))
	b.WriteString(keyPrefix)
	b.WriteString(key)
	b.WriteString("}:c")
	b.Write(number)
	return b.String()
}

// question chooses the command. For a key that is new to Redis it sets the value and
// its end in one; for one that is there it adds. Which of them it is, is guessed.
func (w *Windows) question(ctx context.Context, r *Request, c *counted) {
	switch {
	case r.Peek:
		c.kind, c.cmd = peek, redis.NewStringCmd(ctx, "get", c.key)
	case w.hints.has(c.key):
		c.kind, c.cmd = add, redis.NewIntCmd(ctx, "incrby", c.key, r.hits())
	default:
		c.kind, c.cmd = create, redis.NewStatusCmd(ctx, "set", c.key, r.hits(), "nx", "px", w.lifetime(c.left))
	}
}

// lifetime outlasts the window by a second, since replicas' estimates of its end
// differ; and by an hour where a clock is given that does not run as Redis's does.
func (w *Windows) lifetime(left time.Duration) int64 {
	if w.clock.fixed != nil {
		left += time.Hour
	}
	return left.Milliseconds() + 1000
}

// ask sends the commands, and then what wrong guesses have left to do.
func (w *Windows) ask(ctx context.Context, requests []Request, all []counted, cmds []redis.Cmder) error {
	began := time.Now()
	if err := w.lanes.do(ctx, cmds...); err != nil {
		return err
	}
	var rest []redis.Cmder
	for i := range all {
		c := &all[i]
		if c.cmd == nil {
			continue
		}
		more, err := w.read(ctx, &requests[i], c)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if more != nil {
			rest = append(rest, more)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	// What is left of the time: the call as a whole ends within it.
	ctx, cancel := context.WithTimeout(ctx, w.within-time.Since(began))
	defer cancel()
	if err := w.second(ctx, rest); err != nil {
		return err
	}
	for i := range all {
		c := &all[i]
		if c.kind != add || c.cmd == nil {
			continue
		}
		n, err := c.cmd.(*redis.IntCmd).Result()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		c.used = n
	}
	return nil
}

// read takes the answer, and returns the command that a wrong guess needs.
func (w *Windows) read(ctx context.Context, r *Request, c *counted) (redis.Cmder, error) {
	switch c.kind {
	case create:
		return w.created(ctx, r, c)
	case add:
		used, err := c.cmd.(*redis.IntCmd).Result()
		c.used = used
		if err == nil && used == r.hits() {
			// It had gone from Redis: the counter is new, and must not stay for ever.
			return w.expiry(ctx, c), nil
		}
		return nil, err
	}
	used, err := c.cmd.(*redis.StringCmd).Int64()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	c.used = used
	return nil, err
}

// created is OK for a counter that is new, which goes without an error through the client,
// and nil for one that is there.
func (w *Windows) created(ctx context.Context, r *Request, c *counted) (redis.Cmder, error) {
	err := c.cmd.Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	w.hints.add(c.key)
	if err == nil {
		c.used = r.hits()
		return nil, nil
	}
	c.kind, c.cmd = add, redis.NewIntCmd(ctx, "incrby", c.key, r.hits())
	return c.cmd, nil
}

func (w *Windows) judge(r *Request, c *counted) Result {
	allowed := c.used <= r.Spec.Requests
	retry := time.Duration(0)
	if !allowed {
		retry = c.left
		if c.cmd != nil {
			w.over.add(c.key)
		}
	}
	return r.result(allowed, max(0, r.Spec.Requests-c.used), c.left, retry)
}
