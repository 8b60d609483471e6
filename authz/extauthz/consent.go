package extauthz

import (
	"context"
	"fmt"

	"gatehouse/authz/policy"
	"gatehouse/filter/verdict"
)

// gpcHeader is the signal of Global Privacy Control; only "1" is one, and its
// absence says nothing about what the person wants.
const gpcHeader = "sec-gpc"

// consent returns why the request is to be refused for want of consent, if it
// is. Nobody knows what a stranger has consented to: they have not.
func (s *Service) consent(ctx context.Context, p *policy.Compiled, r *request, j *judgement) outcome {
	demand := p.Consent
	if demand.Purpose == "" || j.outcome.denies() {
		return outcome{}
	}
	o := outcome{
		problem: verdict.ConsentRequired, feature: featureConsent, rule: ruleConsentMissing, purpose: demand.Purpose,
		reason: fmt.Sprintf("no consent for %.128q", demand.Purpose),
	}
	switch {
	case demand.GPC && r.objects():
		o.rule, o.reason = ruleConsentGPC, fmt.Sprintf("the request objects to %.128q (Sec-GPC: 1)", demand.Purpose)
	case j.unknown != nil:
		o.problem, o.rule, o.reason = verdict.CheckUnavailable, ruleConsentUnavailable, j.unknown.Error()
	case j.subject == "":
		o.reason += ": the request has no session"
	default:
		ctx, cancel := context.WithTimeout(ctx, storeWithin)
		defer cancel()
		given, err := s.o.Consents.Given(ctx, j.subject, demand.Purpose)
		if given && err == nil {
			return outcome{}
		}
		if err != nil {
			s.o.Metrics.unavailable(featureConsent)
			o.problem, o.rule, o.reason = verdict.CheckUnavailable, ruleConsentUnavailable, err.Error()
		}
	}
	if demand.Report {
		j.report(o)
		return outcome{}
	}
	return o
}

// objects says whether the request carries the signal.
func (r *request) objects() bool {
	for _, value := range r.all(gpcHeader) {
		if value == "1" {
			return true
		}
	}
	return false
}
