package policy

import (
	"slices"
	"strings"

	authzpolicy "gatehouse/authz/policy"
)

// features are a policy's settings with all that it extends filled in, and the
// policies from the policy itself up to the last ancestor.
type features struct {
	rawFeatures
	// depth says how far up session.require and limits were written: 0 at the
	// policy (or route) itself. Where nobody wrote them it is unwritten.
	sessionDepth, limitsDepth int
}

const unwritten = 1 << 20

// family resolves "extends".
type family struct {
	d        *decoder
	policies map[string]named[rawPolicy]
	names    []string // in the order of the file
	done     map[string]features
}

func newFamily(d *decoder, policies []named[rawPolicy]) *family {
	f := &family{d: d, policies: map[string]named[rawPolicy]{}, done: map[string]features{}}
	for _, p := range policies {
		checkName(d, p.keyAt, "a policy", p.name)
		f.policies[p.name] = p
		f.names = append(f.names, p.name)
	}
	return f
}

// resolve merges a policy with its ancestors. chain holds the policies that are
// being resolved, youngest first in the document's sense.
func (f *family) resolve(name string, chain []string) features {
	if done, ok := f.done[name]; ok {
		return done
	}
	p := f.policies[name]
	out := rooted(p.v.rawFeatures)
	if parent := p.v.extends; parent.set {
		if i := slices.Index(append(chain, name), parent.v); i >= 0 {
			circle := append(slices.Clone(append(chain, name)[i:]), parent.v)
			f.d.fail(parent.at, "a policy extends itself", strings.Join(circle, " -> "), "remove one of these extends")
		} else if _, ok := f.policies[parent.v]; !ok {
			f.d.fail(parent.at, "extends an unknown policy", parent.v, suggest(parent.v, f.names, "policy"))
		} else {
			out = inherit(p.v.rawFeatures, f.resolve(parent.v, append(chain, name)))
		}
	}
	f.done[name] = out
	return out
}

func rooted(raw rawFeatures) features {
	out := features{rawFeatures: raw, sessionDepth: unwritten, limitsDepth: unwritten}
	if raw.session.v.require.set {
		out.sessionDepth = 0
	}
	if raw.limits.set {
		out.limitsDepth = 0
	}
	return out
}

// inherit fills in what raw does not say: by field, single headers by name;
// lists and limits are taken over whole or not at all.
func inherit(raw rawFeatures, parent features) features {
	out := rooted(raw)
	out.headers = inheritHeaders(raw.headers, parent.headers)
	out.cors = inheritCORS(raw.cors, parent.cors)
	out.csrf = inheritCSRF(raw.csrf, parent.csrf)
	out.session = inheritSession(raw.session, parent.session)
	out.uploads = inheritUploads(raw.uploads, parent.uploads)
	out.consent = inheritConsent(raw.consent, parent.consent)
	out.limits = raw.limits.or(parent.limits)
	if out.sessionDepth == unwritten && parent.sessionDepth != unwritten {
		out.sessionDepth = parent.sessionDepth + 1
	}
	if out.limitsDepth == unwritten && parent.limitsDepth != unwritten {
		out.limitsDepth = parent.limitsDepth + 1
	}
	return out
}

func inheritCORS(own, parent value[rawCORS]) value[rawCORS] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	c, p := &own.v, parent.v
	c.mode, c.origins, c.methods = c.mode.or(p.mode), c.origins.or(p.origins), c.methods.or(p.methods)
	c.allow, c.expose, c.credentials = c.allow.or(p.allow), c.expose.or(p.expose), c.credentials.or(p.credentials)
	c.maxAge, c.privateNetwork, c.debug = c.maxAge.or(p.maxAge), c.privateNetwork.or(p.privateNetwork), c.debug.or(p.debug)
	return own
}

func inheritCSRF(own, parent value[rawCSRF]) value[rawCSRF] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	own.v.mode, own.v.trust = own.v.mode.or(parent.v.mode), own.v.trust.or(parent.v.trust)
	return own
}

func inheritSession(own, parent value[rawSession]) value[rawSession] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	s, p := &own.v, parent.v
	s.mode, s.require = s.mode.or(p.mode), s.require.or(p.require)
	s.maxIdle, s.maxAge, s.audience = s.maxIdle.or(p.maxIdle), s.maxAge.or(p.maxAge), s.audience.or(p.audience)
	s.apiKeyScope = s.apiKeyScope.or(p.apiKeyScope)
	s.maxSessions, s.whenFull, s.cache = s.maxSessions.or(p.maxSessions), s.whenFull.or(p.whenFull), s.cache.or(p.cache)
	if s.require.v != string(authzpolicy.SessionRequired) {
		return own // what only a required session can have is not asked for any more
	}
	s.maxAuthAge, s.secondFactor = s.maxAuthAge.or(p.maxAuthAge), s.secondFactor.or(p.secondFactor)
	s.passkey = s.passkey.or(p.passkey)
	s.roles, s.scopes = s.roles.or(p.roles), s.scopes.or(p.scopes)
	return own
}

func inheritUploads(own, parent value[rawUploads]) value[rawUploads] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	u, p := &own.v, parent.v
	u.mode, u.allow = u.mode.or(p.mode), u.allow.or(p.allow)
	u.maxFile, u.maxRequest, u.maxFiles = u.maxFile.or(p.maxFile), u.maxRequest.or(p.maxRequest), u.maxFiles.or(p.maxFiles)
	u.maxUnpacked, u.maxPixels = u.maxUnpacked.or(p.maxUnpacked), u.maxPixels.or(p.maxPixels)
	u.onUncertain, u.fields = u.onUncertain.or(p.onUncertain), u.fields.or(p.fields)
	if u.pdf.set && p.pdf.set {
		u.pdf.v.uri, u.pdf.v.gotoRemote = u.pdf.v.uri.or(p.pdf.v.uri), u.pdf.v.gotoRemote.or(p.pdf.v.gotoRemote)
	}
	u.pdf = u.pdf.or(p.pdf)
	u.scan = inheritScan(u.scan, p.scan)
	return own
}
