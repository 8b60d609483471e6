package store

import (
	"context"
	"errors"

	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

// recall answers a call that a limit refused a moment ago and still does, so that who
// goes on after a refusal costs Redis nothing. It is false where Redis is to be asked: if
// no limit is known to refuse, or something is not known of another one.
func (s *Store) recall(ctx context.Context, q Query) (Answer, bool) {
	limits, over := s.known(q.Limits)
	users, usersOver := s.known(q.UserLimits)
	if !over && !usersOver || len(limits) < len(q.Limits) || len(users) < len(q.UserLimits) {
		return Answer{}, false
	}
	// Whose the session is, is not known from that.
	a := s.ask(ctx, Query{Token: q.Token, Demand: q.Demand, Needed: q.Needed})
	switch {
	case a.Err == nil:
		a.Limits, a.UserLimits = limits, users
	case q.Needed && errors.Is(a.Err, session.ErrUnavailable):
	case over:
		a.Limits = limits
	default: // what the limits of another user say is nothing to this one
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		a.Limits, _ = s.limits(ctx, q.Limits, nil)
	}
	return a, true
}

// known is what Redis has said of each, and whether one of them refuses. It ends at the
// first of which nothing is known.
func (s *Store) known(requests []limit.Request) (known []Counted, over bool) {
	for i := range requests {
		said, ok := s.slices.Recall(&requests[i])
		if !ok {
			return known, over
		}
		known = append(known, Counted{Result: said})
		over = over || !said.Allowed && !said.Shadow
	}
	return known, over
}

// note has slices remember what Redis said.
func (v *served) note(slices *limit.Slices, counted []Counted) {
	for i := range counted {
		if !v.here[i] && counted[i].Err == nil {
			slices.Said(&v.requests[i], &counted[i].Result)
		}
	}
}
