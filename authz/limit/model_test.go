package limit

import (
	"math"
	"time"
)

// model is the promise of the package comment, written down as naively as can
// be: every admitted hit is kept for ever, and each question looks at all.
type model struct {
	spec Spec
	hits []hit
}

type hit struct {
	at    time.Time
	count int64
}

func (m *model) since(from time.Time) int64 {
	var n int64
	for _, h := range m.hits {
		if h.at.After(from) {
			n += h.count
		}
	}
	return n
}

// admits says whether so many hits at now keep the promise and are not refused
// without need.
func (m *model) admits(now time.Time, hits int64) bool {
	switch m.spec.algorithm() {
	case FixedWindow:
		window := m.spec.Window.Microseconds()
		start := time.UnixMicro(now.UnixMicro() / window * window)
		return m.since(start.Add(-1))+hits <= m.spec.Requests
	case TwoBucket:
		window := m.spec.Window.Microseconds()
		start := time.UnixMicro(now.UnixMicro() / window * window)
		cur := m.since(start.Add(-1))
		prev := m.since(start.Add(-m.spec.Window-1)) - cur
		left := float64(window-now.Sub(start).Microseconds()) / float64(window)
		return math.Ceil(float64(prev)*left-1e-6)+float64(cur+hits) <= float64(m.spec.Requests)
	case Quota:
		begins, _ := m.spec.Calendar.Bounds(now)
		return m.since(begins.Add(-1))+hits <= m.spec.Requests
	case GCRA:
		return m.bucket(now)+float64(hits) <= float64(m.spec.capacity())+1e-9
	default:
		return m.since(now.Add(-m.spec.Window))+hits <= m.spec.Requests
	}
}

// bucket is the level of the leaky bucket that GCRA is equivalent to, computed
// anew from the first hit on.
func (m *model) bucket(now time.Time) float64 {
	var level float64
	last := time.Time{}
	leak := func(to time.Time) {
		if !last.IsZero() {
			level = max(0, level-float64(to.Sub(last).Microseconds())/m.spec.interval())
		}
		last = to
	}
	for _, h := range m.hits {
		leak(h.at)
		level += float64(h.count)
	}
	leak(now)
	return level
}

func (m *model) take(now time.Time, hits int64) { m.hits = append(m.hits, hit{now, hits}) }

// worst is the most that was admitted in any span of this length.
func (m *model) worst(span time.Duration) int64 {
	var worst int64
	for i := range m.hits {
		var n int64
		for _, h := range m.hits[i:] {
			if h.at.Sub(m.hits[i].at) < span {
				n += h.count
			}
		}
		worst = max(worst, n)
	}
	return worst
}
