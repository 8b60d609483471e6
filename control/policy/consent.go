package policy

import (
	authzpolicy "gatehouse/authz/policy"
)

// rawConsent is a demand for the user's consent.
type rawConsent struct {
	mode, purpose value[string]
	gpc           value[bool]
}

// consentKind takes "require_consent: news" for "require_consent: {purpose: news}".
func consentKind() kind[rawConsent] {
	full := object(
		key("mode", modeDoc, mode(), func(c *rawConsent) *value[string] { return &c.mode }),
		key("purpose", "what the consent must be for: newsletter", text(), func(c *rawConsent) *value[string] { return &c.purpose }),
		key("gpc", "whether Global Privacy Control (Sec-GPC: 1) is an objection to it", boolean(), func(c *rawConsent) *value[bool] { return &c.gpc }),
	)
	return kind[rawConsent]{
		schema: schema{"oneOf": []schema{text().schema, full.schema}},
		read: func(d *decoder, n *node) (rawConsent, bool) {
			if n.kind == mappingNode {
				return full.read(d, n)
			}
			v, ok := text().read(d, n)
			return rawConsent{purpose: value[string]{v: v, at: n.at, set: ok}}, ok
		},
	}
}

func inheritConsent(own, parent value[rawConsent]) value[rawConsent] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	own.v.mode, own.v.purpose, own.v.gpc = own.v.mode.or(parent.v.mode), own.v.purpose.or(parent.v.purpose), own.v.gpc.or(parent.v.gpc)
	return own
}

func consent(raw value[rawConsent], t trace) authzpolicy.Consent {
	if !raw.set {
		return authzpolicy.Consent{}
	}
	t["consent"] = raw.at
	return authzpolicy.Consent{
		Mode:    authzpolicy.Mode(put(t, "consent.mode", raw.v.mode)),
		Purpose: put(t, "consent.purpose", raw.v.purpose),
		GPC:     put(t, "consent.gpc", raw.v.gpc),
	}
}

// consentable demands of a policy that requests meet that there is somebody who
// could have consented.
func (k *compiler) consentable(name string, f features) {
	p := k.out.Authz.Policies[name]
	if !f.consent.set || p.Consent.Mode == authzpolicy.Off {
		return
	}
	at := f.consent.at
	if f.consent.v.purpose.set {
		at = f.consent.v.purpose.at
	} else if !k.d.blamed(at.path) {
		k.d.fail(at, "a consent without a purpose", "", "write require_consent: newsletter")
	}
	if p.Session.Require != authzpolicy.SessionNone && p.Session.Mode != authzpolicy.Off || k.d.blamed(at.path) {
		return
	}
	k.d.fail(at, "requires consent, but the policy has no session, so there never is a user who could have given it", p.Consent.Purpose,
		"write session: required or optional, or leave require_consent out")
}
