package extauthz

import (
	"context"
	"errors"
	"strings"

	"gatehouse/authz/login/apikey"
	"gatehouse/authz/policy"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// session identifies the user if the policy looks at sessions, and returns why
// the request is to be refused, if it is. Where the demand only reports, or a
// session is optional, the request goes on as anonymous.
func (s *Service) session(ctx context.Context, p *policy.Compiled, c *credentials, j *judgement) outcome {
	demand := p.Session
	if !demand.Looks() {
		return outcome{}
	}
	err := s.identify(ctx, demand, c, j)
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

// identify fills in the subject. An error without session.ErrInvalid in its
// chain means that nobody knows.
func (s *Service) identify(ctx context.Context, demand policy.SessionDemand, c *credentials, j *judgement) error {
	switch {
	case c.ambiguous:
		return errAmbiguous
	case c.token == "":
		return errNoToken
	case strings.HasPrefix(c.token, apikey.Prefix):
		return s.identifyKey(ctx, demand, c.token, j)
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	found, err := s.o.Sessions.Lookup(ctx, c.token, session.Demand{
		MaxIdle: demand.MaxIdle, MaxAge: demand.MaxAge, Cap: demand.Cap, Fresh: demand.Fresh, Client: c.client,
	})
	if found.User.ID != "" {
		j.pseudonym = s.o.Subject(found.User.ID) // whose it was is known of an expired one too
	}
	if err != nil {
		if !errors.Is(err, session.ErrInvalid) {
			s.o.Metrics.unavailable(featureSession)
		}
		return err
	}
	if found.User.ID == "" {
		return errors.New("the session names no user")
	}
	j.subject, j.session = found.User.ID, found
	return nil
}
