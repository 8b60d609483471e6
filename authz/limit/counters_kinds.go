package limit

import "math"

// bucketPair is the number of hits in the window of that index, and in the one before.
type bucketPair struct{ index, cur, prev int64 }

func (c *bucketPair) forget(now int64, s Spec) {
	switch index := now / s.Window.Microseconds(); {
	case index == c.index+1:
		c.index, c.cur, c.prev = index, 0, c.cur
	case index > c.index:
		c.index, c.cur, c.prev = index, 0, 0
	}
}

func (c *bucketPair) into(now int64, s Spec) float64 {
	return float64(max(0, now-c.index*s.Window.Microseconds()))
}

// before is what the window before still counts, rounded up.
func (c *bucketPair) before(now int64, s Spec) int64 {
	window := float64(s.Window.Microseconds())
	return int64(math.Ceil(float64(c.prev) * (window - c.into(now, s)) / window))
}

func (c *bucketPair) fits(now int64, s Spec, hits int64) bool {
	return c.before(now, s)+c.cur+hits <= s.capacity()
}

func (c *bucketPair) take(_ int64, _ Spec, hits int64) { c.cur += hits }

func (c *bucketPair) remaining(now int64, s Spec) int64 {
	return s.capacity() - c.before(now, s) - c.cur
}

func (c *bucketPair) reset(now int64, s Spec) int64 {
	left := s.Window.Microseconds() - int64(c.into(now, s))
	switch before := c.before(now, s); {
	case before > 0:
		return left - share(before-1, s, c.prev)
	case c.cur > 0:
		return left + int64(math.Ceil(float64(s.Window.Microseconds())/float64(c.cur)))
	default:
		return 0
	}
}

func (c *bucketPair) retry(now int64, s Spec, hits int64) int64 {
	left := s.Window.Microseconds() - int64(c.into(now, s))
	if room := s.capacity() - hits - c.cur; room >= 0 {
		return left - share(room, s, c.prev)
	}
	return left + s.Window.Microseconds() - share(s.capacity()-hits, s, c.cur)
}

// share is the part of a window in which so many of so many hits came, if they came evenly.
func share(hits int64, s Spec, of int64) int64 {
	return int64(math.Floor(float64(hits) * float64(s.Window.Microseconds()) / float64(of)))
}

func (c *bucketPair) size() int { return 0 }

// quotaCounter is the number of hits in the period that ends then.
type quotaCounter struct{ ends, used int64 }

func (c *quotaCounter) forget(_ int64, s Spec) {
	if s.ends > c.ends {
		c.ends, c.used = s.ends, 0
	}
}

func (c *quotaCounter) fits(_ int64, s Spec, hits int64) bool { return c.used+hits <= s.capacity() }
func (c *quotaCounter) take(_ int64, _ Spec, hits int64)      { c.used += hits }
func (c *quotaCounter) remaining(_ int64, s Spec) int64       { return s.capacity() - c.used }
func (c *quotaCounter) reset(now int64, _ Spec) int64         { return c.ends - now }

func (c *quotaCounter) retry(now int64, s Spec, _ int64) int64 { return c.reset(now, s) }
func (c *quotaCounter) size() int                              { return 0 }
