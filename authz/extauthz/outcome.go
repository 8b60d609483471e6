package extauthz

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"gatehouse/authz/limit"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// The features that Check enforces, as they stand in events.
const (
	featureSession = "session"
	featureConsent = "consent"
	featureLimits  = "limits"
	featurePolicy  = "policy"
)

// The rules by which Check refuses. They are stable: the access log tells event
// types apart by them.
const (
	ruleSessionRequired    = "session_required"
	ruleSessionExpired     = "session_expired"
	ruleSessionUnavailable = "session_unavailable"
	ruleStepUpRequired     = "step_up_required"
	ruleRoleMissing        = "role_missing"
	ruleScopeMissing       = "scope_missing"
	ruleSessionReplaced    = "session_replaced" // a token after its rotation: stolen, or kept by mistake
	ruleConsentMissing     = "consent_missing"
	ruleConsentGPC         = "consent_gpc"
	ruleConsentUnavailable = "consent_unavailable"
	ruleLimitExceeded      = "limit_exceeded"
	ruleLimitsUnavailable  = "limits_unavailable"
	ruleUnknownPolicy      = "unknown_policy"
	rulePolicyUnavailable  = "policy_unavailable"
	rulePathUnusable       = "path_unusable"
	rulePathDisguised      = "path_disguised"
	ruleAssertionFailed    = "assertion_failed"
)

// outcome is a decision with its reason. The zero value allows.
type outcome struct {
	problem verdict.Problem // none allows
	feature string
	rule    string
	reason  string // precise, for the log alone
	limit   string // name of the limit
	purpose string // what consent is required for
	lacks   shortfall
}

func (o outcome) denies() bool { return o.problem != verdict.NoProblem }

// judgement is all that a Check found.
type judgement struct {
	holds []limit.Hold // places of concurrency limits that were taken

	outcome  outcome // what is answered
	reported outcome // what would have been refused, were its feature enforced

	policy, version string
	signInPage      string                      // empty: people's browsers are not sent anywhere
	subject         string                      // the user's id; only for the upstream
	session         session.Session             // the subject's
	identity        []*corev3.HeaderValueOption // what tells the upstream whose the request is
	pseudonym       string                      // the subject as events know it
	// unknown is why nobody knows whose the request is; nil if it is known, also
	// that it is nobody's.
	unknown error
	limits  limitFields
}

// limitFields are the header fields of the limits, empty if none was counted.
type limitFields struct {
	policy, state, retryAfter string
}

// report keeps the first finding of a feature that only reports.
func (j *judgement) report(o outcome) {
	if !j.reported.denies() {
		j.reported = o
	}
}

// refuse keeps the first refusal.
func (j *judgement) refuse(o outcome) {
	if !j.outcome.denies() {
		j.outcome = o
	}
}

// told is the outcome that the log is to hear of.
func (j *judgement) told() (verdict.Decision, outcome) {
	switch {
	case j.outcome.denies():
		return verdict.Deny, j.outcome
	case j.reported.denies():
		return verdict.Report, j.reported
	default:
		return verdict.Allow, outcome{}
	}
}

// holdsField is where the dynamic metadata names the places that the request has taken of
// concurrency limits: the access log's reader gives them back.
const holdsField = "gatehouse_holds"

// metadata is the dynamic metadata of every answer. Envoy keeps it under the
// filter's name, where the access log service finds it.
func (j *judgement) metadata() *structpb.Struct {
	decision, o := j.told()
	most := 4 // of a request that is allowed
	if o.denies() || len(j.holds) > 0 {
		most = 10
	}
	values := make([]struct {
		value structpb.Value
		text  structpb.Value_StringValue
	}, 0, most)
	fields := make(map[string]*structpb.Value, most)
	put := func(name, value string) {
		if value == "" {
			return
		}
		values = values[:len(values)+1]
		one := &values[len(values)-1]
		one.text.StringValue, one.value.Kind = value, &one.text
		fields[name] = &one.value
	}
	put("decision", string(decision))
	put("feature", o.feature)
	put("rule", o.rule)
	put("reason", o.reason)
	put("limit", o.limit)
	put("purpose", o.purpose)
	put("policy", j.policy)
	put("policy_version", j.version)
	put("subject", j.pseudonym)
	put(holdsField, limit.WriteHolds(j.holds))
	return &structpb.Struct{Fields: fields}
}
