package policy

import (
	"time"

	"gatehouse/authz/limit"
	"gatehouse/authz/session"
)

// Set is a compiled Config. It never changes after Compile.
type Set struct {
	version  string
	policies map[string]*Compiled
	rules    []rule
	fallback *Compiled // of DefaultPolicy; nil refuses
	signIn   Lifetimes
}

// Lifetimes are what sign-in grants to a new session.
type Lifetimes struct {
	Idle, Absolute time.Duration
	Cap            session.Cap
	Bind           session.Binding
	Durability     session.Durability
}

// Compiled is one policy, ready to be enforced.
type Compiled struct {
	Name    string
	Session SessionDemand
	Consent ConsentDemand
	Limits  []CompiledLimit // those that are not off
}

// SessionDemand is what a policy asks of the request's session. A MaxIdle or
// MaxAge of 0 leaves what sign-in granted. Where the feature is off or the
// requirement none, Require is SessionNone.
type SessionDemand struct {
	Require         Require
	Report          bool // decide and record, but let through
	MaxIdle, MaxAge time.Duration
	Cap             session.Cap
	Fresh           bool // ask Redis, whatever a cache knows
}

// Looks says whether a token in the request is to be looked up at all.
func (d SessionDemand) Looks() bool { return d.Require != SessionNone }

// ConsentDemand is what a policy asks of the user's consent; without a Purpose,
// nothing.
type ConsentDemand struct {
	Purpose string
	GPC     bool // Sec-GPC: 1 is an objection
	Report  bool // decide and record, but let through
}

// CompiledLimit is one limit that is enforced or reported.
type CompiledLimit struct {
	// Scope names the counter: equal for limits of equal definition, so that
	// two policies that share a limit share its budget, and a limit with other
	// numbers starts a counter of its own instead of misreading the old one.
	Scope        string
	Report       bool
	ByIP, ByUser bool
	OnRedisError OnRedisError
	// Spec is for the limiter. Its Name is the limit's, and tells what it counts
	// by as well where the policy has several limits of one name.
	Spec limit.Spec
}

// Version is the one that control gave to the whole compilation.
func (s *Set) Version() string { return s.version }

// SignIn is what a new session gets.
func (s *Set) SignIn() Lifetimes { return s.signIn }

// Len is the number of policies.
func (s *Set) Len() int { return len(s.policies) }

// Lookup finds a policy by name.
func (s *Set) Lookup(name string) (*Compiled, bool) {
	p, ok := s.policies[name]
	return p, ok
}

// Select finds the policy of a request by the rules, then the default. host
// may carry a port and any letter case; path is Envoy's, normalised, without
// the query. It is false where nothing applies: the request is to be refused.
func (s *Set) Select(host, path, method string) (*Compiled, bool) {
	for i := range s.rules {
		if s.rules[i].matches.Matches(method, host, path) {
			return s.rules[i].policy, true
		}
	}
	return s.fallback, s.fallback != nil
}
