package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

// replica is a Manager with a cache that hears of revocations, and counts what
// it asks Redis.
type replica struct {
	*Manager
	asked atomic.Int64
}

func newReplica(t testing.TB, client redis.UniversalClient, change ...func(*Manager)) *replica {
	t.Helper()
	r := &replica{}
	client.AddHook(&counting{r: r})
	r.Manager = NewWith(client, time.Now, rand.Reader, Settings{CacheSize: 10_000})
	for _, c := range change {
		c(r.Manager)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, "the cache is on", 5*time.Second, r.cache.on.Load)
	return r
}

type counting struct{ r *replica }

func (c *counting) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if cmd.Name() == "evalsha" {
				c.r.asked.Add(1)
			}
		}
		return next(ctx, cmds)
	}
}
func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			c.r.asked.Add(1)
		}
		return next(ctx, cmd)
	}
}

// eventually waits for a condition and says how long it took.
func eventually(t testing.TB, what string, within time.Duration, holds func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Since(begun) > within {
			t.Fatalf("%s: not within %s", what, within)
		}
		<-tick.C
	}
	return time.Since(begun)
}

func (r *replica) valid(t testing.TB, token string) bool {
	t.Helper()
	_, err := r.Lookup(t.Context(), token, Demand{})
	if err != nil && !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	return err == nil
}

func TestTheCacheAnswersWithoutRedisAndOnlySaysYes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := newReplica(t, server.Client())
	grant := usual
	grant.Bind, grant.Client = BindFingerprint, Client{Fingerprint: "f"}
	token, _, err := r.Create(t.Context(), alice, grant)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(demand Demand) (questions int64, err error) {
		before := r.asked.Load()
		_, err = r.Lookup(t.Context(), token, demand)
		return r.asked.Load() - before, err
	}
	mine := Demand{Client: grant.Client}
	if n, err := ask(mine); n != 1 || err != nil {
		t.Fatalf("at first: asked %d, %v", n, err)
	}
	begun := time.Now()
	if n, err := ask(mine); err != nil || n != 0 && time.Since(begun) < cacheFor {
		t.Errorf("then: asked %d, %v", n, err)
	}
	for name, test := range map[string]struct {
		demand Demand
		want   error
	}{
		"a route that asks for it": {Demand{Client: grant.Client, Fresh: true}, nil},
		"a cap":                    {Demand{Client: grant.Client, Cap: Cap{Sessions: 1}}, nil},
		"another client":           {Demand{}, ErrBound},
		"an age":                   {Demand{Client: grant.Client, MaxAge: time.Nanosecond * 1e6}, ErrDemandAge},
	} {
		eventually(t, "a millisecond passes", time.Second, func() bool { return time.Since(begun) > 2*time.Millisecond })
		if n, err := ask(test.demand); n != 1 || !errors.Is(err, test.want) {
			t.Errorf("%s: asked %d, %v", name, n, err)
		}
	}
}

func TestAGapInTheNumbersEmptiesTheCache(t *testing.T) {
	t.Parallel()
	c := newCache(100)
	c.turn(true)
	r := newRevocations(redistest.Deaf(t), c, newCounts(nil, c.len))
	r.known.Store(&generations{seq: 5})
	for _, step := range []struct {
		message string
		told    bool
		seq     int64
		epoch   int64
	}{
		{"5 6 ux", true, 6, 0},
		{"6 7 *", true, 7, 7},
		{"7 9 t:blue", true, 9, 7},
		{"3 4 *", true, 9, 7},    // what is known already
		{"10 11 *", false, 9, 7}, // one between is missing: reload learns it
		{"nonsense", false, 9, 7},
		{"1 x y", false, 9, 7},
	} {
		if told := r.heard(step.message); told != step.told {
			t.Errorf("%q: %t", step.message, told)
		}
		if known := r.known.Load(); known.seq != step.seq || known.epoch != step.epoch {
			t.Errorf("%q: known is %+v", step.message, known)
		}
	}
	if r.known.Load().floor("blue") != 9 || r.known.Load().floor("red") != 7 {
		t.Errorf("floors: %+v", r.known.Load())
	}
}

func TestWithoutRedisTheKnowledgeOfRevocationsEndsAndLookupsFail(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := newReplica(t, server.Client())
	token, _, err := r.Create(t.Context(), alice, usual)
	if err != nil || !r.valid(t, token) {
		t.Fatal(err)
	}
	server.Stop()
	eventually(t, "lookups fail as unavailable", 3*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := r.Lookup(ctx, token, Demand{})
		return errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrInvalid)
	})
}

func TestAnAnswerThatWasUnderWayAtARevocationIsNotKept(t *testing.T) {
	t.Parallel()
	c := newCache(100)
	c.turn(true)
	at := ref{handle: "h", id: "i"}
	early := c.begin(at, true)
	c.drop("h")
	c.put(early, found{})
	if _, ok := c.get(at); ok {
		t.Error("kept")
	}
	c.put(c.begin(at, true), found{})
	if _, ok := c.get(at); !ok {
		t.Error("a later one is not kept")
	}
	c.turn(false)
	if _, ok := c.get(at); ok || c.len() != 0 {
		t.Error("a cache that is off answers")
	}
	c.turn(true)
	c.put(c.begin(at, true), found{Session: Session{Rotated: true}})
	c.put(c.begin(at, false), found{})
	if _, ok := c.get(at); ok {
		t.Error("kept what may not be")
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 640} {
		c := newCache(size)
		c.turn(true)
		for i := range 10_000 {
			at := ref{handle: fmt.Sprint(i), id: fmt.Sprint(i)}
			c.put(c.begin(at, true), found{})
		}
		if n, most := c.len(), max(size, min(size, 1)*shardCount); n > most {
			t.Errorf("size %d: it holds %d", size, n)
		}
	}
}

func TestLookupsThatComeTogetherShareABatchAndEachGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := newReplica(t, server.Client())
	const users = 300
	tokens := make([]string, users)
	for i := range tokens {
		token, _, err := r.Create(t.Context(), User{ID: fmt.Sprint(i)}, usual)
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = token
	}
	if err := server.Client().ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i, token := range tokens {
		all.Go(func() {
			s, err := r.Lookup(t.Context(), token, Demand{Fresh: true})
			if err != nil || s.User.ID != fmt.Sprint(i) {
				t.Errorf("user %d got %+v, %v", i, s.User, err)
			}
		})
	}
	all.Wait()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Lookup(gone, tokens[0], Demand{Fresh: true}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a caller who has gone: %v", err)
	}
}
