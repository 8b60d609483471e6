package extauthz

import (
	"errors"
	"fmt"

	"gatehouse/authz/extauthz/store"
	"gatehouse/authz/limit"
	"gatehouse/authz/policy"
	"gatehouse/filter/verdict"
)

// tally is what became of the limits that apply to a request.
type tally struct {
	applied []applied
	counted bool // not if nobody was asked
}

// applied is a limit that applies.
type applied struct {
	limit   *policy.CompiledLimit
	request limit.Request
	store.Counted
	skipped bool // by user, and there is none
}

// apply writes into the query the limits whose key the request has. One by user
// needs the handle of one; whether the request is really theirs is not known yet.
func (t *tally) apply(p *policy.Compiled, r *request, handle string, q *store.Query) {
	if len(p.Limits) == 0 {
		return
	}
	t.applied = make([]applied, 0, len(p.Limits))
	client := limit.Key(limit.ClientKey(r.clientIP, limit.DefaultIPv6Prefix))
	for i := range p.Limits {
		l := &p.Limits[i]
		if l.ByUser && handle == "" {
			continue
		}
		request := requestOf(l, client, handle)
		t.applied = append(t.applied, applied{limit: l, request: request})
		if l.ByUser {
			q.UserLimits = append(q.UserLimits, request)
		} else {
			q.Limits = append(q.Limits, request)
		}
	}
}

// requestOf separates the counters: those of a user share the slot of the user's
// sessions, those of an address one of its own. The scope says by what, so that an
// address can never be taken for a user.
func requestOf(l *policy.CompiledLimit, client, handle string) limit.Request {
	request := limit.Request{Spec: l.Spec, Shadow: l.Report, Slot: client, Key: l.Key, Lease: l.Lease}
	if l.ByUser {
		request.Slot = handle
	}
	if l.ByUser && l.ByIP {
		request.Key += "|" + client
	}
	return request
}

// answer takes what the store says of each.
func (t *tally) answer(a *store.Answer) {
	limits, users := a.Limits, a.UserLimits
	for i := range t.applied {
		one := &t.applied[i]
		from := &limits
		if one.limit.ByUser {
			from = &users
		}
		if len(*from) == 0 {
			one.skipped = true
			continue
		}
		one.Counted, *from = (*from)[0], (*from)[1:]
		t.counted = true
	}
}

// settle draws the conclusions.
func (s *Service) settle(t *tally, j *judgement) {
	if !t.counted {
		return
	}
	results := make([]limit.Result, 0, len(t.applied))
	var local []limit.Request
	failed := false
	for i := range t.applied {
		one := &t.applied[i]
		switch {
		case one.skipped:
		case one.Err == nil:
			results = append(results, one.Result)
			if one.Hold.Held() {
				j.holds = append(j.holds, one.Hold)
			}
			if !one.Allowed {
				s.o.Refusals.Note([]limit.Request{one.request}, results[len(results)-1:])
			}
		default:
			failed = true
			if s.uncounted(one, j) {
				local = append(local, one.request)
			}
		}
	}
	if failed {
		s.o.Metrics.unavailable(featureLimits)
	}
	if len(local) > 0 && !j.outcome.denies() {
		here, err := s.countHere(local)
		if err != nil {
			j.refuse(outcome{
				problem: verdict.CheckUnavailable, feature: featureLimits, rule: ruleLimitsUnavailable, reason: err.Error(),
			})
			return
		}
		results = append(results, here...)
	}
	if len(results) > 0 {
		judge(results, j)
	}
}

func judge(results []limit.Result, j *judgement) {
	for i := range results {
		result := &results[i]
		if result.Allowed {
			continue
		}
		o := outcome{
			problem: verdict.TooManyRequests, feature: featureLimits, rule: ruleLimitExceeded, limit: result.Name,
			reason: exceeded(result),
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

func exceeded(r *limit.Result) string {
	if r.Algorithm == limit.Concurrency {
		return fmt.Sprintf("more than %d requests at once", r.Limit)
	}
	return fmt.Sprintf("more than %d requests in %s", r.Limit, r.Window)
}

// uncounted does what a limit says for the time without Redis, and is true if it is
// to be counted here.
func (s *Service) uncounted(one *applied, j *judgement) bool {
	o := outcome{
		problem: verdict.CheckUnavailable, feature: featureLimits, rule: ruleLimitsUnavailable, limit: one.limit.Spec.Name,
		reason: one.Err.Error(),
	}
	switch {
	case one.limit.OnRedisError == policy.OnErrorAllow && !errors.Is(one.Err, limit.ErrSpec):
	case one.limit.OnRedisError == policy.OnErrorLocal:
		return true
	case one.limit.Report:
		j.report(o)
	default:
		j.refuse(o)
	}
	return false
}

// countHere counts against this replica's share of each limit, so that all replicas
// together never admit more than the limit.
func (s *Service) countHere(requests []limit.Request) ([]limit.Result, error) {
	members := int64(1)
	if s.o.Members != nil {
		members = max(1, s.o.Members())
	}
	for i := range requests {
		requests[i].Spec = requests[i].Spec.Share(members)
	}
	return s.o.Local.Admit(requests)
}
