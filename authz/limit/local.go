package limit

import (
	"container/list"
	"sync"
	"time"
)

// DefaultLocalBudget bounds what a Local remembers to some 10 MB.
const DefaultLocalBudget = 200_000

// keyCost is what a counter costs beside the requests that it remembers.
const keyCost = 8

// Local counts in this process alone, with the same promises, for the time in
// which Redis cannot be asked. N replicas admit up to N times the limit. Its
// memory is bounded: beyond the budget the counter that was idle for longest is
// forgotten, and its client starts anew. It knows nothing of what ends: of a Concurrency
// limit it admits as many as there are places in each Window, which is less. It is safe for concurrent use.
type Local struct {
	mu       sync.Mutex
	now      func() time.Time
	budget   int
	spent    int
	counters map[string]*list.Element
	recent   *list.List // of *entry, most recently used first
}

type entry struct {
	key     string
	counter counter
	cost    int
}

// counter is one algorithm's memory of one key.
type counter interface {
	forget(now int64, s Spec)
	fits(now int64, s Spec, hits int64) bool
	take(now int64, s Spec, hits int64)
	remaining(now int64, s Spec) int64
	reset(now int64, s Spec) int64
	retry(now int64, s Spec, hits int64) int64
	size() int
}

// NewLocal returns a Local that remembers at most budget requests and counters
// together (a counter weighs as much as 8 requests).
func NewLocal(budget int, now func() time.Time) *Local {
	return &Local{now: now, budget: budget, counters: map[string]*list.Element{}, recent: list.New()}
}

// Admit does what Limiter.Admit does. The error is ErrSpec.
func (l *Local) Admit(requests []Request) ([]Result, error) { return l.run(requests, false) }

// Count counts the call against each limit for itself, and only where it admits the
// call. The error is ErrSpec.
func (l *Local) Count(requests []Request) ([]Result, error) { return l.run(requests, true) }

func (l *Local) run(requests []Request, each bool) ([]Result, error) {
	if err := validate(requests); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	requests = prepared(requests, l.now)
	now := l.now().UnixMicro()
	taken := map[string]int64{}
	allowed := make([]bool, len(requests))
	admitted := true
	for i, r := range requests {
		key := r.redisKey()
		c := l.counter(key, r.Spec).counter
		c.forget(now, r.Spec)
		allowed[i] = c.fits(now, r.Spec, taken[key]+r.hits())
		if allowed[i] && !r.Peek {
			taken[key] += r.hits()
		} else if !allowed[i] && !r.Shadow {
			admitted = false
		}
	}
	if admitted || each {
		l.take(now, requests, allowed)
	}
	return l.results(now, requests, allowed), nil
}

func (l *Local) take(now int64, requests []Request, allowed []bool) {
	for i, r := range requests {
		if allowed[i] && !r.Peek {
			l.counter(r.redisKey(), r.Spec).counter.take(now, r.Spec, r.hits())
		}
	}
}

func (l *Local) results(now int64, requests []Request, allowed []bool) []Result {
	out := make([]Result, len(requests))
	for i, r := range requests {
		c := l.counter(r.redisKey(), r.Spec).counter
		var retry time.Duration
		if !allowed[i] {
			retry = r.Spec.Window
			if r.hits() <= r.Spec.capacity() {
				retry = min(retry, micros(max(0, c.retry(now, r.Spec, r.hits()))))
			}
		}
		r.id = "" // there is nothing to release here
		out[i] = r.result(allowed[i], max(0, c.remaining(now, r.Spec)), micros(max(0, c.reset(now, r.Spec))), retry)
	}
	for _, r := range requests {
		l.weigh(r.redisKey())
	}
	l.shrink()
	return out
}

func (l *Local) counter(key string, s Spec) *entry {
	if e, ok := l.counters[key]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*entry)
	}
	e := &entry{key: key}
	switch s.algorithm() {
	case FixedWindow:
		e.counter = &fixedCounter{}
	case GCRA:
		e.counter = &gcraCounter{}
	case TwoBucket:
		e.counter = &bucketPair{}
	case Quota:
		e.counter = &quotaCounter{}
	default:
		e.counter = &slidingCounter{}
	}
	l.counters[key] = l.recent.PushFront(e)
	return e
}

func (l *Local) weigh(key string) {
	e := l.counters[key].Value.(*entry)
	cost := keyCost + e.counter.size()
	l.spent += cost - e.cost
	e.cost = cost
}

func (l *Local) shrink() {
	for l.spent > l.budget {
		last := l.recent.Back()
		if last == nil {
			return
		}
		e := l.recent.Remove(last).(*entry)
		delete(l.counters, e.key)
		l.spent -= e.cost
	}
}

// Share is what one of n replicas admits alone so that all together never admit more
// than s does, rounded down: a limit smaller than n admits nothing.
func (s Spec) Share(n int64) Spec {
	n = max(1, n)
	s.Requests /= n
	if s.Burst > 0 {
		if s.Burst /= n; s.Burst == 0 {
			s.Requests = 0
		}
	}
	return s
}
