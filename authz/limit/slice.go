package limit

import (
	"sync"
	"time"
)

const (
	// A slice of a sliding window or GCRA lasts for a fiftieth of the window (GCRA: of
	// the time in which it fills up) at most, and for a second: they end at times that are
	// cellShare of it apart, or longestCell, and each at the first that is half of that
	// away.
	cellShare   = 75
	longestCell = 666_666 * time.Microsecond
	// shortestSpan is the shortest such window that has slices.
	shortestSpan = time.Second
	// usesOfCell is how often a counter must be asked for in that time for a slice to be
	// worth its round trip.
	usesOfCell = 5
	// hotWithin is how soon a counter is asked for again that gets a slice, if a cell is
	// not shorter. For one that is asked for less often, taking a slice and giving it back
	// cost more than asking.
	hotWithin = 100 * time.Millisecond
	// recallFor is how long what Redis has said of a hot counter may be said again of calls
	// that are refused.
	recallFor = 100 * time.Millisecond
	// dryFor is how long a counter that had none left for a slice is left alone.
	dryFor = 100 * time.Millisecond
)

// What Auto takes.
const (
	autoLeast = 4
	autoFirst = 16
	autoMost  = 1000
	autoShare = 16
	// leaseShare is that of a Lease in numbers.
	leaseShare = 4
)

// slice is what is known of one counter.
type slice struct {
	mu     sync.Mutex
	key    string
	window int64 // of Windows: the number of the one that the counter is of
	spec   Spec
	lease  int64
	cell   time.Duration // 0: the slices end with their windows

	left  int64
	had   int64     // left when it was taken last
	at    time.Time // when that was
	index int64     // which slice of the counter it is, as slice.lua says
	ends  time.Time

	others int64         // of the budget, what Redis had left when this was taken
	grows  time.Duration // after that, until they become more
	every  time.Duration // after which they grow once more; 0: it is not known

	taking bool  // one is on its way
	turn   int64 // how often one was
	gone   bool  // taken out of the table
	dry    time.Time
	last   time.Time // when it was asked for

	said   Result // what Redis said last
	saidAt time.Time
}

// Leasable says whether slices may serve the request.
func (r *Request) Leasable() bool {
	if r.Lease == 0 || r.Peek {
		return false
	}
	most := r.Lease
	if r.Lease == Auto {
		// Of a small limit the last hits are all that there are.
		if r.Spec.capacity() < autoShare*autoLeast {
			return false
		}
		most = autoLeast
	}
	return r.hits() <= most && r.Spec.sliceable()
}

// Watched says whether what Redis has said of the counter may be said again: not where
// each request is to be asked about, nor of what changes otherwise than by time.
func (r *Request) Watched() bool {
	switch r.Spec.algorithm() {
	case FixedWindow, TwoBucket, SlidingWindow, GCRA:
		return r.Lease != 0 && !r.Peek
	default:
		return false
	}
}

// sliceable says whether what is counted ahead can be used without more being admitted
// than without.
func (s Spec) sliceable() bool {
	switch s.algorithm() {
	case FixedWindow, TwoBucket:
		return true
	case SlidingWindow, GCRA:
		return s.span() >= shortestSpan
	default: // a quota's period is known to its caller alone; a place is given back by its name
		return false
	}
}

// span is after what time without hits a counter is as good as new.
func (s Spec) span() time.Duration {
	if s.algorithm() != GCRA {
		return s.Window
	}
	full := float64(s.capacity()) * s.interval() // µs
	return micros(int64(min(full, float64(MaxWindow.Microseconds()))))
}

// cell is the time between the ends of slices; 0 for those that end with their windows.
func (s Spec) cell() time.Duration {
	switch s.algorithm() {
	case SlidingWindow, GCRA:
		return min(s.span()/cellShare, longestCell).Truncate(2 * time.Microsecond)
	default:
		return 0
	}
}

// within says whether it may be used. The wall clock is looked at as well: the other
// one stands still while the machine sleeps.
func (l *slice) within(now time.Time) bool {
	return now.Before(l.ends) && now.Round(0).Before(l.ends.Round(0))
}

// remaining is what the holder sees: it goes down by one with each hit, until others'
// hits are known of.
func (l *slice) remaining(now time.Time) int64 {
	left := l.left + l.others
	if since := now.Sub(l.at) - l.grows; since >= 0 && l.every > 0 {
		left += 1 + int64(since/l.every)
	}
	return min(left, l.spec.capacity()-1)
}

// reset is the time until remaining grows.
func (l *slice) reset(now time.Time) time.Duration {
	until := l.grows - now.Sub(l.at)
	if until < 0 && l.every > 0 {
		until = l.every - -until%l.every
	}
	return max(until, time.Millisecond) // it has grown already: the next slice knows by how much
}

// wish is how many hits the next slice should have.
func (l *slice) wish(now time.Time) int64 {
	if l.lease != Auto {
		return l.lease
	}
	if l.had == 0 {
		return autoFirst
	}
	lasts := l.cell
	if lasts == 0 {
		lasts = idleAfter
	}
	// As many as would have been used in its time, and half as many more.
	used, took := float64(l.had-l.left), max(now.Sub(l.at), time.Millisecond)
	n := int64(used * 1.5 * lasts.Seconds() / took.Seconds())
	return min(max(n, autoLeast), min(8*l.had, autoMost))
}

// share is which part of what is left a slice may be at most, and how few hits are not
// worth one.
func (l *slice) share() (part, least int64) {
	if l.lease == Auto {
		return autoShare, autoLeast
	}
	return leaseShare, 1
}

// took notes what became of a try to take a slice, that began at a time. What cannot be
// used is returned.
func (l *slice) took(got sliced, begun, now time.Time) (back sliced) {
	if got.taken == 0 {
		l.had = 0
		l.dry = now.Add(dryFor) // others may give back theirs
		return sliced{}
	}
	if l.gone {
		return got
	}
	if got.index != l.index {
		back = sliced{taken: l.left, index: l.index}
		l.left = 0
	}
	l.index, l.ends, l.left = got.index, begun.Add(got.ends), l.left+got.taken
	l.had, l.at = l.left, begun
	l.others, l.grows, l.every = got.remains+back.taken, got.grows, 0
	if l.spec.algorithm() == GCRA {
		l.every = time.Duration(l.spec.interval() * float64(time.Microsecond))
	}
	return back
}
