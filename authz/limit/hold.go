package limit

import (
	"context"
	"crypto/rand"
	_ "embed" // for hold.lua
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed hold.lua
var holdSource string

// MaxHeld is the most places that a Concurrency limit has, and the most hits that one
// call takes of it: each is remembered.
const MaxHeld = 10_000

// ErrHold is in the chain of an error that says that a Hold is not one of ours.
var ErrHold = errors.New("not a place of a concurrency limit")

// Hold is a place of a Concurrency limit that a call has taken; the zero value is none.
// It is free again when it is released, or when the limit's Window has passed.
type Hold struct {
	Key  string // the limit's counter
	ID   string // 130 random bits
	Hits int64
}

// Held says whether it is one.
func (h Hold) Held() bool { return h.ID != "" }

// String is the Hold as text of printable ASCII, for ParseHold.
func (h Hold) String() string { return strconv.FormatInt(h.Hits, 10) + " " + h.ID + " " + h.Key }

// ParseHold reads what String wrote. The error is ErrHold.
func ParseHold(text string) (Hold, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 || len(parts[1]) != len(rand.Text()) || parts[2] == "" || len(parts[2]) > maxKey {
		return Hold{}, fmt.Errorf("%w: %.40q", ErrHold, text)
	}
	hits, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || hits < 1 || hits > MaxHeld || strings.ContainsAny(parts[2], "{}") {
		return Hold{}, fmt.Errorf("%w: %.40q", ErrHold, text)
	}
	return Hold{Key: parts[2], ID: parts[1], Hits: hits}, nil
}

type holds struct {
	script *redis.Script
	now    func() time.Time
}

func newHolds(now func() time.Time) *holds {
	return &holds{script: redis.NewScript(holdSource), now: now}
}

func holdKey(key string) string { return keyPrefix + key + "}:h" }

// hold takes places for each request, one after the other.
func (w *Windows) hold(ctx context.Context, requests []Request) ([]Result, error) {
	results := make([]Result, 0, len(requests))
	for i := range requests {
		r := &requests[i]
		hold := Hold{Key: r.Key, ID: rand.Text(), Hits: r.hits()}
		n, err := w.holds.take(ctx, w.lanes.do, r, hold.ID)
		if err != nil {
			w.release(ctx, results)
			return nil, err
		}
		out := r.result(n[0] == 1, n[1], micros(n[2]), micros(n[3]))
		if out.Allowed && hold.Hits > 0 {
			out.Hold = hold
		}
		results = append(results, out)
	}
	return results, nil
}

func (h *holds) take(ctx context.Context, do doing, r *Request, id string) ([]int64, error) {
	now := int64(0)
	if h.now != nil {
		now = h.now().UnixMicro()
	}
	arguments := []any{1, holdKey(r.Key), now, r.Spec.Requests, r.Spec.Window.Microseconds(), r.hits(), id}
	cmd := redis.NewCmd(ctx, append([]any{"evalsha", h.script.Hash()}, arguments...)...)
	if err := do(ctx, cmd); err != nil {
		return nil, err
	}
	if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		cmd = redis.NewCmd(ctx, append([]any{"eval", holdSource}, arguments...)...)
		if err := do(ctx, cmd); err != nil {
			return nil, err
		}
	}
	n, err := cmd.Int64Slice()
	if err == nil && len(n) != 4 {
		err = fmt.Errorf("the script answered %d numbers", len(n))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return n, nil
}

// Release gives places back, as often as it is told to: the second time does nothing.
// After an error they are free when their time has run out.
func (w *Windows) Release(ctx context.Context, holds ...Hold) error {
	var cmds []redis.Cmder
	for _, h := range holds {
		if !h.Held() {
			continue
		}
		args := []any{"zrem", holdKey(h.Key)}
		for i := range h.Hits {
			args = append(args, h.ID+":"+strconv.FormatInt(i+1, 10))
		}
		cmds = append(cmds, redis.NewIntCmd(ctx, args...))
	}
	if len(cmds) == 0 {
		return nil
	}
	if err := w.lanes.do(ctx, cmds...); err != nil {
		return err
	}
	var errs []error
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrUnavailable, cmd.Err()))
		}
	}
	return errors.Join(errs...)
}

// release is for a call that comes to nothing.
func (w *Windows) release(ctx context.Context, results []Result) {
	var held []Hold
	for _, r := range results {
		held = append(held, r.Hold)
	}
	_ = w.Release(context.WithoutCancel(ctx), held...) // else their time runs out
}
