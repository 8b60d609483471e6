package store

import (
	"context"
	"fmt"

	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

// both asks for the session and counts, at once.
func (s *Store) both(ctx context.Context, q Query, question *session.Question) Answer {
	if len(q.Limits)+len(q.UserLimits) == 0 {
		call := &limit.Call{Script: s.lookup, Keys: []string{question.Key}, Args: question.Args}
		s.line.Run(ctx, call)
		return s.found(question, call.Value, call.Err)
	}
	if err := limit.Validate(append(q.Limits[:len(q.Limits):len(q.Limits)], q.UserLimits...)); err != nil {
		return s.impossible(ctx, q, question, err)
	}
	t := trip{question: question, limits: make([]Counted, len(q.Limits)), users: make([]Counted, len(q.UserLimits))}
	var beside []*plan
	here := q.Limits
	if s.line.Cluster() {
		beside, here = s.plan(q.Limits, t.limits), nil
	}
	call := s.call(question, here, q.UserLimits)
	s.run(ctx, beside, call)
	return s.read(ctx, q, &t, here, call)
}

// impossible is for limits that no script would take: the session is as it is.
func (s *Store) impossible(ctx context.Context, q Query, question *session.Question, err error) Answer {
	limits, users := make([]Counted, len(q.Limits)), make([]Counted, len(q.UserLimits))
	for _, counted := range [][]Counted{limits, users} {
		for i := range counted {
			counted[i].Err = err
		}
	}
	q.Limits, q.UserLimits = nil, nil
	a := s.both(ctx, q, question)
	a.Limits = limits
	if a.Err == nil {
		a.UserLimits = users
	}
	return a
}

// trip is a round trip about both.
type trip struct {
	question      *session.Question
	limits, users []Counted
}

func (s *Store) call(question *session.Question, limits, users []limit.Request) *limit.Call {
	keys, args := s.limiter.Part(append(limits[:len(limits):len(limits)], users...))
	c := &limit.Call{
		Script: s.check,
		Keys:   make([]string, 0, 1+len(keys)), Args: make([]any, 0, 3+len(question.Args)+len(args)),
	}
	c.Keys = append(append(c.Keys, question.Key), keys...)
	c.Args = append(c.Args, len(question.Args), len(limits), question.Doubt())
	c.Args = append(append(c.Args, question.Args...), args...)
	return c
}

// answerLength is that of check.lua's answer.
const answerLength = 3

// read takes the script's answer apart. here are the limits that it was asked
// about, beside the user's.
func (s *Store) read(ctx context.Context, q Query, t *trip, here []limit.Request, call *limit.Call) Answer {
	parts, ok := call.Value.([]any)
	err := call.Err
	if err == nil && (!ok || len(parts) != answerLength) {
		err = fmt.Errorf("%w: the script answered %.80q", limit.ErrUnavailable, fmt.Sprint(call.Value))
	}
	var found, numbers any
	counted := false
	if err == nil {
		found, numbers, counted = parts[0], parts[1], parts[2] == int64(1)
	}
	a := s.found(t.question, found, err)
	a.Limits = t.limits
	p := &plan{requests: here}
	for i := range here {
		p.counted = append(p.counted, &t.limits[i])
	}
	if counted {
		p.requests = append(here[:len(here):len(here)], q.UserLimits...)
		for i := range t.users {
			p.counted = append(p.counted, &t.users[i])
		}
	}
	p.settle(numbers, err)
	switch {
	case a.Err != nil: // nobody's limits
	case counted:
		a.UserLimits = t.users
	case len(q.UserLimits) > 0:
		_, a.UserLimits = s.limits(ctx, nil, q.UserLimits)
	}
	return a
}

// found is what the session's script said.
func (s *Store) found(question *session.Question, value any, err error) Answer {
	var a Answer
	a.Session, a.Err = question.Decode(value, err)
	return a
}
