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
	// howToSignIn is the rest of it, as it was written.
	howToSignIn SignIn
	page        string
	pageUnsaid  bool
	federation  Federation
}

// Lifetimes are what sign-in grants to a new session.
type Lifetimes struct {
	Idle, Absolute time.Duration
	Cap            session.Cap
	Bind           session.Binding
	Durability     session.Durability
	// Note is as of session.Rules: a minute, or less if a policy has a short MaxIdle.
	Note time.Duration
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
	// APIKeyScope is the scope with which an API key stands for a session; empty:
	// none does.
	APIKeyScope string
	StepUp      StepUp
	Audience    string // of the assertion; empty means the route's upstream
}

// Passkey says with which passkeys a session must have been begun.
type Passkey string

const (
	PasskeyNone        Passkey = ""             // with none, or any other proof
	PasskeyAny         Passkey = "any"          // also one that its maker copies between devices
	PasskeyDeviceBound Passkey = "device_bound" // one that cannot leave its device
)

// StepUp is what a session must have beyond being valid; the zero value is
// nothing.
type StepUp struct {
	MaxAuthAge   time.Duration // since the user last proved who they are
	SecondFactor bool
	Passkey      Passkey
	Roles        []string // any one of these
	Scopes       []string // all of these
}

// Asks says whether a valid session alone is not enough.
func (s StepUp) Asks() bool {
	return s.MaxAuthAge > 0 || s.SecondFactor || s.Passkey != PasskeyNone || len(s.Roles) > 0 || len(s.Scopes) > 0
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
	Scope string
	// Key is the scope as limit.Key writes it.
	Key          string
	Report       bool
	ByIP, ByUser bool
	OnRedisError OnRedisError
	// Spec is for the limiter. Its Name is the limit's, and tells what it counts
	// by as well where the policy has several limits of one name.
	Spec limit.Spec
	// Lease is as in limit.Request.
	Lease int64
}

// Version is the one that control gave to the whole compilation.
func (s *Set) Version() string { return s.version }

// SignIn is what a new session gets.
func (s *Set) SignIn() Lifetimes { return s.signIn }

// Federation is who else signs people in.
func (s *Set) Federation() Federation { return s.federation }

// SignInPage is the path to which people's browsers are sent who need a
// session; empty sends nobody.
func (s *Set) SignInPage() string { return s.page }

// withPage is s with page where its policy does not say which.
func (s *Set) withPage(page string) *Set {
	if s == nil || !s.pageUnsaid || page == "" {
		return s
	}
	other := *s
	other.page = page
	return &other
}

// HowToSignIn is how people sign in. Its lists are not to be changed.
func (s *Set) HowToSignIn() SignIn { return s.howToSignIn }

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
