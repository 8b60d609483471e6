package ratelimit

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gatehouse/authz/limit"
)

// OnError is what a request gets while Redis cannot be asked.
type OnError string

// The outcomes.
const (
	// OnErrorUnavailable answers with the status UNAVAILABLE: whether that lets the
	// request pass is Envoy's failure_mode_deny. It is the default, and what
	// envoyproxy/ratelimit amounts to.
	OnErrorUnavailable OnError = "unavailable"
	// OnErrorDeny answers OVER_LIMIT for every request that a limit applies to.
	OnErrorDeny OnError = "deny"
	// OnErrorAllow answers OK.
	OnErrorAllow OnError = "allow"
	// OnErrorLocal counts in this process, each replica its share of the limit.
	OnErrorLocal OnError = "local"
)

// Local counts while Redis is away.
type Local struct {
	Limiter *limit.Local
	// Members is how many replicas share the limits, as last known.
	Members func() int64
}

// withoutRedis is what the requests get without having been counted in Redis. The
// error is a gRPC status.
func (s *Service) withoutRedis(requests []limit.Request) ([]limit.Result, error) {
	switch s.o.OnError {
	case OnErrorDeny:
		return assumed(requests, false), nil
	case OnErrorAllow:
		return assumed(requests, true), nil
	case OnErrorLocal:
		if results, err := s.o.Local.count(requests); err == nil {
			return results, nil
		}
	}
	return nil, status.Error(codes.Unavailable, "limits cannot be counted")
}

func assumed(requests []limit.Request, allowed bool) []limit.Result {
	results := make([]limit.Result, len(requests))
	for i, r := range requests {
		results[i] = limit.Result{
			Name: r.Spec.Name, Limit: r.Spec.Requests, Window: r.Spec.Window, Shadow: r.Shadow, Allowed: allowed,
		}
		if allowed {
			results[i].Remaining = r.Spec.Requests
		} else {
			// Soon: the limit itself has not been exceeded.
			results[i].RetryAfter = time.Second
		}
	}
	return results
}

// count counts against this replica's share, rounded down: all together never admit
// more than the limit. A limit smaller than the number of replicas admits nothing.
func (l *Local) count(requests []limit.Request) ([]limit.Result, error) {
	shared := make([]limit.Request, len(requests))
	members := max(1, l.Members())
	for i, r := range requests {
		r.Spec.Requests /= members
		shared[i] = r
	}
	return l.Limiter.Count(shared)
}
