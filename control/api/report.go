package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/authz/event"
)

const feature = "api"

// report makes every call an event, once it is answered: who, what and how it
// went, never what it said.
func (s *Server) report(ctx huma.Context, next func(huma.Context)) {
	r, w := unwrap(ctx)
	c := &call{request: r, writer: w}
	ended := false
	defer func() {
		status := ctx.Status()
		switch {
		case !ended:
			status = http.StatusInternalServerError // a panic, on its way to guard
		case status == 0:
			status = http.StatusOK
		}
		if !c.quiet {
			s.o.Events.Append(s.callEvent(ctx, c, status))
		}
	}()
	next(huma.WithValue(ctx, callKey{}, c))
	ended = true
}

func (s *Server) callEvent(ctx huma.Context, c *call, status int) event.Event {
	r, _ := unwrap(ctx)
	op := ctx.Operation()
	e := s.event(r, event.OperatorAction)
	// The template, not the path: a path may name a person.
	e.Path, e.Status, e.Rule, e.Reason = op.Path, status, op.OperationID, c.reason
	switch {
	case refused(status) && (!flag(op, metaPublic) || status == http.StatusTooManyRequests):
		e.Type, e.Severity, e.Outcome = event.APIRefused, event.Warning, event.Deny
	case status >= http.StatusBadRequest:
		e.Outcome = event.Failure
	}
	if id := ctx.Param("id"); id != "" {
		e.Detail["id"] = id
	}
	s.name(&e, c.caller)
	return e
}

// name says who called: a program by its name, a person by their pseudonym, with
// the name only sealed.
func (s *Server) name(e *event.Event, c Caller) {
	if c.Role == "" {
		return
	}
	e.Detail["role"], e.Detail["method"] = string(c.Role), c.method
	if !c.IsPerson() {
		e.Detail["caller"] = c.Name
		return
	}
	e.Subject = s.o.Pseudonyms.Subject(c.SubjectID)
	e.Personal[event.PersonalName] = c.Name
}

func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

func (s *Server) event(r *http.Request, t event.Type) event.Event {
	e := event.Event{
		Type: t, Severity: event.Info, Outcome: event.Success, Feature: feature,
		RequestID: RequestIDFrom(r.Context()), Method: r.Method, Host: r.Host,
		Client: s.o.Pseudonyms.Client(clientIP(r)), Detail: map[string]string{}, Personal: map[string]string{},
	}
	if ip := clientIP(r); ip != "" {
		e.Personal[event.PersonalIP] = ip
	}
	return e
}

// reportFlood tells once that an address calls too often.
func (s *Server) reportFlood(r *http.Request) {
	s.o.Events.Append(s.refusal(r, "rate_limited", http.StatusTooManyRequests))
}

func (s *Server) reportForeign(r *http.Request) {
	s.o.Events.Append(s.refusal(r, "cross_origin", http.StatusForbidden))
}

func (s *Server) refusal(r *http.Request, reason string, status int) event.Event {
	e := s.event(r, event.APIRefused)
	e.Severity, e.Outcome, e.Reason, e.Status = event.Warning, event.Deny, reason, status
	return e
}
