// Package store asks Redis what a Check has to know of it: whose the session is,
// and whether the limits admit the request.
//
// It promises one round trip for all of that: none where the session is cached
// and there are no limits, or slices of all of them are here (limit.Slices). In a Cluster the session and its user's limits are in
// one slot, and the limits of an address in another: then two commands are under
// way at once. The limits of a user are counted only where Redis itself has found
// the session good: nobody can use up another's limits with a token that only
// names them. In one case it takes a second round trip: the user's limits of a
// session that is older than the last revocation of some tenant.
//
// The limits are counted all or none; in a Cluster, those of a slot. What a slice
// gave goes back to it if another limit, or the session, refuses.
//
// It does not know what follows from the answers, nor what is to be done without
// any.
package store

import (
	"context"
	_ "embed" // for check.lua
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

//go:embed check.lua
var checkSource string

// within bounds each round trip. Envoy waits 500 ms for a Check.
const within = 150 * time.Millisecond

// Store asks. It is safe for concurrent use.
type Store struct {
	sessions *session.Manager
	line     *limit.Line
	limiter  *limit.Limiter
	slices   *limit.Slices

	lookup, count, check limit.Script
}

// New returns a Store of the sessions that sessions keeps; line leads to the
// same Redis. now is nil in production, see limit.New.
func New(sessions *session.Manager, line *limit.Line, now func() time.Time) *Store {
	wrapped := func(name, source string) string {
		return "local function " + name + "(KEYS, ARGV)\n" + source + "\nend\n"
	}
	return &Store{
		sessions: sessions, line: line, limiter: limit.NewOn(line, now), slices: limit.NewSlices(line, now),
		lookup: limit.NewScript(session.LookupSource()), count: limit.NewScript(limit.Source()),
		check: limit.NewScript(wrapped("lookup", session.LookupSource()) + wrapped("count", limit.Source()) + checkSource),
	}
}

// Query is what a Check wants to know.
type Query struct {
	// Token is that of a session; empty: there is none, and who the user is, if
	// anybody, is known.
	Token  string
	Demand session.Demand
	// Needed says that without an answer about the session nothing matters: then
	// nothing is counted.
	Needed bool
	// Limits are counted whoever the user is; UserLimits, whose Slot is the
	// user's handle, only if the session is good.
	Limits, UserLimits []limit.Request
}

// Counted is what became of a limit. Err has limit.ErrUnavailable in its chain.
type Counted struct {
	limit.Result
	Err error
}

// Answer is what is known.
type Answer struct {
	// Session and Err are as of session.Manager.Lookup; zero if no token was asked
	// for.
	Session session.Session
	Err     error
	// Limits and UserLimits are as in the Query; nil if they were not to be counted.
	Limits, UserLimits []Counted
}

// Run looks after the slices of limits that have a Lease until ctx ends, and then
// gives them back.
func (s *Store) Run(ctx context.Context) { s.slices.Run(ctx) }

// Ask answers, within the time of two round trips at worst.
func (s *Store) Ask(ctx context.Context, q Query) Answer {
	if !watched(q.Limits) && !watched(q.UserLimits) {
		return s.ask(ctx, q)
	}
	limits, users := s.serve(&q.Limits), s.serve(&q.UserLimits)
	a, recalled := s.recall(ctx, q)
	if !recalled {
		a = s.ask(ctx, q)
	}
	s.settle(ctx, &a, &q, &limits, &users)
	if !recalled {
		limits.note(s.slices, a.Limits)
		users.note(s.slices, a.UserLimits)
	}
	return a
}

func (s *Store) ask(ctx context.Context, q Query) Answer {
	if s.line.Cluster() { // whose nodes have to be found; all else is bounded where it waits
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*within)
		defer cancel()
	}
	q.Limits, q.UserLimits = s.limiter.Prepare(q.Limits), s.limiter.Prepare(q.UserLimits)
	var a Answer
	if q.Token != "" {
		question, found, done, err := s.sessions.Ask(ctx, q.Token, q.Demand)
		if !done {
			return s.both(ctx, q, &question)
		}
		a.Session, a.Err = found, err
		if err != nil {
			q.UserLimits = nil
		}
		if q.Needed && errors.Is(err, session.ErrUnavailable) {
			return a
		}
	}
	a.Limits, a.UserLimits = s.limits(ctx, q.Limits, q.UserLimits)
	return a
}

// limits counts limits of whom is known.
func (s *Store) limits(ctx context.Context, limits, users []limit.Request) ([]Counted, []Counted) {
	requests := limits
	if len(users) > 0 {
		requests = append(limits[:len(limits):len(limits)], users...)
	}
	if len(requests) == 0 {
		return nil, nil
	}
	counted := make([]Counted, len(requests))
	plans := s.plan(requests, counted)
	s.run(ctx, plans, nil)
	return counted[:len(limits)], counted[len(limits):]
}

// plan is one call about some of the requests.
type plan struct {
	limit.Call
	requests []limit.Request
	counted  []*Counted
}

func (s *Store) plan(requests []limit.Request, counted []Counted) []*plan {
	if err := limit.Validate(requests); err != nil {
		for i := range counted {
			counted[i].Err = err
		}
		return nil
	}
	var plans []*plan
	for _, group := range s.line.Groups(requests) {
		p := &plan{Call: limit.Call{Script: s.count}}
		for _, at := range group {
			p.requests, p.counted = append(p.requests, requests[at]), append(p.counted, &counted[at])
		}
		p.Keys, p.Args = s.limiter.Part(p.requests)
		plans = append(plans, p)
	}
	return plans
}

// run runs the plans, and first beside them, and settles the plans.
func (s *Store) run(ctx context.Context, plans []*plan, first *limit.Call) {
	calls := make([]*limit.Call, 0, 1+len(plans))
	if first != nil {
		calls = append(calls, first)
	}
	for _, p := range plans {
		calls = append(calls, &p.Call)
	}
	if len(calls) == 0 {
		return
	}
	s.line.Run(ctx, calls...)
	for _, p := range plans {
		p.settle(p.Value, p.Err)
	}
}

// settle gives each limit its result.
func (p *plan) settle(value any, err error) {
	var results []limit.Result
	if err == nil {
		results, err = limit.Decode(p.requests, value)
	}
	for i, c := range p.counted {
		if err != nil {
			c.Err = unavailable(err)
			continue
		}
		c.Result = results[i]
	}
}

func unavailable(err error) error {
	if errors.Is(err, limit.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", limit.ErrUnavailable, err)
}
