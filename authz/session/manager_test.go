package session

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
)

// house is a Manager on a Redis of its own, with a clock that stands still.
type house struct {
	*Manager
	t      *testing.T
	client *redis.Client
	server *redistest.Server
	mu     sync.Mutex
	at     time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	server := redistest.Start(t)
	h := &house{t: t, server: server, client: server.Client(), at: time.Now().Truncate(time.Millisecond)}
	h.Manager = New(h.client, h.clock, rand.Reader)
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

var (
	alice = User{ID: "u-1", Name: "Alice"}
	bob   = User{ID: "u-2", Name: "Bob"}
	usual = Grant{Idle: 30 * time.Minute, Absolute: 12 * time.Hour}
)

func (h *house) signIn(user User, grant Grant) (string, Session) {
	h.t.Helper()
	token, s, err := h.Create(context.Background(), user, grant)
	if err != nil {
		h.t.Fatal(err)
	}
	return token, s
}

func (h *house) expect(token string, demand Demand, want error) Session {
	h.t.Helper()
	s, err := h.Lookup(context.Background(), token, demand)
	if !errors.Is(err, want) {
		h.t.Fatalf("lookup: %v, want %v", err, want)
	}
	if want != nil && !errors.Is(err, ErrInvalid) {
		h.t.Fatalf("%v is not ErrInvalid", err)
	}
	return s
}

func TestASessionIsFoundAsItWasGranted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	grant := usual
	grant.AMR, grant.Device = []string{"pwd", "otp"}, "Firefox on a desk"
	grant.AuthTime = h.clock().Add(-time.Minute)
	token, created := h.signIn(alice, grant)
	h.advance(time.Minute)
	found := h.expect(token, Demand{}, nil)
	if found.ID != created.ID || found.User != alice || found.Device != grant.Device || strings.Join(found.AMR, ",") != "pwd,otp" {
		t.Errorf("found %+v", found)
	}
	for name, times := range map[string][2]time.Time{
		"created":   {found.Created, created.Created},
		"last seen": {found.LastSeen, h.clock()},
		"expires":   {found.Expires, created.Created.Add(usual.Absolute)},
		"auth time": {found.AuthTime, grant.AuthTime},
	} {
		if !times[0].Equal(times[1]) {
			t.Errorf("%s: %s, want %s", name, times[0], times[1])
		}
	}
	if found.Idle != usual.Idle || !found.ExpiresAt().Equal(h.clock().Add(usual.Idle)) {
		t.Errorf("idle %s, ends at %s", found.Idle, found.ExpiresAt())
	}
}

func TestHowASessionEnds(t *testing.T) {
	t.Parallel()
	day := Grant{Idle: time.Hour, Absolute: 3 * time.Hour}
	for _, test := range []struct {
		name   string
		steps  []time.Duration // a use after each, which must succeed
		last   time.Duration
		demand Demand
		want   error
	}{
		{"just within its idle limit it lives", nil, time.Hour - time.Millisecond, Demand{}, nil},
		{"at its idle limit it ends", nil, time.Hour, Demand{}, ErrExpiredIdle},
		{"each use starts the idle limit anew", []time.Duration{50 * time.Minute, 50 * time.Minute}, 59 * time.Minute, Demand{}, nil},
		{"at its absolute limit it ends, however busy",
			[]time.Duration{50 * time.Minute, 50 * time.Minute, 50 * time.Minute}, 30 * time.Minute, Demand{}, ErrExpiredAbsolute},
		{"just before its absolute limit it lives",
			[]time.Duration{50 * time.Minute, 50 * time.Minute, 50 * time.Minute}, 30*time.Minute - time.Millisecond, Demand{}, nil},
		{"a policy's idle time within is fine", nil, 59 * time.Second, Demand{MaxIdle: time.Minute}, nil},
		{"a policy's idle time beyond is refused", nil, time.Minute, Demand{MaxIdle: time.Minute}, ErrDemandIdle},
		{"a policy's age within is fine", []time.Duration{30 * time.Minute}, 29 * time.Minute, Demand{MaxAge: time.Hour}, nil},
		{"a policy's age beyond is refused", []time.Duration{30 * time.Minute}, 30 * time.Minute, Demand{MaxAge: time.Hour}, ErrDemandAge},
		{"a policy cannot prolong", nil, time.Hour, Demand{MaxIdle: 2 * time.Hour, MaxAge: 5 * time.Hour}, ErrExpiredIdle},
		{"both demands hold at once", nil, 2 * time.Minute, Demand{MaxIdle: time.Hour, MaxAge: time.Minute}, ErrDemandAge},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			token, created := h.signIn(alice, day)
			for _, step := range test.steps {
				h.advance(step)
				h.expect(token, Demand{}, nil)
			}
			h.advance(test.last)
			s := h.expect(token, test.demand, test.want)
			if s.ID != created.ID || s.User != alice {
				t.Errorf("it is not told whose session it was: %+v", s)
			}
			if test.want != nil && !errors.Is(test.want, ErrExpired) {
				t.Errorf("%v is not ErrExpired", test.want)
			}
		})
	}
}

func TestARefusedUseIsNoUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, _ := h.signIn(alice, usual)
	h.advance(10 * time.Minute)
	for range 3 {
		h.expect(token, Demand{MaxIdle: 5 * time.Minute}, ErrDemandIdle)
		h.advance(time.Second)
	}
	h.advance(19*time.Minute + 57*time.Second)
	h.expect(token, Demand{}, ErrExpiredIdle)
}

func TestUsesWithinAMinuteWriteOnceWhereTheRulesSaySo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Manager = NewWith(h.client, h.clock, rand.Reader, Settings{Rules: func() Rules { return Rules{Note: time.Minute} }})
	token, s := h.signIn(alice, Grant{Idle: time.Hour, Absolute: 2 * time.Hour})
	at, err := refOf(token)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{0, time.Minute} {
		h.advance([]time.Duration{59 * time.Second, time.Second}[i])
		h.expect(token, Demand{}, nil)
		r, err := decode(h.client.HGet(context.Background(), at.key(), at.id).Val())
		if err != nil || r.seen != s.Created.Add(want).UnixMilli() {
			t.Errorf("after use %d it was last seen %d: %v", i+1, r.seen, err)
		}
	}
}

func TestUsesWithinASecondWriteOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, s := h.signIn(alice, usual)
	at, err := refOf(token)
	if err != nil {
		t.Fatal(err)
	}
	seen := func() int64 {
		r, err := decode(h.client.HGet(context.Background(), at.key(), at.id).Val())
		if err != nil {
			t.Error(err)
		}
		return r.seen
	}
	first := seen()
	h.advance(999 * time.Millisecond)
	h.expect(token, Demand{}, nil)
	if seen() != first {
		t.Error("a use within a second was written")
	}
	h.advance(time.Millisecond)
	h.expect(token, Demand{}, nil)
	if got := seen(); got != s.Created.Add(time.Second).UnixMilli() {
		t.Errorf("last seen %d", got)
	}
}

func TestUnknownAndMalformedTokensAreNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.expect(draw(t), Demand{}, ErrNone)
	h.expect("ghs_x", Demand{}, ErrMalformed)
	t.Run("a malformed one without asking Redis", func(t *testing.T) {
		t.Parallel()
		m := New(redistest.Deaf(t), time.Now, rand.Reader)
		if _, err := m.Lookup(context.Background(), "ghs_x", Demand{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v", err)
		}
	})
}

func TestARevokedSessionIsGoneAtOnceForEveryReplica(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, created := h.signIn(alice, usual)
	other, _ := h.signIn(alice, usual)
	s, err := h.Revoke(context.Background(), token)
	if err != nil || s.ID != created.ID || s.User != alice {
		t.Fatalf("revoked %+v, %v", s, err)
	}
	replica := New(h.server.Client(), h.clock, rand.Reader)
	if _, err := replica.Lookup(context.Background(), token, Demand{}); !errors.Is(err, ErrRevoked) {
		t.Errorf("another replica says %v", err)
	}
	h.expect(token, Demand{}, ErrRevoked)
	h.expect(other, Demand{}, nil)
	if _, err := h.Revoke(context.Background(), token); !errors.Is(err, ErrInvalid) {
		t.Errorf("a second time: %v", err)
	}
}

func TestRevokingNothingIsInvalid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	for name, token := range map[string]string{"unknown": draw(t), "malformed": "x"} {
		if _, err := h.Revoke(ctx, token); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	expired, _ := h.signIn(alice, usual)
	h.advance(time.Hour)
	if _, err := h.Revoke(ctx, expired); !errors.Is(err, ErrInvalid) {
		t.Errorf("expired: %v", err)
	}
	if n := len(h.client.Keys(ctx, "gh:u:*").Val()); n != 1 {
		t.Errorf("%d keys: an unknown token left a mark", n)
	}
}

func TestAUserEndsTheirOwnSessionsOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	mine, s := h.signIn(alice, usual)
	theirs, other := h.signIn(bob, usual)
	for name, id := range map[string]string{
		"another user's": other.ID, "unknown": strings.Repeat("0", publicLength), "too short": s.ID[:8], "empty": "", "a pattern": "****************",
	} {
		if _, err := h.RevokeID(ctx, alice.ID, id); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.expect(theirs, Demand{}, nil)
	h.expect(mine, Demand{}, nil)
	if ended, err := h.RevokeID(ctx, alice.ID, s.ID); err != nil || ended.ID != s.ID {
		t.Errorf("%+v, %v", ended, err)
	}
	h.expect(mine, Demand{}, ErrRevoked)
}

func TestAllSessionsOfAUserEndAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	var tokens []string
	for range 5 {
		token, _ := h.signIn(alice, usual)
		tokens = append(tokens, token)
	}
	theirs, _ := h.signIn(bob, usual)
	ended, err := h.RevokeAll(ctx, alice.ID)
	if err != nil || len(ended) != 5 {
		t.Fatalf("%d ended, %v", len(ended), err)
	}
	for _, token := range tokens {
		h.expect(token, Demand{}, ErrRevoked)
	}
	h.expect(theirs, Demand{}, nil)
	if again, err := h.RevokeAll(ctx, alice.ID); err != nil || len(again) != 0 {
		t.Errorf("a second time: %d ended, %v", len(again), err)
	}
}

