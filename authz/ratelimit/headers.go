package ratelimit

import (
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"gatehouse/authz/limit"
)

// Headers says what responses tell the client of its limits.
type Headers struct {
	// Standard are RateLimit, RateLimit-Policy and, on a refusal, Retry-After, of all
	// limits (draft-ietf-httpapi-ratelimit-headers, RFC 9110 section 10.2.3).
	Standard bool
	// Limit, Remaining and Reset are names, such as X-RateLimit-Limit, of fields that
	// tell of the limit which is nearest; an empty one is left out.
	Limit, Remaining, Reset string
}

func (h Headers) fields(
	matches []Match, statuses []*pb.RateLimitResponse_DescriptorStatus, results []limit.Result, quota bool,
) []*corev3.HeaderValue {
	var headers []*corev3.HeaderValue
	add := func(name, value string) {
		if name != "" && value != "" {
			headers = append(headers, &corev3.HeaderValue{Key: name, Value: value})
		}
	}
	if h.Standard {
		add(limit.PolicyHeader, limit.PolicyField(results))
		add(limit.StateHeader, limit.StateField(results))
		add(limit.RetryAfterHeader, limit.RetryAfter(results))
	}
	if h.Limit == "" && h.Remaining == "" && h.Reset == "" {
		return headers
	}
	if at := nearest(matches, statuses, quota); at != nil {
		add(h.Limit, strconv.FormatUint(uint64(at.GetCurrentLimit().GetRequestsPerUnit()), 10))
		add(h.Remaining, strconv.FormatUint(uint64(at.GetLimitRemaining()), 10))
		add(h.Reset, strconv.FormatInt(at.GetDurationUntilReset().GetSeconds(), 10))
	}
	return headers
}

// nearest is the last limit that refuses, quotas aside, or the one with the least
// left.
func nearest(matches []Match, statuses []*pb.RateLimitResponse_DescriptorStatus, quota bool) *pb.RateLimitResponse_DescriptorStatus {
	var found *pb.RateLimitResponse_DescriptorStatus
	refused := false
	for i, at := range statuses {
		switch {
		case at.GetCurrentLimit() == nil:
		case at.GetCode() == pb.RateLimitResponse_OVER_LIMIT && !quota && !matches[i].Quota:
			found, refused = at, true
		case !refused && (found == nil || at.GetLimitRemaining() < found.GetLimitRemaining()):
			found = at
		}
	}
	return found
}
