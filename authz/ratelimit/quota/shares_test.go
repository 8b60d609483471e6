package quota

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/internal/redistest"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newShares(t *testing.T) (*Shares, *clock) {
	t.Helper()
	c := &clock{now: time.Unix(1_800_000_000, 0)}
	return NewShares(redistest.Start(t).Client(), c.Now), c
}

func deal(t *testing.T, s *Shares, holder string, limit uint32, demand uint64) uint32 {
	t.Helper()
	share, err := s.Deal(t.Context(), "b", holder, limit, demand, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return share
}

// TestTheSharesInForceAreNeverMoreThanTheLimit lets holders come, ask, go and die
// at random, and keeps a second account.
func TestTheSharesInForceAreNeverMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 100
	s, c := newShares(t)
	random := rand.New(rand.NewPCG(1, 2))
	type held struct {
		share   uint32
		expires time.Time
	}
	account := map[string]held{}
	for step := range 3000 {
		holder := fmt.Sprint(random.IntN(12))
		switch random.IntN(10) {
		case 0:
			if err := s.Return(t.Context(), "b", holder); err != nil {
				t.Fatal(err)
			}
			delete(account, holder)
		case 1:
			c.pass(time.Duration(random.IntN(20)) * time.Second)
		default:
			life := time.Duration(1+random.IntN(60)) * time.Second
			share, err := s.Deal(t.Context(), "b", holder, limit, uint64(random.IntN(1000)), life)
			if err != nil {
				t.Fatal(err)
			}
			account[holder] = held{share, c.Now().Add(life)}
		}
		sum := uint32(0)
		for _, h := range account {
			if h.expires.After(c.Now()) {
				sum += h.share
			}
		}
		if sum > limit {
			t.Fatalf("step %d: shares of %d are in force", step, sum)
		}
	}
}

func TestOneHolderGetsAllAndTwoGetWhatIsAskedOfThem(t *testing.T) {
	t.Parallel()
	s, _ := newShares(t)
	if got := deal(t, s, "a", 100, 0); got != 100 {
		t.Errorf("alone: %d", got)
	}
	if got := deal(t, s, "b", 100, 300); got != 0 {
		t.Errorf("before the other gave anything back: %d", got)
	}
	deal(t, s, "a", 100, 100) // its next report: a quarter of all that is asked
	deal(t, s, "b", 100, 300)
	if a, b := deal(t, s, "a", 100, 100), deal(t, s, "b", 100, 300); a != 25 || b != 75 {
		t.Errorf("%d and %d, want 25 and 75", a, b)
	}
	if quiet := deal(t, s, "a", 100, 0); quiet != 5 {
		t.Errorf("who asks for nothing keeps %d, want 5 to begin with", quiet)
	}
}

func TestAShareThatIsNotAskedForAgainIsFree(t *testing.T) {
	t.Parallel()
	s, c := newShares(t)
	deal(t, s, "a", 10, 5)
	c.pass(time.Minute)
	if got := deal(t, s, "b", 10, 5); got != 10 {
		t.Errorf("after its expiry: %d", got)
	}
	if err := s.Return(t.Context(), "b", "b"); err != nil {
		t.Fatal(err)
	}
	if got := deal(t, s, "c", 10, 5); got != 10 {
		t.Errorf("after it was given back: %d", got)
	}
}

func TestALongShareOutlivesAShortOne(t *testing.T) {
	t.Parallel()
	s := NewShares(redistest.Start(t).Client(), nil) // Redis's clock, and its expiry of keys
	if _, err := s.Deal(t.Context(), "b", "long", 10, 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deal(t.Context(), "b", "short", 10, 1, time.Second); err != nil {
		t.Fatal(err)
	}
	if ttl := s.redis.PTTL(t.Context(), "gatehouse:quota:b").Val(); ttl < 59*time.Minute {
		t.Errorf("all shares end in %s", ttl)
	}
}

func TestWithoutRedisNothingIsDealtOut(t *testing.T) {
	t.Parallel()
	s, _ := newShares(t)
	if err := s.redis.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deal(t.Context(), "b", "a", 10, 1, time.Minute); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
