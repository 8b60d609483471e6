package limit

import "math"

// All times here are in µs since the Unix epoch, as in limit.lua.

// slidingCounter is the log of admitted hits, oldest first, as runs of equal
// time: a call with many hits costs no more memory than one with a single hit.
type slidingCounter struct {
	runs []run
	used int64
}

type run struct{ at, hits int64 }

func (c *slidingCounter) forget(now int64, s Spec) {
	edge := now - s.Window.Microseconds()
	gone := 0
	for gone < len(c.runs) && c.runs[gone].at <= edge {
		c.used -= c.runs[gone].hits
		gone++
	}
	if gone > 0 {
		c.runs = append(c.runs[:0], c.runs[gone:]...)
	}
}

func (c *slidingCounter) fits(_ int64, s Spec, hits int64) bool { return c.used+hits <= s.capacity() }

func (c *slidingCounter) take(now int64, _ Spec, hits int64) {
	if n := len(c.runs); n > 0 {
		// A clock set back must not put a younger entry before an older one.
		now = max(now, c.runs[n-1].at)
	}
	c.runs = append(c.runs, run{now, hits})
	c.used += hits
}

func (c *slidingCounter) remaining(_ int64, s Spec) int64 { return s.capacity() - c.used }

func (c *slidingCounter) reset(now int64, s Spec) int64 { return c.frees(now, s, 1) }

func (c *slidingCounter) retry(now int64, s Spec, hits int64) int64 {
	return c.frees(now, s, c.used+hits-s.capacity())
}

// frees is the time until so many hits have left the window.
func (c *slidingCounter) frees(now int64, s Spec, hits int64) int64 {
	for _, r := range c.runs {
		if hits -= r.hits; hits <= 0 {
			return r.at + s.Window.Microseconds() - now
		}
	}
	return 0
}

func (c *slidingCounter) size() int { return 2 * len(c.runs) }

// fixedCounter is the number of hits in the window of that index.
type fixedCounter struct{ index, used int64 }

func (c *fixedCounter) forget(now int64, s Spec) {
	if index := now / s.Window.Microseconds(); index > c.index {
		c.index, c.used = index, 0
	}
}

func (c *fixedCounter) fits(_ int64, s Spec, hits int64) bool { return c.used+hits <= s.capacity() }
func (c *fixedCounter) take(_ int64, _ Spec, hits int64)      { c.used += hits }
func (c *fixedCounter) remaining(_ int64, s Spec) int64       { return s.capacity() - c.used }

func (c *fixedCounter) reset(now int64, s Spec) int64 {
	return (c.index+1)*s.Window.Microseconds() - now
}

func (c *fixedCounter) retry(now int64, s Spec, _ int64) int64 { return c.reset(now, s) }
func (c *fixedCounter) size() int                              { return 0 }

// gcraCounter is the theoretical arrival time of the next request.
type gcraCounter struct{ tat float64 }

func (c *gcraCounter) forget(now int64, _ Spec) { c.tat = max(c.tat, float64(now)) }

func (c *gcraCounter) fits(now int64, s Spec, hits int64) bool {
	return hits <= s.capacity() && c.tat+float64(hits)*s.interval()-float64(now) <= float64(s.capacity())*s.interval()
}

func (c *gcraCounter) take(_ int64, s Spec, hits int64) { c.tat += float64(hits) * s.interval() }

func (c *gcraCounter) remaining(now int64, s Spec) int64 {
	if s.Requests == 0 {
		return 0
	}
	return int64(math.Floor((float64(s.capacity())*s.interval() - (c.tat - float64(now))) / s.interval()))
}

func (c *gcraCounter) reset(now int64, s Spec) int64 {
	if c.tat <= float64(now) {
		return 0
	}
	pending := float64(s.capacity()-c.remaining(now, s)-1) * s.interval()
	return int64(math.Ceil(c.tat - float64(now) - pending))
}

func (c *gcraCounter) retry(now int64, s Spec, hits int64) int64 {
	return int64(math.Ceil(c.tat + float64(hits-s.capacity())*s.interval() - float64(now)))
}

func (c *gcraCounter) size() int { return 0 }
