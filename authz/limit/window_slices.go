package limit

import (
	"context"
	"time"

	"gatehouse/authz/internal/every"
)

// served takes the request from a slice, if there is one.
func (w *Windows) served(r *Request, c *counted, out *Result) bool {
	if c.leased = r.Leasable(); !c.leased {
		return false
	}
	c.at, c.slice = w.slices.now(), w.slices.find(r, c.key)
	if c.slice == nil {
		return false
	}
	served, ok := c.slice.use(r, c.at)
	c.mine = served.mine
	if ok {
		*out = served.Result
		out.Reset = c.left // as replicas tell it that hold no slice
	}
	return ok
}

// asked follows served when the request has its result.
func (w *Windows) asked(ctx context.Context, r *Request, c *counted, out *Result) {
	if !out.Allowed {
		return // it stays over until its window ends: there is nothing to take
	}
	if c.mine.held > 0 {
		c.slice.correct(c.mine, out)
	}
	w.slices.asked(ctx, r, c.slice, c.key, c.window, c.at)
}

// Run looks after slices, counters without an end and the list of replicas until ctx
// ends, and then gives all slices back.
func (w *Windows) Run(ctx context.Context) {
	every.Turn(ctx, lookAfter, func(ctx context.Context) {
		w.slices.sweep(ctx, w.slices.now(), idleAfter)
		w.adopt(ctx, time.Now())
		w.hear(ctx)
		w.members.tell(ctx, w.lanes)
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	w.slices.sweep(last, w.slices.now(), 0)
	w.members.leave(last, w.lanes)
}
