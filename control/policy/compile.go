package policy

import (
	"slices"

	authzpolicy "gatehouse/authz/policy"
	filterpolicy "gatehouse/filter/policy"
)

// compiler turns the document into what the rooms read.
type compiler struct {
	d      *decoder
	raw    rawFile
	family *family
	out    *Compiled
	// used are the policies and upstreams that a route or auth names.
	used map[string]bool
	// scanned tells that a policy has files scanned.
	scanned bool
}

func (k *compiler) compile() {
	k.builtIn()
	for _, name := range k.family.names {
		k.effective(name, k.family.resolve(name, nil))
	}
	k.envoy()
	k.upstreams()
	k.redis()
	k.signIn()
	k.auth()
	k.control()
	k.scanner()
	k.alerts()
	k.routes()
	k.privacy()
	k.unused()
	k.scanService()
	if len(k.d.errs) == 0 {
		k.seal()
	}
}

// builtIn adds the policies that are there without a line of the user's.
func (k *compiler) builtIn() {
	strict := filterpolicy.Policy{Headers: &filterpolicy.Headers{Preset: "strict"}}
	k.out.Filter.Policies[DefaultPolicy] = strict
	k.out.Filter.Policies[AuthPolicy] = strict
	k.out.Authz.Policies[AuthPolicy] = authzpolicy.Policy{
		Session: authzpolicy.Session{Require: authzpolicy.SessionNone},
		Limits: []authzpolicy.Limit{{
			Name: "sign_in", By: []string{"ip"}, Requests: 60, WindowMillis: 60_000,
			Algorithm: authzpolicy.SlidingWindow, OnRedisError: authzpolicy.OnErrorDeny,
		}},
	}
	// What no route matches is answered 404 under this policy.
	k.out.Authz.Policies[DefaultPolicy] = authzpolicy.Policy{Session: authzpolicy.Session{Require: authzpolicy.SessionNone}}
}

// effective compiles one policy as it is enforced.
func (k *compiler) effective(name string, f features) {
	t := trace{}
	k.out.origins[name] = t
	k.out.Filter.Policies[name] = filterpolicy.Policy{
		Headers: k.headers(f.headers, t), CORS: k.cors(f.cors, t), CSRF: k.csrf(f.csrf, t), Uploads: k.uploads(f.uploads, t),
	}
	p := authzpolicy.Policy{Session: session(f.session, t), Consent: consent(f.consent, t), Limits: k.limits(f.limits, t)}
	k.out.Authz.Policies[name] = p
	k.judgeAuthz(p, t)
}

// enforced checks what matters only for a policy that requests meet: it may be
// incomplete as long as it is only extended or overridden.
func (k *compiler) enforced(name string, f features) {
	k.used["policy "+name] = true
	session := k.out.Authz.Policies[name].Session
	k.consentable(name, f)
	if session.Require != authzpolicy.SessionNone && session.Mode != authzpolicy.Off || f.sessionDepth < f.limitsDepth {
		return
	}
	for _, l := range f.limits.v {
		if slices.ContainsFunc(l.v.by.v, func(by value[string]) bool { return by.v == "user" }) {
			k.d.fail(l.v.by.at, "a limit by user, but the policy has no session, so there never is a user", "user",
				"write session: required or optional, or limit by ip")
		}
	}
}

func (k *compiler) auth() {
	k.out.AuthPolicy = AuthPolicy
	if named := k.raw.auth.v.policy; named.set {
		if !k.policyExists(named) {
			return
		}
		k.out.AuthPolicy = named.v
		f := k.family.resolve(named.v, nil)
		k.enforced(named.v, f)
		if f.session.v.require.v == string(authzpolicy.SessionRequired) && f.session.v.mode.v != string(authzpolicy.Off) {
			k.d.fail(named.at, "requires a session of those who want to sign in", named.v, "name a policy with session: none or optional")
		}
	}
	k.rule(Route{PathPrefix: AuthPrefix, Policy: k.out.AuthPolicy})
}

func (k *compiler) policyExists(ref value[string]) bool {
	if _, ok := k.family.policies[ref.v]; ok {
		return true
	}
	k.d.fail(ref.at, "unknown policy", ref.v, suggest(ref.v, k.family.names, "policy"))
	return false
}

// rule tells the rooms what to do where a route carries no metadata.
func (k *compiler) rule(r Route) {
	k.out.Filter.Rules = append(k.out.Filter.Rules, filterpolicy.Rule{
		Hosts: r.Hosts, Path: r.Path, PathPrefix: r.PathPrefix, Methods: r.Methods, Policy: r.Policy,
	})
	k.out.Authz.Rules = append(k.out.Authz.Rules, authzpolicy.Rule{
		Hosts: r.Hosts, Path: r.Path, PathPrefix: r.PathPrefix, Methods: r.Methods, Policy: r.Policy,
	})
}

func (k *compiler) unused() {
	extended := map[string]bool{}
	for _, p := range k.raw.policies.v {
		extended[p.v.extends.v] = true
	}
	for _, p := range k.raw.policies.v {
		if !k.used["policy "+p.name] && !extended[p.name] {
			k.d.warn(p.keyAt, "no route uses this policy", p.name, "")
		}
	}
	for _, u := range k.raw.upstreams.v {
		if !k.used["upstream "+u.name] {
			k.d.warn(u.keyAt, "no route uses this upstream", u.name, "")
		}
	}
}
