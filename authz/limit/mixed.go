package limit

import (
	"context"
	"sync"
)

// mixed counts each limit by its own algorithm: fixed windows as ever, all others by the
// Limiter's script, which in a Cluster takes one key at a time. They are asked at once, and none waits for the others.
func (w *Windows) mixed(ctx context.Context, requests []Request) ([]Result, error) {
	ctx, cancel := context.WithTimeout(ctx, w.within)
	defer cancel()
	var all sync.WaitGroup
	results, errs := make([]Result, len(requests)), make([]error, 0, len(requests))
	var mu sync.Mutex
	for _, group := range w.groups(requests) {
		all.Go(func() {
			part := make([]Request, len(group.at))
			for i, at := range group.at {
				part[i] = requests[at]
			}
			got, err := group.count(ctx, part)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			for i, at := range group.at {
				results[at] = got[i]
			}
		})
	}
	all.Wait()
	if len(errs) > 0 {
		w.limiter.abandon(ctx, results)
		return nil, errs[0]
	}
	return results, nil
}

// group are the requests, by number, that one question can be asked for.
type group struct {
	at    []int
	count func(context.Context, []Request) ([]Result, error)
}

func (w *Windows) groups(requests []Request) []group {
	fixed, script := group{count: w.count}, group{count: w.limiter.Count}
	var groups []group
	for i := range requests {
		switch algorithm := requests[i].Spec.algorithm(); {
		case algorithm == FixedWindow:
			fixed.at = append(fixed.at, i)
		case w.lanes.cluster != nil:
			groups = append(groups, group{at: []int{i}, count: w.limiter.Count})
		default:
			script.at = append(script.at, i)
		}
	}
	for _, g := range []group{fixed, script} {
		if len(g.at) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}
