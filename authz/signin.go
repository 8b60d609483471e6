package authz

import (
	"net/http"
	"time"

	"gatehouse/authz/extauthz"
	"gatehouse/authz/login"
	"gatehouse/authz/policy"
	"gatehouse/authz/session"
)

// signIn is the handler of /auth/; nil if nobody can sign in here.
func (s *server) signIn() http.Handler {
	if s.o.Users == nil {
		s.o.Log.Warn("no store of users is set: /auth/ is not served")
		return nil
	}
	hasher := s.o.Hasher
	if hasher == nil {
		hasher = login.NewHasher(login.DefaultParams(), login.DefaultHashMemoryKiB)
	}
	return login.Handler(login.Options{
		Authenticator: login.NewAuthenticator(s.o.Users, hasher),
		Sessions:      s.sessions,
		Events:        s.events,
		Pseudonyms:    s.names,
		Lifetimes:     s.lifetimes,
		ClientIP:      func(r *http.Request) string { return clientIP(r, extauthz.ClientHeader) },
		Log:           s.o.Log,
	})
}

// sessionRules follow the policy, as lifetimes do.
func (s *server) sessionRules() session.Rules {
	if s.policy == nil {
		return session.Rules{}
	}
	set := s.policy.Current()
	if set == nil {
		return session.Rules{}
	}
	life := set.SignIn()
	return session.Rules{Durability: life.Durability, Cap: life.Cap, Bind: life.Bind}
}

// lifetimes follow the policy; before there is one, its defaults count.
func (s *server) lifetimes() (idle, absolute time.Duration) {
	life := policy.DefaultLifetimes()
	if set := s.policy.Current(); set != nil {
		life = set.SignIn()
	}
	return life.Idle, life.Absolute
}
