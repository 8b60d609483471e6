package extauthz

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/authz/policy"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// shortfall is what a valid session lacks for a policy, in words that the client
// may hear: it can do something about it.
type shortfall struct {
	missing string // the member of the problem document
	// challenge are the parameters of WWW-Authenticate behind the realm.
	challenge string
	// query are those of the sign-in page; empty if signing in does not help.
	query string
}

// stepUp returns why a valid session is not enough, if it is not.
func stepUp(demand *policy.SessionDemand, s *session.Session, now time.Time) outcome {
	want := &demand.StepUp
	age := now.Sub(s.AuthTime)
	switch {
	case len(want.Roles) > 0 && !slices.ContainsFunc(want.Roles, func(r string) bool { return slices.Contains(s.Roles, r) }):
		return outcome{
			problem: verdict.Forbidden, feature: featureSession, rule: ruleRoleMissing,
			reason: fmt.Sprintf("the session has none of the roles %q", want.Roles), lacks: shortfall{missing: "role"},
		}
	case !containsAll(s.Scopes, want.Scopes):
		return outcome{
			problem: verdict.Forbidden, feature: featureSession, rule: ruleScopeMissing,
			reason: fmt.Sprintf("the session does not have all of the scopes %q", want.Scopes),
			// RFC 6750 section 3.1.
			lacks: shortfall{missing: "scope", challenge: `error="insufficient_scope", scope="` + strings.Join(want.Scopes, " ") + `"`},
		}
	case want.Passkey != policy.PasskeyNone && !byPasskey(want.Passkey, s.AMR):
		return outcome{
			problem: verdict.StepUpRequired, feature: featureSession, rule: ruleStepUpRequired,
			reason: fmt.Sprintf("the session was begun with %q, and a passkey (%s) is asked for", s.AMR, want.Passkey),
			// The names of OpenID's Enhanced Authentication Profile, section 4.
			lacks: shortfall{
				missing: passkeyOf[want.Passkey], challenge: `error="insufficient_user_authentication", acr_values="` + acrOf[want.Passkey] + `"`,
				query: "step_up=" + passkeyOf[want.Passkey],
			},
		}
	case want.SecondFactor && !twoFactors(s.AMR):
		return outcome{
			problem: verdict.StepUpRequired, feature: featureSession, rule: ruleStepUpRequired,
			reason: fmt.Sprintf("the session was begun with %q, which is not two factors", s.AMR),
			// RFC 9470 section 3.
			lacks: shortfall{
				missing: "second_factor", challenge: `error="insufficient_user_authentication", acr_values="mfa"`,
				query: "step_up=second_factor",
			},
		}
	case want.MaxAuthAge > 0 && age > want.MaxAuthAge:
		seconds := strconv.FormatInt(int64(want.MaxAuthAge/time.Second), 10)
		return outcome{
			problem: verdict.StepUpRequired, feature: featureSession, rule: ruleStepUpRequired,
			reason: fmt.Sprintf("the user proved who they are %s ago, more than %s", age.Round(time.Second), want.MaxAuthAge),
			lacks: shortfall{
				missing: "recent_sign_in", challenge: `error="insufficient_user_authentication", max_age="` + seconds + `"`,
				query: "step_up=recent_sign_in",
			},
		}
	}
	return outcome{}
}

// passkeyOf is what is missing: who has signed in with a passkey that is copied
// between devices must not be told to do the same again.
var passkeyOf = map[policy.Passkey]string{policy.PasskeyAny: "passkey", policy.PasskeyDeviceBound: "device_bound_passkey"}

var acrOf = map[policy.Passkey]string{policy.PasskeyAny: "phr", policy.PasskeyDeviceBound: "phrh"}

// byPasskey says whether a key that no phishing gets was used (RFC 8176: "hwk" lies
// in hardware, "swk" is copied between a person's devices).
func byPasskey(which policy.Passkey, amr []string) bool {
	return slices.Contains(amr, "hwk") || which == policy.PasskeyAny && slices.Contains(amr, "swk")
}

func containsAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
}

// kindOf tells the methods of RFC 8176 apart by what they prove: that the user
// knows, has or is something. Others prove nothing that counts here.
var kindOf = map[string]byte{
	"pwd": 'k', "pin": 'k', "kba": 'k',
	"otp": 'h', "hwk": 'h', "swk": 'h', "sc": 'h', "sms": 'h', "tel": 'h', "pop": 'h',
	"face": 'i', "fpt": 'i', "iris": 'i', "retina": 'i', "vbm": 'i',
}

// twoFactors says whether methods of two kinds were used, or who signed the user
// in says so.
func twoFactors(amr []string) bool {
	var first byte
	for _, method := range amr {
		if method == "mfa" {
			return true
		}
		kind := kindOf[method]
		switch {
		case kind == 0:
		case first == 0:
			first = kind
		case kind != first:
			return true
		}
	}
	return false
}
