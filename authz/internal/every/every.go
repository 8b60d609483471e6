// Package every does something again and again for as long as a context lasts.
//
// It promises that one turn ends before the next begins. Turns that a long one leaves no
// time for are left out.
package every

import (
	"context"
	"time"
)

// Turn does f after each period until ctx ends: when it returns no turn is under way, and
// none has begun after the end. The period is more than 0.
func Turn(ctx context.Context, period time.Duration, f func(context.Context)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if ctx.Err() == nil { // both may be ready
				f(ctx)
			}
		}
	}
}
