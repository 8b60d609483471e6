package limit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shards       = 64
	overPerShard = 1024
	hintSlots    = 1 << 14
)

// overLimit remembers the counters that are over their limit: a fixed window that is
// will stay so until it ends, and its end gives the counter another name. What it
// forgets (it remembers 65,536 to 131,072) is asked of Redis again.
type overLimit struct {
	seed   maphash.Seed
	shards [shards]overShard
}

type overShard struct {
	sync.RWMutex
	young, old map[string]struct{}
}

func (o *overLimit) shard(key string) *overShard {
	return &o.shards[maphash.String(o.seed, key)%shards]
}

func newOverLimit() *overLimit { return &overLimit{seed: maphash.MakeSeed()} }

func (o *overLimit) has(key string) bool {
	s := o.shard(key)
	s.RLock()
	defer s.RUnlock()
	if _, ok := s.young[key]; ok {
		return true
	}
	_, ok := s.old[key]
	return ok
}

func (o *overLimit) add(key string) {
	s := o.shard(key)
	s.Lock()
	defer s.Unlock()
	if s.young == nil || len(s.young) >= overPerShard {
		s.old, s.young = s.young, map[string]struct{}{}
	}
	s.young[key] = struct{}{}
}

// hints guesses which counters are in Redis already. A wrong guess costs a round
// trip, never a count.
type hints struct {
	seed  maphash.Seed
	slots [hintSlots]atomic.Uint64
}

func newHints() *hints { return &hints{seed: maphash.MakeSeed()} }

func (h *hints) has(key string) bool {
	sum := maphash.String(h.seed, key)
	return h.slots[sum%hintSlots].Load() == sum
}

func (h *hints) add(key string) {
	sum := maphash.String(h.seed, key)
	h.slots[sum%hintSlots].Store(sum)
}

// recent guesses when counters were asked for last, in memory that does not grow with
// their number. A wrong guess costs round trips, never a count.
type recent struct {
	seed  maphash.Seed
	start time.Time
	slots [hintSlots]struct {
		key atomic.Uint64
		at  atomic.Int64 // ns since start
	}
}

func newRecent(start time.Time) *recent { return &recent{seed: maphash.MakeSeed(), start: start} }

// again notes that the counter is asked for, and says whether it was within that time
// before.
func (h *recent) again(key string, now time.Time, within time.Duration) bool {
	sum := maphash.String(h.seed, key)
	slot := &h.slots[sum%hintSlots]
	at := int64(now.Sub(h.start))
	known := slot.key.Swap(sum) == sum
	before := slot.at.Swap(at)
	return known && at-before < int64(within)
}
