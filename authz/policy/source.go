package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

// Where control publishes: a string with the JSON of a Config, announced by its
// version on the channel.
const (
	Key     = "gatehouse:policy"
	Channel = "gatehouse:policy"
)

const (
	pollEvery = time.Second
	// refreshEvery spaces the extra reads that Checks ask for, so that requests
	// for a policy that does not exist cannot be turned into load on Redis.
	refreshEvery = 100 * time.Millisecond
	readWithin   = time.Second
)

// Origin is where the Set in use was read.
type Origin string

const (
	FromRedis Origin = "redis"
	FromDisk  Origin = "disk" // the last good one, from before a restart
	FromFile  Origin = "file"
)

// errAbsent is a Redis that answers and holds no policy.
var errAbsent = errors.New("no policy is published at " + Key + ": start control, or publish one")

// Status tells an operator what is in use and what stands in the way of newer.
type Status struct {
	Loaded   bool      `json:"loaded"`
	Version  string    `json:"version,omitempty"`
	Origin   Origin    `json:"origin,omitempty"`
	LoadedAt time.Time `json:"loaded_at,omitzero"`
	Problem  string    `json:"problem,omitempty"`
}

// SourceOptions say where a Source reads. Exactly one of Redis and File is set.
type SourceOptions struct {
	Redis redis.UniversalClient
	File  string
	// LastGood is the file that keeps the last good policy of Redis; empty
	// keeps none.
	LastGood string
	// SignInPage is that of policies that name none; empty sends nobody.
	SignInPage string
	Log        *slog.Logger
	Now        func() time.Time
	// Rejected, if set, hears of each text that could not be used, once.
	Rejected func(error)
}

// Source keeps the newest valid Set. All methods are safe for concurrent use;
// Current costs one atomic load.
type Source struct {
	o       SourceOptions
	origin  Origin
	current atomic.Pointer[Set]
	wake    chan struct{}
	group   singleflight.Group
	asked   atomic.Int64 // when Refresh last read, in Unix nanoseconds

	loading  sync.Mutex // one load at a time; guards the two texts
	text     []byte     // of current
	rejected []byte     // the last text that was refused

	mu     sync.Mutex // guards status, never held during I/O
	status Status
}

// NewSource reads once and returns. A file must be there and valid. Redis need
// not be: then the last good policy is used, and without one there is none,
// which readiness tells and Check refuses.
func NewSource(ctx context.Context, o SourceOptions) (*Source, error) {
	s := &Source{o: o, origin: FromRedis, wake: make(chan struct{}, 1)}
	if o.File != "" {
		s.origin = FromFile
	}
	err := s.load(ctx)
	if s.origin == FromFile && err != nil {
		return nil, err
	}
	if s.current.Load() == nil && o.LastGood != "" {
		s.loadLastGood()
	}
	return s, nil
}

// Current is the Set in use, or nil if there has never been one.
func (s *Source) Current() *Set { return s.current.Load() }

// Status is for readiness.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Nudge asks for a read soon and does not wait for it.
func (s *Source) Nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Refresh reads now, together with everybody who asks at the same time, and
// returns what is in use then. It gives up when ctx ends, and does not read if
// the last such read was a moment ago.
func (s *Source) Refresh(ctx context.Context) *Set {
	done := s.group.DoChan("", func() (any, error) {
		now := s.o.Now().UnixNano()
		if now-s.asked.Load() < int64(refreshEvery) {
			return nil, nil
		}
		s.asked.Store(now)
		read, cancel := context.WithTimeout(context.WithoutCancel(ctx), readWithin)
		defer cancel()
		return nil, s.load(read)
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
	return s.Current()
}

// Run follows the policy until ctx ends: by announcement, and by looking each
// second, because an announcement can be lost.
func (s *Source) Run(ctx context.Context) {
	announced, stop := s.subscribe(ctx)
	defer stop()
	timer := time.NewTimer(jittered())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-announced:
		case <-s.wake:
			if !s.pause(ctx) {
				return
			}
		case <-timer.C:
		}
		read, cancel := context.WithTimeout(ctx, readWithin)
		_ = s.load(read) // told by log, status and Rejected
		cancel()
		timer.Reset(jittered())
	}
}

// pause spaces reads that requests asked for.
func (s *Source) pause(ctx context.Context) bool {
	timer := time.NewTimer(refreshEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// jittered keeps the replicas from asking all at once.
func jittered() time.Duration {
	return pollEvery - pollEvery/10 + rand.N(pollEvery/5) // #nosec G404 -- spreads load, guards nothing
}

func (s *Source) subscribe(ctx context.Context) (<-chan *redis.Message, func()) {
	if s.o.Redis == nil {
		return nil, func() {}
	}
	sub := s.o.Redis.Subscribe(ctx, Channel)
	return sub.Channel(redis.WithChannelSize(16)), func() {
		if err := sub.Close(); err != nil {
			s.o.Log.Debug("closing the policy subscription", "error", err)
		}
	}
}

func (s *Source) fetch(ctx context.Context) ([]byte, error) {
	if s.o.File != "" {
		data, err := os.ReadFile(s.o.File)
		if err != nil {
			return nil, fmt.Errorf("read the policy file: %w", err)
		}
		return data, nil
	}
	data, err := s.o.Redis.Get(ctx, Key).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, errAbsent
	case err != nil:
		return nil, fmt.Errorf("read the policy from Redis: %w", err)
	}
	return data, nil
}

// load reads once and swaps if there is something new and valid.
func (s *Source) load(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	text, err := s.fetch(ctx)
	if err != nil {
		s.problem(err)
		return err
	}
	if s.current.Load() != nil && bytes.Equal(text, s.text) {
		s.confirm()
		return nil
	}
	set, err := Parse(text)
	if err != nil {
		s.reject(text, err)
		return fmt.Errorf("policy from %s: %w", s.origin, err)
	}
	s.swap(set, text, s.origin)
	if s.o.LastGood != "" {
		if err := writeLastGood(s.o.LastGood, text); err != nil {
			s.o.Log.Error("the last good policy is not on disk; a restart without Redis would have none", "error", err)
		}
	}
	return nil
}

func (s *Source) swap(set *Set, text []byte, origin Origin) {
	s.text, s.rejected = text, nil
	s.mu.Lock()
	s.status = Status{Loaded: true, Version: set.Version(), Origin: origin, LoadedAt: s.o.Now()}
	s.mu.Unlock()
	s.current.Store(set.withPage(s.o.SignInPage))
	s.o.Log.Info("policy loaded", "version", set.Version(), "policies", set.Len(), "origin", string(origin))
}

// confirm notes that the one in use is what the origin holds.
func (s *Source) confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Origin, s.status.Problem = s.origin, ""
}

// note keeps a problem for Status and says whether it is another than before.
func (s *Source) note(problem string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.status.Problem != problem
	s.status.Problem = problem
	return changed
}

// problem logs a reason when it is new, not each second.
func (s *Source) problem(err error) {
	if s.note(err.Error()) {
		s.o.Log.Warn("the policy in use may be old", "error", err)
	}
}

func (s *Source) reject(text []byte, err error) {
	s.note("rejected: " + err.Error())
	if bytes.Equal(text, s.rejected) {
		return
	}
	s.rejected = text
	s.o.Log.Error("policy rejected; the one in use stays", "error", err)
	if s.o.Rejected != nil {
		s.o.Rejected(err)
	}
}
