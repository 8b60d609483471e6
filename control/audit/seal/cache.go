package seal

import (
	"container/list"
	"sync"
	"time"
)

// cache remembers the keys that were used last, for a while.
type cache struct {
	size int
	keep time.Duration
	now  func() time.Time

	mu     sync.Mutex
	byName map[string]*list.Element
	order  *list.List // of *cached, the one used last in front
	// forgotten counts the calls of forget: a key that was read from the store
	// before one of them may be a destroyed one.
	forgotten uint64
}

type cached struct {
	name  string
	key   []byte
	until time.Time
}

func newCache(size int, keep time.Duration, now func() time.Time) *cache {
	return &cache{size: size, keep: keep, now: now, byName: map[string]*list.Element{}, order: list.New()}
}

// get returns what is known of the names, and which are not.
func (c *cache) get(names []string) (found map[string][]byte, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found = make(map[string][]byte, len(names))
	now := c.now()
	for _, name := range names {
		e := c.byName[name]
		if e == nil {
			missing = append(missing, name)
			continue
		}
		k := e.Value.(*cached) //nolint:forcetypeassert // the list holds nothing else
		if !now.Before(k.until) {
			c.remove(e)
			missing = append(missing, name)
			continue
		}
		c.order.MoveToFront(e)
		found[name] = k.key
	}
	return found, missing
}

// age is to be asked before the store is read, for put.
func (c *cache) age() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgotten
}

// put remembers a key unless one was forgotten since age.
func (c *cache) put(name string, key []byte, age uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten != age {
		return
	}
	if e := c.byName[name]; e != nil {
		c.remove(e)
	}
	c.byName[name] = c.order.PushFront(&cached{name: name, key: key, until: c.now().Add(c.keep)})
	if c.order.Len() > c.size {
		c.remove(c.order.Back())
	}
}

func (c *cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	if e := c.byName[name]; e != nil {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) {
	delete(c.byName, e.Value.(*cached).name) //nolint:forcetypeassert // the list holds nothing else
	c.order.Remove(e)
}
