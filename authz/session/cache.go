package session

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// cacheFor is how old an entry may be before Redis is asked again. It is the
// bound that holds when a push is lost.
const cacheFor = 950 * time.Millisecond

const shardCount = 64

// MaxCacheSize bounds Settings.CacheSize; an entry takes about half a kilobyte.
const MaxCacheSize = 1_000_000

// cache holds sessions that were found live a moment ago. It only ever says yes;
// all else is asked of Redis. A user's sessions share a shard.
type cache struct {
	on     atomic.Bool
	seed   maphash.Seed
	each   int // entries a shard; 0: no cache
	keep   time.Duration
	epoch  time.Time
	shards [shardCount]shard
}

type shard struct {
	mu      sync.Mutex
	entries map[string]entry
	// version counts what was dropped, so that an answer that was under way then
	// is not kept.
	version uint64
}

// entry is short, so that looking for room reads few lines of memory. What it
// points to never changes.
type entry struct {
	found  *found
	handle string
	asked  time.Duration
}

// ticket is the right to keep an answer, of a question asked now.
type ticket struct {
	at      ref
	asked   time.Duration
	version uint64
	valid   bool
}

func newCache(size int) *cache {
	c := &cache{seed: maphash.MakeSeed(), epoch: time.Now(), keep: cacheFor}
	if size > 0 {
		c.each = max(1, min(size, MaxCacheSize)/shardCount)
	}
	for i := range c.shards {
		c.shards[i].entries = map[string]entry{}
	}
	return c
}

func (c *cache) shard(handle string) *shard {
	return &c.shards[maphash.String(c.seed, handle)%shardCount]
}

func (c *cache) get(at ref) (found, bool) {
	if c.each == 0 || !c.on.Load() {
		return found{}, false
	}
	s := c.shard(at.handle)
	s.mu.Lock()
	e, ok := s.entries[at.id]
	s.mu.Unlock()
	if !ok || time.Since(c.epoch)-e.asked >= c.keep {
		return found{}, false
	}
	return *e.found, true
}

// begin is called before the question is asked; wanted says whether its answer
// may be kept at all.
func (c *cache) begin(at ref, wanted bool) ticket {
	if !wanted || c.each == 0 || !c.on.Load() {
		return ticket{}
	}
	s := c.shard(at.handle)
	s.mu.Lock()
	defer s.mu.Unlock()
	return ticket{at: at, asked: time.Since(c.epoch), version: s.version, valid: true}
}

func (c *cache) put(t ticket, f found) {
	if !t.valid || f.Rotated || !c.on.Load() {
		return
	}
	s := c.shard(t.at.handle)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != t.version {
		return
	}
	if _, known := s.entries[t.at.id]; !known && len(s.entries) >= c.each {
		s.makeRoom(time.Since(c.epoch), c.keep)
	}
	s.entries[t.at.id] = entry{found: &f, handle: t.at.handle, asked: t.asked}
}

// makeRoom looks at a few entries, in the map's random order, and drops those
// that are too old to be used, at least the oldest.
func (s *shard) makeRoom(now, keep time.Duration) {
	const look = 8
	oldest, age, seen := "", time.Duration(-1), 0
	for id, e := range s.entries {
		if now-e.asked >= keep {
			delete(s.entries, id)
			oldest, age = "", keep
		} else if now-e.asked > age {
			oldest, age = id, now-e.asked
		}
		if seen++; seen == look {
			break
		}
	}
	if oldest != "" {
		delete(s.entries, oldest)
	}
}

// drop forgets a user, and what is under way of them.
func (c *cache) drop(handle string) {
	if c.each == 0 {
		return
	}
	s := c.shard(handle)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	for id, e := range s.entries {
		if e.handle == handle {
			delete(s.entries, id)
		}
	}
}

func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.version++
		clear(s.entries)
		s.mu.Unlock()
	}
}

// turn switches the cache; what it held while nobody listened counts no more.
func (c *cache) turn(on bool) {
	if c.on.Swap(on) != on {
		c.clear()
	}
}

func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}
