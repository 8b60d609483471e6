package extauthz

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"gatehouse/authz/assertion"
	"gatehouse/authz/extauthz/store"
	"gatehouse/authz/limit"
	"gatehouse/authz/policy"
	"gatehouse/filter/verdict"
)

// storeWithin bounds each question to Redis beside the Store's. A Check asks the
// Store, where consent is required that too, and for an API key its holder; Envoy
// waits 500 ms.
const storeWithin = 150 * time.Millisecond

// Store knows whose a session is and counts limits, in one round trip;
// *store.Store does.
type Store interface {
	Ask(ctx context.Context, q store.Query) store.Answer
}

// Consents knows what users have consented to; *consent.Consents does.
type Consents interface {
	Given(ctx context.Context, userID, purpose string) (bool, error)
}

// Options are what a Service works with; all but the functions are needed.
type Options struct {
	Policy   *policy.Source
	Store    Store
	Keys     Keys // nil: API keys open nothing
	Consents Consents
	// GiveBack takes places of concurrency limits, of requests that are refused; nil
	// leaves them until their time has run out. It does not wait.
	GiveBack func(...limit.Hold)
	// Refusals hear of what limits refuse; nil keeps none.
	Refusals *limit.Refusals
	// Assertions vouch to the upstream for the user; nil vouches for nobody.
	Assertions *assertion.Issuer
	// Local counts for limits that say on_redis_error: local, and Members is how
	// many replicas share them, as last known; nil means one.
	Local   *limit.Local
	Members func() int64
	// Subject makes the pseudonym of a user id.
	Subject func(userID string) string
	Now     func() time.Time
	Log     *slog.Logger
	Metrics *Metrics
	// Disagreed, if set, hears once of each version that Envoy has been using
	// for longer than five seconds and authz has not.
	Disagreed func(loaded, foreign string)
}

// Service implements envoy.service.auth.v3.Authorization.
type Service struct {
	authv3.UnimplementedAuthorizationServer
	o            Options
	disagreement *policy.Disagreement
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{o: o, disagreement: policy.NewDisagreement(o.Now)}
	o.Metrics.disagreement(func() float64 {
		if set := o.Policy.Current(); set != nil {
			return float64(s.disagreement.Active(set.Version()))
		}
		return 0
	})
	return s
}

// Check decides one request. It returns no error: what went wrong is an answer.
func (s *Service) Check(ctx context.Context, in *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	r := read(ctx, in)
	return s.check(ctx, &r)
}

func (s *Service) check(ctx context.Context, r *request) (*authv3.CheckResponse, error) {
	start := s.o.Now()
	c := r.credentials()
	var j judgement
	s.judge(ctx, r, &c, &j)
	decision, o := j.told()
	s.o.Metrics.observe(decision, o, s.o.Now().Sub(start))
	if j.outcome.denies() {
		if s.o.GiveBack != nil {
			s.o.GiveBack(j.holds...)
		}
		j.holds = nil
		return denied(r, &j), nil
	}
	return allowed(r, &c, &j), nil
}

func (s *Service) judge(ctx context.Context, r *request, c *credentials, j *judgement) {
	p := s.policyOf(ctx, r, j)
	if p == nil {
		return
	}
	j.policy = p.Name
	if !r.usable() {
		j.refuse(outcome{
			problem: verdict.Forbidden, feature: featurePolicy, rule: rulePathUnusable,
			reason: fmt.Sprintf("%.16s request without a path that a policy can apply to", r.method),
		})
		return
	}
	var t tally
	refusal := s.session(ctx, p, r, c, j, &t)
	if refusal.problem == verdict.CheckUnavailable {
		j.refuse(refusal)
		return
	}
	// Who has no session is counted all the same, or guessing tokens were free.
	s.settle(&t, j)
	if !refusal.denies() {
		refusal = s.consent(ctx, p, r, j)
	}
	if refusal.denies() {
		j.refuse(refusal)
	}
	if !j.outcome.denies() {
		s.introduce(p, r, j)
	}
}

// policyOf chooses the policy: by the route's context extensions, else by the
// rules, else the default. It is nil after a refusal.
func (s *Service) policyOf(ctx context.Context, r *request, j *judgement) *policy.Compiled {
	set := s.o.Policy.Current()
	if set == nil {
		if set = s.refresh(ctx); set == nil {
			j.refuse(outcome{
				problem: verdict.CheckUnavailable, feature: featurePolicy, rule: rulePolicyUnavailable,
				reason: "no policy has been loaded yet",
			})
			return nil
		}
	}
	p := s.find(r, set, j)
	if p == nil && !j.outcome.denies() {
		if set = s.refresh(ctx); set != nil {
			p = s.find(r, set, j)
		}
	}
	j.version = set.Version()
	if !r.signIn {
		j.signInPage = set.SignInPage()
	}
	s.compare(r, set)
	if p == nil && !j.outcome.denies() {
		j.policy = bounded(r.policy)
		j.refuse(outcome{
			problem: verdict.CheckUnavailable, feature: featurePolicy, rule: ruleUnknownPolicy,
			reason: fmt.Sprintf("policy %.128q is not in version %s", r.policy, set.Version()),
		})
	}
	return p
}

func (s *Service) find(r *request, set *policy.Set, j *judgement) *policy.Compiled {
	if r.policy != "" {
		p, _ := set.Lookup(r.policy)
		return p
	}
	if r.disguised() {
		j.refuse(outcome{
			problem: verdict.Forbidden, feature: featurePolicy, rule: rulePathDisguised,
			reason: "the path has encoded or empty segments, and no route names the policy",
		})
		return nil
	}
	p, _ := set.Select(r.host, r.path, r.method)
	return p
}

func (s *Service) refresh(ctx context.Context) *policy.Set {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	return s.o.Policy.Refresh(ctx)
}

// compare notices an Envoy that works by another version. It costs a comparison
// while they agree.
func (s *Service) compare(r *request, set *policy.Set) {
	if r.version == "" || r.version == set.Version() {
		return
	}
	s.o.Policy.Nudge()
	if !s.disagreement.Seen(set.Version(), bounded(r.version)) {
		return
	}
	s.o.Log.Warn("Envoy and authz work by different policies", "authz", set.Version(), "envoy", bounded(r.version))
	if s.o.Disagreed != nil {
		s.o.Disagreed(set.Version(), bounded(r.version))
	}
}
