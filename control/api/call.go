package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// call is what the middlewares tell one another about a call.
type call struct {
	request *http.Request
	writer  http.ResponseWriter
	caller  Caller
	// quiet calls were told of already, such as the second of many too many.
	quiet bool
	// reason says, for the event, why it was refused.
	reason string
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		c = &call{}
	}
	return c
}

// requestOf is the request behind the ctx of a handler.
func requestOf(ctx context.Context) *http.Request { return callOf(ctx).request }

func unwrap(ctx huma.Context) (*http.Request, http.ResponseWriter) { return humago.Unwrap(ctx) }

// admit finds out who calls, and lets through only what they may and may now.
func (s *Server) admit(ctx huma.Context, next func(huma.Context)) {
	r, w := unwrap(ctx)
	op := ctx.Operation()
	c := callOf(ctx.Context())
	if !flag(op, metaPublic) {
		caller, err := s.authenticate(r)
		if err != nil {
			s.refuseCaller(ctx, r, c, err)
			return
		}
		c.caller = caller
		ok, wait, first := s.limits.caller(caller)
		switch {
		case !ok:
			c.reason, c.quiet = "rate_limited", !first
			s.refuse(ctx, tooMany(wait))
			return
		case !may(op, caller.Role):
			c.reason = "role"
			s.refuse(ctx, forbidden("your role does not allow this call"))
			return
		}
		ctx = huma.WithContext(ctx, WithCaller(ctx.Context(), caller))
	}
	if !flag(op, metaLong) {
		bounded, cancel := context.WithTimeout(ctx.Context(), callWithin)
		defer cancel()
		ctx = huma.WithContext(ctx, bounded)
		s.setDeadlines(w)
	}
	next(ctx)
}

// refuseCaller answers a call whose caller is not known, or cannot be known
// now. A wrong credential costs its address more than a call: guessing is slow.
func (s *Server) refuseCaller(ctx huma.Context, r *http.Request, c *call, err error) {
	c.reason = reasonOf(err)
	if !errors.Is(err, errUnavailable) && !errors.Is(err, errNoCredential) {
		s.limits.address(clientIP(r), wrongCredential)
	}
	var p *Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, errUnavailable):
		s.log.ErrorContext(ctx.Context(), "a caller cannot be identified now", "error", err, "request_id", requestID(ctx.Context()))
		p = unavailable()
	default:
		p = unauthenticated()
	}
	s.refuse(ctx, p)
}

func (s *Server) setDeadlines(w http.ResponseWriter) {
	control := http.NewResponseController(w)
	now := time.Now() // the connection's clock, not ours
	// A connection that has no deadlines is one of a test.
	if err := errors.Join(control.SetReadDeadline(now.Add(bodyWithin)), control.SetWriteDeadline(now.Add(writeWithin))); err != nil {
		s.log.Debug("a connection takes no deadline", "error", err)
	}
}