func TestRevokeAllBesideSignInsLeavesNothingUnlisted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	var all sync.WaitGroup
	tokens := make(chan string, 200)
	for range 4 {
		all.Go(func() {
			for range 50 {
				if token, _, err := h.Create(ctx, alice, usual); err == nil {
					tokens <- token
				} else if !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range 20 {
			if _, err := h.RevokeAll(ctx, alice.ID); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	close(tokens)
	if _, err := h.RevokeAll(ctx, alice.ID); err != nil {
		t.Fatal(err)
	}
	for token := range tokens {
		h.expect(token, Demand{}, ErrRevoked)
	}
}

func TestTheListShowsWhatLives(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	if list, err := h.List(ctx, alice.ID); err != nil || len(list) != 0 {
		t.Fatalf("before the first: %+v, %v", list, err)
	}
	short := Grant{Idle: time.Minute, Absolute: time.Hour}
	h.signIn(alice, short)
	revoked, _ := h.signIn(alice, usual)
	_, kept := h.signIn(alice, usual)
	h.signIn(bob, usual)
	if list, err := h.List(ctx, alice.ID); err != nil || len(list) != 3 {
		t.Fatalf("all three: %+v, %v", list, err)
	}
	if _, err := h.Revoke(ctx, revoked); err != nil {
		t.Fatal(err)
	}
	h.advance(2 * time.Minute) // the short one is idle
	list, err := h.List(ctx, alice.ID)
	if err != nil || len(list) != 1 || list[0].ID != kept.ID || !list[0].LastSeen.Equal(kept.LastSeen) {
		t.Errorf("%+v, %v", list, err)
	}
	h.advance(12 * time.Hour)
	h.signIn(alice, usual)
	// The user, the name, and one session without a device.
	if n := h.client.HLen(ctx, keyOf(Handle(alice.ID))).Val(); n != 3 {
		t.Errorf("the user's hash has %d fields: the old sessions are past their limits", n)
	}
}

func TestRedisHoldsNoTokenAndForgetsByItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	token, _ := h.signIn(alice, usual)
	h.advance(time.Minute)
	h.expect(token, Demand{}, nil)
	for _, key := range h.client.Keys(ctx, "*").Val() {
		dump := key + h.client.Dump(ctx, key).Val()
		if strings.Contains(dump, token) || strings.Contains(dump, token[secretStart:secretEnd]) {
			t.Errorf("%s holds the token", key)
		}
		if key == revocationsKey {
			continue
		}
		limit := usual.Idle + memory
		if ttl := h.client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > limit {
			t.Errorf("%s lives for %s, want at most %s", key, ttl, limit)
		}
		if !strings.HasPrefix(key, keyPrefix) {
			t.Errorf("key %q", key)
		}
	}
}

func TestASessionStaysSmallInRedis(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	grant := usual
	grant.AMR = []string{"pwd"}
	user := User{ID: "018f2b6e-7c1a-7f3e-9d52-1b2c3d4e5f60", Name: "alice@example.com"}
	h.signIn(user, grant)
	var total int64
	for _, key := range h.client.Keys(ctx, "*").Val() {
		total += h.client.MemoryUsage(ctx, key).Val()
	}
	if total > 400 {
		t.Errorf("one session with its own index takes %d bytes", total)
	}
}

func TestImpossibleGrantsAreRefused(t *testing.T) {
	t.Parallel()
	m := New(redistest.Deaf(t), time.Now, rand.Reader)
	for name, change := range map[string]func(*User, *Grant){
		"no user id":                  func(u *User, _ *Grant) { u.ID = "" },
		"a long user id":              func(u *User, _ *Grant) { u.ID = strings.Repeat("x", MaxUserID+1) },
		"a long name":                 func(u *User, _ *Grant) { u.Name = strings.Repeat("x", MaxUserName+1) },
		"a name that is no UTF-8":     func(u *User, _ *Grant) { u.Name = "\xff" },
		"a long device":               func(_ *User, g *Grant) { g.Device = strings.Repeat("x", MaxDevice+1) },
		"many methods":                func(_ *User, g *Grant) { g.AMR = strings.Split(strings.Repeat("otp ", 20)+"pwd", " ") },
		"a method with a space":       func(_ *User, g *Grant) { g.AMR = []string{"p wd"} },
		"an empty method":             func(_ *User, g *Grant) { g.AMR = []string{""} },
		"no idle limit":               func(_ *User, g *Grant) { g.Idle = 0 },
		"no absolute limit":           func(_ *User, g *Grant) { g.Absolute = 0 },
		"idle beyond absolute":        func(_ *User, g *Grant) { g.Idle = g.Absolute + 1 },
		"a device of two lines":       func(_ *User, g *Grant) { g.Device = "a\nb" },
		"a long network":              func(_ *User, g *Grant) { g.Network = strings.Repeat("x", MaxNetwork+1) },
		"a long tenant":               func(u *User, _ *Grant) { u.Tenant = strings.Repeat("x", MaxTenant+1) },
		"a cap beyond the highest":    func(_ *User, g *Grant) { g.Cap.Sessions = MaxCap + 1 },
		"a certificate nobody showed": func(_ *User, g *Grant) { g.Bind = BindCertificate },
		"an absolute limit for years": func(_ *User, g *Grant) { g.Absolute = MaxAbsolute + 1 },
	} {
		user, grant := alice, usual
		change(&user, &grant)
		if _, _, err := m.Create(context.Background(), user, grant); !errors.Is(err, ErrGrant) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedisGoneOrHangingIsNeverAnInvalidSession(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	stopped := server.Client()
	server.Stop()
	token := draw(t)
	for name, m := range map[string]*Manager{
		"gone":    New(stopped, time.Now, rand.Reader),
		"hanging": New(redistest.Deaf(t), time.Now, rand.Reader),
	} {
		for what, call := range map[string]func(context.Context) error{
			"create":     func(ctx context.Context) error { _, _, err := m.Create(ctx, alice, usual); return err },
			"lookup":     func(ctx context.Context) error { _, err := m.Lookup(ctx, token, Demand{}); return err },
			"revoke":     func(ctx context.Context) error { _, err := m.Revoke(ctx, token); return err },
			"revoke id":  func(ctx context.Context) error { _, err := m.RevokeID(ctx, alice.ID, "0123456789abcdef"); return err },
			"revoke all": func(ctx context.Context) error { _, err := m.RevokeAll(ctx, alice.ID); return err },
			"list":       func(ctx context.Context) error { _, err := m.List(ctx, alice.ID); return err },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				start := time.Now()
				err := call(ctx)
				if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInvalid) {
					t.Errorf("%v", err)
				}
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("took %s", took)
				}
			})
		}
	}
}

func TestADamagedRecordIsUnavailableNotNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	token, s := h.signIn(alice, usual)
	key, err := refOf(token)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.client.HSet(ctx, key.key(), key.id, "soon").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Lookup(ctx, token, Demand{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("lookup: %v", err)
	}
	if _, err := h.List(ctx, alice.ID); !errors.Is(err, ErrUnavailable) {
		t.Errorf("list: %v", err)
	}
	if err := h.client.Set(ctx, key.key(), "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Lookup(ctx, token, Demand{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a key of another type: %v (session %s)", err, s.ID)
	}
}
