package connector

import (
	"context"
	"time"
)

// Request is what a call is made for, where a system has to be told.
type Request struct {
	ID       string
	Kind     Kind
	Received time.Time
}

type requestKey struct{}

// WithRequest says to connectors which request a call belongs to. Calls for one
// request are one to a system that works on it for days.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf is the request that a call belongs to.
func RequestOf(ctx context.Context) (Request, bool) {
	r, ok := ctx.Value(requestKey{}).(Request)
	return r, ok
}

// Canceller is a connector that can take back what its system still works on.
type Canceller interface {
	// Cancel takes back the request that ctx belongs to; one that its system does
	// not know, or that changes data, is left alone.
	Cancel(ctx context.Context) error
}
