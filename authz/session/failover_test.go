package session_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/secret"
	"gatehouse/authz/secret/redisauth"
	"gatehouse/authz/session"
)

// open has time for a busy machine: what is refused is to be refused because
// something has failed.
func open(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := redisauth.Options{URL: secret.New([]byte(url))}.Open(redisauth.Tuning{
		PoolSize: 20, Dial: 2 * time.Second, Read: 2 * time.Second, Write: 2 * time.Second, WaitForAConn: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // servers may be gone already
	return client
}

// crowd signs users in and looks their sessions up, all the time.
type crowd struct {
	t       *testing.T
	manager *session.Manager
	ctx     context.Context //nolint:containedctx // ends the load, and nothing else
	wg      sync.WaitGroup

	mu          sync.Mutex
	kept        map[string]string // token -> user, of what was acknowledged
	ended       []string          // tokens whose revocation was acknowledged
	calm        int               // sessions created since the last refusal
	unavailable int
	wrong       []error
}

func load(t *testing.T, m *session.Manager) (*crowd, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, manager: m, ctx: ctx, kept: map[string]string{}}
	for worker := range 4 {
		c.wg.Go(func() {
			tick := time.NewTicker(time.Millisecond) // what fails at once is not to eat the machine
			defer tick.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				c.one(fmt.Sprintf("user-%d-%d", worker, i), i%4 == 3)
				<-tick.C
			}
		})
	}
	stop := func() { cancel(); c.wg.Wait() }
	t.Cleanup(stop)
	return c, stop
}

func (c *crowd) one(user string, revoke bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	token, _, err := c.manager.Create(ctx, session.User{ID: user}, session.Grant{Idle: time.Hour, Absolute: time.Hour})
	if !c.note(err) {
		return
	}
	_, err = c.manager.Lookup(ctx, token, session.Demand{})
	c.note(err) // one that was acknowledged must never be unknown
	if revoke {
		if _, err := c.manager.Revoke(ctx, token); err == nil {
			c.mu.Lock()
			c.ended = append(c.ended, token)
			c.mu.Unlock()
		} else {
			c.note(err) // it may have ended or not: it counts as neither
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[token] = user
	c.calm++
}

func (c *crowd) note(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		return true
	case errors.Is(err, session.ErrUnavailable) && !errors.Is(err, session.ErrInvalid):
		c.unavailable++
		c.calm = 0
	default:
		c.wrong = append(c.wrong, err)
	}
	return false
}

// inARow is how many sessions were created since the last refusal.
func (c *crowd) inARow() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calm
}

func (c *crowd) refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unavailable
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 30s", what)
		}
	}
}

// survive kills a primary under load, and looks for what was acknowledged.
func survive(t *testing.T, url string, kill func()) {
	client := open(t, url)
	m := session.NewWith(client, time.Now, rand.Reader, session.Settings{
		CacheSize: 1000, Rules: func() session.Rules {
			return session.Rules{Durability: session.Durability{Replicas: 1, Within: time.Second}}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	running := make(chan struct{})
	go func() { defer close(running); m.Run(ctx) }()
	defer func() { cancel(); <-running }()
	c, stop := load(t, m)
	begun := time.Now()
	// A machine that does much else refuses some for the time they take.
	waitFor(t, "200 sessions in a row are created, and nothing is refused", func() bool { return c.inARow() >= 200 })
	t.Logf("created after %s", time.Since(begun))
	kill()
	killed, before := time.Now(), c.refused()
	waitFor(t, "the failover is noticed", func() bool { return c.refused() > before })
	// Only the primary's word counts again, as its replica is the primary now.
	plain := session.New(client, time.Now, rand.Reader)
	waitFor(t, "all users can sign in again", func() bool {
		for i := range 24 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, _, err := plain.Create(ctx, session.User{ID: fmt.Sprintf("after-%d", i)}, session.Grant{Idle: time.Hour, Absolute: time.Hour})
			cancel()
			if !c.note(err) {
				return false
			}
		}
		return true
	})
	stop()
	t.Logf("all users can sign in %s after the kill", time.Since(killed))
	for _, err := range c.wrong {
		t.Errorf("not 503: %v", err)
	}
	for token, user := range c.kept {
		s, err := plain.Lookup(context.Background(), token, session.Demand{})
		if err != nil || s.User.ID != user {
			t.Errorf("a session of %s that was acknowledged is lost: %v", user, err)
		}
	}
	for _, token := range c.ended {
		if _, err := plain.Lookup(context.Background(), token, session.Demand{}); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("a revocation that was acknowledged is lost: %v", err)
		}
	}
	t.Logf("%d sessions and %d revocations were kept; %d requests were refused meanwhile", len(c.kept), len(c.ended), c.unavailable)
}

func TestAClustersPrimaryDiesAndNoAcknowledgedSessionIsLost(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	survive(t, cluster.URL(), cluster.Primaries[1].Kill)
}

func TestASentinelsPrimaryDiesAndNoAcknowledgedSessionIsLost(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	survive(t, sentinels.URL(), sentinels.Primary.Kill)
}

// Over TLS the same: a replica that becomes the primary is reached by it, and its
// certificate is verified anew.
func TestOverTLSAClustersPrimaryDiesAndNoAcknowledgedSessionIsLost(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartClusterTLS(t)
	survive(t, cluster.URL(), cluster.Primaries[1].Kill)
}

func TestOverTLSASentinelsPrimaryDiesAndNoAcknowledgedSessionIsLost(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinelsTLS(t)
	survive(t, sentinels.URL(), sentinels.Primary.Kill)
}

func TestWithoutAReplicaNothingIsDurable(t *testing.T) {
	t.Parallel()
	m := session.NewWith(redistest.Start(t).Client(), time.Now, rand.Reader, session.Settings{
		Rules: func() session.Rules {
			return session.Rules{Durability: session.Durability{Replicas: 1, Within: 10 * time.Millisecond}}
		},
	})
	user := session.User{ID: "u"}
	_, _, err := m.Create(t.Context(), user, session.Grant{Idle: time.Hour, Absolute: time.Hour})
	if !errors.Is(err, session.ErrNotDurable) || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if list, err := m.List(t.Context(), user.ID); err != nil || len(list) != 0 {
		t.Errorf("what was not acknowledged is listed: %+v, %v", list, err)
	}
	if err := m.RevokeEverything(t.Context()); !errors.Is(err, session.ErrNotDurable) {
		t.Errorf("%v", err)
	}
}
