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
func (s *server) signIn() (http.Handler, error) {
	if s.o.Users == nil {
		s.o.Log.Warn("no store of users is set: /auth/ is not served")
		return nil, nil //nolint:nilnil // nobody can sign in, which is no error
	}
	hasher := s.o.Hasher
	if hasher == nil {
		hasher = login.NewHasher(login.DefaultParams(), login.DefaultHashMemoryKiB)
	}
	accounts, ok := s.o.Users.(login.Accounts)
	if ok && s.o.PseudonymKey.Empty() {
		// Secrets that are sealed with a key of this run alone would be lost.
		s.o.Log.Warn("no pseudonym key is set: there are no pages of sign-in, second factors, passkeys or API keys, attempts are not counted, " +
			"and whoever has a second factor cannot sign in; set GATEHOUSE_PSEUDONYM_KEY_FILE")
		accounts = nil
	}
	var key []byte
	if accounts != nil {
		key = s.o.PseudonymKey.Reveal()
	}
	return login.New(login.Options{
		Accounts: accounts, Redis: s.redis, Key: key, Settings: s.signInSettings, Mailer: s.o.Mailer, Now: s.o.Now,
		Authenticator: login.NewAuthenticator(s.o.Users, hasher),
		Sessions:      s.sessions,
		Events:        s.events,
		Pseudonyms:    s.names,
		Lifetimes:     s.lifetimes,
		ClientIP:      func(r *http.Request) string { return clientIP(r, extauthz.ClientHeader) },
		Log:           s.o.Log,
	})
}

// jwks is the handler of what verifies assertions; nil if none are made.
func (s *server) jwks() http.Handler {
	if s.assertions == nil {
		return nil
	}
	return s.assertions.JWKS()
}

// keys finds the holders of API keys; nil if there can be none.
func (s *server) keys() extauthz.Keys {
	accounts, ok := s.o.Users.(login.Accounts)
	if !ok {
		return nil
	}
	now := s.o.Now
	if now == nil {
		now = time.Now
	}
	return login.NewKeyring(accounts, now)
}

// signInSettings follow the policy as lifetimes do.
func (s *server) signInSettings() login.Settings {
	set := s.policy.Current()
	if set == nil {
		return login.Settings{}
	}
	how := set.HowToSignIn()
	return login.Settings{
		Site: how.Site, Origins: how.Origins, PasskeyDomain: how.PasskeyDomain, SignUp: how.SignUp, ThemeFile: how.ThemeFile,
		MinLength: int(how.Password.MinLength), Words: how.Password.ContextWords, Compromised: how.Password.CompromisedList,
	}
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
