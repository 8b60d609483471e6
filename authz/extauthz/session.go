package extauthz

import (
	"context"
	"errors"
	"strings"

	"gatehouse/authz/extauthz/store"
	"gatehouse/authz/login/apikey"
	"gatehouse/authz/policy"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// session identifies the user if the policy looks at sessions, counts, and returns
// why the request is to be refused, if it is. Where the demand only reports, or a
// session is optional, the request goes on as anonymous.
func (s *Service) session(ctx context.Context, p *policy.Compiled, r *request, c *credentials, j *judgement, t *tally) outcome {
	demand := &p.Session
	err := s.identify(ctx, p, r, c, j, t)
	if !demand.Looks() {
		return outcome{}
	}
	if !errors.Is(err, session.ErrInvalid) {
		j.unknown = err
	}
	if demand.Require != policy.SessionRequired {
		return outcome{}
	}
	o := refusalOf(err)
	if err == nil {
		o = stepUp(demand, &j.session, s.o.Now())
	}
	if demand.Report && o.denies() {
		j.report(o)
		return outcome{}
	}
	return o
}

// refusalOf is the refusal of a request whose session was not found.
func refusalOf(err error) outcome {
	if err == nil {
		return outcome{}
	}
	o := outcome{problem: verdict.AuthenticationFailed, feature: featureSession, rule: ruleSessionRequired, reason: err.Error()}
	switch {
	case errors.Is(err, session.ErrExpired):
		o.rule = ruleSessionExpired
	case errors.Is(err, session.ErrReplaced):
		o.rule = ruleSessionReplaced
	case !errors.Is(err, session.ErrInvalid):
		o.problem, o.rule = verdict.CheckUnavailable, ruleSessionUnavailable
	}
	return o
}

var (
	errNoToken   = noneError("the request carries no session token")
	errAmbiguous = noneError("the request carries several session tokens")
)

// noneError is a reason to have no session that was found without the store.
type noneError string

func (e noneError) Error() string { return string(e) }
func (e noneError) Unwrap() error { return session.ErrInvalid }

// identify fills in the subject, and counts the limits that apply. An error without
// session.ErrInvalid in its chain means that nobody knows whose the request is.
func (s *Service) identify(ctx context.Context, p *policy.Compiled, r *request, c *credentials, j *judgement, t *tally) error {
	demand := &p.Session
	q := store.Query{Needed: demand.Require == policy.SessionRequired && !demand.Report}
	var err error
	handle := ""
	switch {
	case !demand.Looks():
	case c.ambiguous:
		err = errAmbiguous
	case c.token == "":
		err = errNoToken
	case strings.HasPrefix(c.token, apikey.Prefix):
		if err = s.identifyKey(ctx, demand, c.token, j); err == nil {
			handle = session.Handle(j.subject)
		}
	default:
		handle, q.Token = session.HandleOf(c.token), c.token
		q.Demand = session.Demand{
			MaxIdle: demand.MaxIdle, MaxAge: demand.MaxAge, Cap: demand.Cap, Fresh: demand.Fresh, Client: c.client,
		}
	}
	if q.Needed && err != nil && !errors.Is(err, session.ErrInvalid) {
		return err // the limits would matter to nobody
	}
	t.apply(p, r, handle, &q)
	if q.Token == "" && len(t.applied) == 0 {
		return err
	}
	a := s.o.Store.Ask(ctx, q)
	t.answer(&a)
	if q.Token == "" {
		return err
	}
	return s.known(&a, j)
}

// known fills in whose the session is.
func (s *Service) known(a *store.Answer, j *judgement) error {
	user := a.Session.User.ID
	if user != "" {
		j.pseudonym = s.o.Subject(user) // whose it was is known of an expired one too
	}
	if a.Err != nil {
		if !errors.Is(a.Err, session.ErrInvalid) {
			s.o.Metrics.unavailable(featureSession)
		}
		return a.Err
	}
	if user == "" {
		return errors.New("the session names no user")
	}
	j.subject, j.session = user, a.Session
	return nil
}
