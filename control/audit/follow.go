package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/event"
)

// pollEvery is how often Follow looks for a new checkpoint.
const pollEvery = 100 * time.Millisecond

// Follow calls fn for each event that is appended to the log in dir from now
// on, until fn or ctx ends it. It waits for a log that is not there yet. ready is
// called first, when everything from then on is sure to reach fn.
func Follow(ctx context.Context, dir string, ready func() error, fn func(event.Event) error) error {
	next, err := publishedSize(dir)
	if err != nil && !errors.Is(err, ErrNoLog) {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if next, err = more(ctx, dir, next, fn); err != nil {
			if ctx.Err() != nil {
				return nil // interrupted, as asked
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// more gives fn what the checkpoint commits to from next on.
func more(ctx context.Context, dir string, next uint64, fn func(event.Event) error) (uint64, error) {
	size, err := publishedSize(dir)
	if errors.Is(err, ErrNoLog) {
		return next, nil
	}
	if err != nil {
		return next, err
	}
	if size < next {
		return next, fmt.Errorf("the audit log in %s had %d entries and has %d: it was rolled back or replaced", dir, next, size)
	}
	err = scan(ctx, dir, next, size, func(leaf uint64, e event.Event) error {
		next = leaf + 1
		return fn(e)
	})
	return next, err
}
