package limit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// MaxHeld is the most places that a Concurrency limit has, and the most hits that one
// call takes of it: each is remembered.
const MaxHeld = 10_000

// ErrHold is in the chain of an error that says that a Hold is not one of ours.
var ErrHold = errors.New("not a place of a concurrency limit")

// Hold is a place of a Concurrency limit that a call has taken; the zero value is none.
// It is free again when it is released, or when the limit's Window has passed.
type Hold struct {
	Key  string // the limit's counter, as Refusals names it
	ID   string // 130 random bits
	Hits int64
}

// Held says whether it is one.
func (h Hold) Held() bool { return h.ID != "" }

// String is the Hold as text of printable ASCII, for ParseHold.
func (h Hold) String() string { return strconv.FormatInt(h.Hits, 10) + " " + h.ID + " " + h.Key }

// MaxHolds is the most places that WriteHolds writes of, and ParseHolds reads.
const MaxHolds = 64

// WriteHolds is the Holds as text, for ParseHolds.
func WriteHolds(holds []Hold) string {
	texts := make([]string, 0, len(holds))
	for _, h := range holds[:min(len(holds), MaxHolds)] {
		texts = append(texts, h.String())
	}
	return strings.Join(texts, ",")
}

// ParseHolds reads what WriteHolds wrote. The error is ErrHold, and then there is none.
func ParseHolds(text string) ([]Hold, error) {
	var holds []Hold
	for part := range strings.SplitSeq(text, ",") {
		h, err := ParseHold(part)
		if err == nil && len(holds) == MaxHolds {
			err = fmt.Errorf("%w: more than %d", ErrHold, MaxHolds)
		}
		if err != nil {
			return nil, err
		}
		holds = append(holds, h)
	}
	return holds, nil
}

// ParseHold reads what String wrote. The error is ErrHold.
func ParseHold(text string) (Hold, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 || len(parts[1]) != len(rand.Text()) || parts[2] == "" || len(parts[2]) > 2*maxKey+1 {
		return Hold{}, fmt.Errorf("%w: %.40q", ErrHold, text)
	}
	hits, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || hits < 1 || hits > MaxHeld || strings.ContainsAny(parts[2], "{}") {
		return Hold{}, fmt.Errorf("%w: %.40q", ErrHold, text)
	}
	return Hold{Key: parts[2], ID: parts[1], Hits: hits}, nil
}

func (h Hold) redisKey() string { return named(h.Key, Spec{Algorithm: Concurrency}).redisKey() }

// Release gives places back, as often as it is told to: the second time does nothing.
// After an error they are free when their time has run out.
func (l *Limiter) Release(ctx context.Context, holds ...Hold) error {
	var cmds []redis.Cmder
	for _, h := range holds {
		if !h.Held() {
			continue
		}
		args := []any{"zrem", h.redisKey()}
		for i := range h.Hits {
			args = append(args, h.ID+":"+strconv.FormatInt(i+1, 10))
		}
		cmds = append(cmds, redis.NewIntCmd(ctx, args...))
	}
	if len(cmds) == 0 {
		return nil
	}
	if err := l.line.lanes.do(ctx, cmds...); err != nil {
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

// Release is the Limiter's.
func (w *Windows) Release(ctx context.Context, holds ...Hold) error {
	return w.limiter.Release(ctx, holds...)
}

// abandon is for a call that comes to nothing.
func (l *Limiter) abandon(ctx context.Context, results []Result) {
	var held []Hold
	for i := range results {
		held = append(held, results[i].Hold)
	}
	_ = l.Release(context.WithoutCancel(ctx), held...) // else their time runs out
}
