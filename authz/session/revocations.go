package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

// Where revocations are counted and told. A message is "BEFORE SEQ WHOM".
const (
	revocationsKey = "gh:revoked"
	Channel        = "gatehouse:revoked"

	userPrefix   = "u"
	tenantPrefix = "t:"
	everybody    = "*"
)

const (
	// pollEvery is how often Run compares the count, for pushes that were lost.
	pollEvery = 250 * time.Millisecond
	// staleAfter is how old the knowledge of revocations may be. Beyond it
	// lookups read it themselves, and fail where they cannot.
	staleAfter   = 900 * time.Millisecond
	reloadWithin = 400 * time.Millisecond
	// silence is how long the subscription may say nothing before it is asked
	// whether it lives.
	silence = time.Second
)

// generations are what lookups compare sessions with. They never change.
type generations struct {
	seq     int64 // how far revocations are known
	epoch   int64
	tenants map[string]int64
	newest  int64 // of all of these
}

// floor is what a session must be born after.
func (g *generations) floor(tenant string) int64 {
	if tenant == "" {
		return g.epoch
	}
	return max(g.epoch, g.tenants[tenant])
}

// revocations know what was revoked by generation: by push, by comparing the
// count, or by reading when asked, whichever is first.
type revocations struct {
	redis  redis.UniversalClient
	cache  *cache
	counts *counts
	group  singleflight.Group
	// poll and stale are pollEvery and staleAfter; a test sets others before Run.
	poll, stale time.Duration

	known atomic.Pointer[generations]
	asOf  atomic.Int64 // ns since begin at which known was true

	mu    sync.Mutex // serialises changes of known
	begin time.Time  // monotonic: the wall clock of a test may stand still
}

func newRevocations(client redis.UniversalClient, c *cache, n *counts) *revocations {
	r := &revocations{redis: client, cache: c, counts: n, poll: pollEvery, stale: staleAfter, begin: time.Now()}
	r.asOf.Store(-int64(time.Hour))
	return r
}

// current is what is known, not older than staleAfter.
func (r *revocations) current(ctx context.Context) (*generations, error) {
	if time.Since(r.begin)-time.Duration(r.asOf.Load()) < r.stale {
		return r.known.Load(), nil
	}
	result := r.group.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadWithin)
		defer cancel()
		return r.reload(ctx)
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for Redis: %w", ctx.Err())
	case done := <-result:
		known, _ := done.Val.(*generations)
		return known, done.Err
	}
}

// reload reads all.
func (r *revocations) reload(ctx context.Context) (*generations, error) {
	asked := time.Since(r.begin)
	fields, err := r.redis.HGetAll(ctx, revocationsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", revocationsKey, err)
	}
	read := &generations{tenants: map[string]int64{}}
	for name, text := range fields {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read %s: field %.80q is no number", revocationsKey, name)
		}
		switch {
		case name == "seq":
			read.seq = n
		case name == everybody:
			read.epoch, read.newest = n, max(read.newest, n)
		case strings.HasPrefix(name, tenantPrefix):
			read.tenants[name[len(tenantPrefix):]], read.newest = n, max(read.newest, n)
		}
	}
	return r.learn(read, asked), nil
}

// learn takes what was read, unless a push has been faster. Where the count
// has moved by more than pushes told, the cache may hold what they were about.
func (r *revocations) learn(read *generations, asked time.Duration) *generations {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.known.Load()
	if before == nil || read.seq >= before.seq || r.older(asked) {
		if before != nil && read.seq != before.seq {
			r.cache.clear()
		}
		r.known.Store(read)
	}
	r.confirm(asked)
	return r.known.Load()
}

// older says whether what is known was known before that question was asked. A
// smaller count is then Redis's own: it lost what it had.
func (r *revocations) older(asked time.Duration) bool {
	return time.Duration(r.asOf.Load()) < asked
}

func (r *revocations) confirm(asked time.Duration) {
	if int64(asked) > r.asOf.Load() {
		r.asOf.Store(int64(asked))
	}
}

// compare asks for the count alone, and reads the rest if it has moved.
func (r *revocations) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadWithin)
	defer cancel()
	asked := time.Since(r.begin)
	seq, err := r.redis.HGet(ctx, revocationsKey, "seq").Int64()
	if errors.Is(err, redis.Nil) {
		seq, err = 0, nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", revocationsKey, err)
	}
	r.mu.Lock()
	known := r.known.Load()
	same := known != nil && known.seq == seq
	if same {
		r.confirm(asked)
	}
	r.mu.Unlock()
	if same {
		return nil
	}
	_, err = r.reload(ctx)
	return err
}

// heard takes a push. It is false if one before it was lost.
func (r *revocations) heard(message string) bool {
	parts := strings.SplitN(message, " ", 3)
	if len(parts) != 3 {
		return false
	}
	before, err := strconv.ParseInt(parts[0], 10, 64)
	seq, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || err2 != nil {
		return false
	}
	whom := parts[2]
	if handle, ok := strings.CutPrefix(whom, userPrefix); ok {
		r.cache.drop(handle)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.known.Load()
	switch {
	case known == nil:
		return false
	case seq <= known.seq:
		return true
	}
	next := &generations{seq: seq, epoch: known.epoch, tenants: known.tenants, newest: known.newest}
	switch {
	case whom == everybody:
		next.epoch, next.newest = seq, seq
	case strings.HasPrefix(whom, tenantPrefix):
		next.tenants = make(map[string]int64, len(known.tenants)+1)
		for tenant, n := range known.tenants {
			next.tenants[tenant] = n
		}
		next.tenants[whom[len(tenantPrefix):]], next.newest = seq, seq
	}
	if before != known.seq {
		return false // reload learns all of it
	}
	r.known.Store(next)
	return true
}

// listen hears pushes until something fails. The cache is on only meanwhile.
func (r *revocations) listen(ctx context.Context) error {
	sub := r.redis.Subscribe(ctx, Channel)
	defer func() {
		r.cache.turn(false)
		_ = sub.Close() // it has failed, or is no longer needed
	}()
	asked := false
	for ctx.Err() == nil {
		message, err := sub.ReceiveTimeout(ctx, silence)
		var timeout net.Error
		switch {
		case err != nil && errors.As(err, &timeout) && timeout.Timeout() && !asked:
			asked = true
			if err := sub.Ping(ctx); err != nil {
				return fmt.Errorf("ask whether the subscription lives: %w", err)
			}
			continue
		case err != nil:
			return fmt.Errorf("hear of revocations: %w", err)
		}
		asked = false
		if err := r.take(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

func (r *revocations) take(ctx context.Context, message any) error {
	switch message := message.(type) {
	case *redis.Subscription:
		// What happened before is read; what happens from here on is pushed.
		if _, err := r.reload(ctx); err != nil {
			return err
		}
		r.cache.turn(true)
	case *redis.Message:
		if !r.heard(message.Payload) {
			r.counts.lost()
			r.cache.clear()
			_, err := r.reload(ctx)
			return err
		}
	}
	return nil
}
