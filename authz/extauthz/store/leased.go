package store

import (
	"context"
	"errors"

	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

// served are the limits that slices have answered, among all of a kind.
type served struct {
	requests []limit.Request // all of them
	answers  []limit.Served
	here     []bool
}

func watched(requests []limit.Request) bool {
	for i := range requests {
		if requests[i].Watched() {
			return true
		}
	}
	return false
}

// serve takes from slices what they have, and leaves in requests what Redis is to be
// asked. Those of a user are taken before it is known whether the session is good: if
// it is not, settle returns them, and the slices never hear of it, so that nobody uses
// up the limits of another.
func (s *Store) serve(requests *[]limit.Request) served {
	all := *requests
	v := served{requests: all, answers: make([]limit.Served, len(all)), here: make([]bool, len(all))}
	var asked []limit.Request
	for i := range all {
		if v.answers[i], v.here[i] = s.slices.Use(&all[i]); !v.here[i] {
			asked = append(asked, all[i])
		}
	}
	*requests = asked
	return v
}

// settle puts the answers of slices among the others. What the call was not counted
// for in the end goes back.
func (s *Store) settle(ctx context.Context, a *Answer, q *Query, limits, users *served) {
	all, refused := s.merge(limits, a.Limits)
	if q.Needed && errors.Is(a.Err, session.ErrUnavailable) {
		s.giveBack(limits, nil)
		all = nil // nothing matters, and nothing is counted
	}
	var its []Counted
	if a.Err == nil { // whose they are is known
		var more bool
		its, more = s.merge(users, a.UserLimits)
		refused = refused || more
	}
	if refused && all != nil {
		s.giveBack(limits, all)
	}
	if refused || a.Err != nil {
		s.giveBack(users, its)
	}
	a.Limits, a.UserLimits = all, its
	for i := range all {
		s.slices.Asked(ctx, &limits.requests[i])
	}
	for i := range its {
		s.slices.Asked(ctx, &users.requests[i])
	}
}

// merge has all answers in the order of the requests, and says whether one of Redis's
// refuses the call. It is nil for no requests.
func (s *Store) merge(v *served, asked []Counted) (all []Counted, refused bool) {
	if len(v.requests) == 0 {
		return nil, false
	}
	all = make([]Counted, len(v.requests))
	for i := range all {
		if v.here[i] {
			all[i].Result = v.answers[i].Result
			continue
		}
		if len(asked) == 0 {
			all[i].Err = limit.ErrUnavailable
			continue
		}
		all[i], asked = asked[0], asked[1:]
		if all[i].Err == nil {
			s.slices.Correct(&v.requests[i], v.answers[i], &all[i].Result)
		}
		refused = refused || all[i].Err == nil && !all[i].Allowed && !all[i].Shadow
	}
	return all, refused
}

// giveBack returns what slices gave; counted hears of it.
func (s *Store) giveBack(v *served, counted []Counted) {
	for i := range v.requests {
		if !v.here[i] {
			continue
		}
		s.slices.Return(&v.requests[i], v.answers[i])
		if counted != nil {
			counted[i].Remaining += max(1, v.requests[i].Hits)
		}
	}
}
