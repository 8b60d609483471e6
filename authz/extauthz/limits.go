package extauthz

import (
	"context"
	"fmt"

	"gatehouse/authz/limit"
	"gatehouse/authz/policy"
	"gatehouse/filter/verdict"
)

// limit counts the request against every limit of the policy that applies to
// it, in one script.
func (s *Service) limit(ctx context.Context, p *policy.Compiled, r *request, j *judgement) {
	if len(p.Limits) == 0 {
		return
	}
	applied, requests := applicable(p, r, j)
	if len(requests) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	results, err := s.o.Limits.Admit(ctx, requests)
	if err != nil {
		s.o.Metrics.unavailable(featureLimits)
		s.uncounted(applied, requests, err, j)
		return
	}
	settle(results, j)
}

// applicable are the limits whose key the request has: one by user needs a user.
func applicable(p *policy.Compiled, r *request, j *judgement) ([]*policy.CompiledLimit, []limit.Request) {
	applied := make([]*policy.CompiledLimit, 0, len(p.Limits))
	requests := make([]limit.Request, 0, len(p.Limits))
	for i := range p.Limits {
		l := &p.Limits[i]
		if l.ByUser && j.subject == "" {
			continue
		}
		applied = append(applied, l)
		requests = append(requests, limit.Request{Key: keyOf(l, r, j), Spec: l.Spec, Shadow: l.Report})
	}
	return applied, requests
}

// keyOf separates the counters. The scope says by what, so that an address can
// never be taken for a user.
func keyOf(l *policy.CompiledLimit, r *request, j *judgement) string {
	switch {
	case l.ByIP && l.ByUser:
		return limit.Key(l.Scope, limit.ClientKey(r.clientIP, limit.DefaultIPv6Prefix), j.subject)
	case l.ByUser:
		return limit.Key(l.Scope, j.subject)
	default:
		return limit.Key(l.Scope, limit.ClientKey(r.clientIP, limit.DefaultIPv6Prefix))
	}
}

func settle(results []limit.Result, j *judgement) {
	for _, result := range results {
		if result.Allowed {
			continue
		}
		o := outcome{
			problem: verdict.TooManyRequests, feature: featureLimits, rule: ruleLimitExceeded, limit: result.Name,
			reason: fmt.Sprintf("more than %d requests in %s", result.Limit, result.Window),
		}
		if result.Shadow {
			j.report(o)
		} else {
			j.refuse(o)
		}
	}
	j.limits = limitFields{
		policy: limit.PolicyField(results), state: limit.StateField(results), retryAfter: limit.RetryAfter(results),
	}
}

// uncounted does what each limit says for the time without Redis.
func (s *Service) uncounted(applied []*policy.CompiledLimit, requests []limit.Request, err error, j *judgement) {
	var local []limit.Request
	for i, l := range applied {
		o := outcome{
			problem: verdict.CheckUnavailable, feature: featureLimits, rule: ruleLimitsUnavailable, limit: l.Spec.Name,
			reason: err.Error(),
		}
		switch {
		case l.OnRedisError == policy.OnErrorAllow:
		case l.OnRedisError == policy.OnErrorLocal:
			local = append(local, requests[i])
		case l.Report:
			j.report(o)
		default:
			j.refuse(o)
		}
	}
	if len(local) == 0 || j.outcome.denies() {
		return
	}
	results, err := s.o.Local.Admit(local)
	if err != nil {
		j.refuse(outcome{
			problem: verdict.CheckUnavailable, feature: featureLimits, rule: ruleLimitsUnavailable, reason: err.Error(),
		})
		return
	}
	settle(results, j)
}
