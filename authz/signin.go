package authz

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"gatehouse/authz/extauthz"
	"gatehouse/authz/login"
	"gatehouse/authz/policy"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
)

// signIn is all of /auth/; nil if nobody can sign in here.
func (s *server) signIn() (*login.Site, error) {
	if s.o.Users == nil {
		s.o.Log.Warn("no store of users is set: /auth/ is not served")
		return nil, nil //nolint:nilnil // nobody can sign in, which is no error
	}
	hasher := s.o.Hasher
	if hasher == nil {
		hasher = login.NewHasher(login.DefaultParams(), login.DefaultHashMemoryKiB)
	}
	accounts := s.accounts()
	if _, ok := s.o.Users.(login.Accounts); ok && accounts == nil {
		// Secrets that are sealed with a key of this run alone would be lost.
		s.o.Log.Warn("no pseudonym key is set: there are no pages of sign-in, second factors, passkeys or API keys, attempts are not counted, " +
			"and whoever has a second factor cannot sign in; set GATEHOUSE_PSEUDONYM_KEY_FILE")
	}
	var key []byte
	if accounts != nil {
		key = s.o.PseudonymKey.Reveal()
	}
	return login.New(login.Options{
		Accounts: accounts, Redis: s.redis, Key: key, Settings: s.signInSettings, Mailer: s.o.Mailer, Now: s.o.Now,
		Federation: s.federation, ProviderSecret: s.providerSecret,
		Authenticator: login.NewAuthenticator(s.o.Users, hasher),
		Sessions:      s.sessions,
		Events:        s.events,
		Pseudonyms:    s.names,
		Lifetimes:     s.lifetimes,
		ClientIP:      func(r *http.Request) string { return clientIP(r, extauthz.ClientHeader) },
		Log:           s.o.Log,
	})
}

// accounts are the users if their secrets can be sealed, too; else nil.
func (s *server) accounts() login.Accounts {
	accounts, ok := s.o.Users.(login.Accounts)
	if !ok || s.o.PseudonymKey.Empty() {
		return nil
	}
	return accounts
}

// signInPage is where browsers are sent that need a session, unless the policy
// says otherwise: the page of this authz, if it serves one.
func (s *server) signInPage() string {
	if s.accounts() == nil {
		return ""
	}
	return login.SignInPath
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

// federation follows the policy; nil while there is none.
func (s *server) federation() *login.Federation {
	set := s.policy.Current()
	if set == nil {
		return nil
	}
	theirs := set.Federation()
	f := &login.Federation{Origins: theirs.Origins}
	for _, p := range theirs.Providers {
		f.Providers = append(f.Providers, login.Provider{
			Settings: p.Settings, Public: p.Public, NewUsers: p.NewUsers, Refresh: p.Refresh, MaxStale: p.MaxStale,
		})
	}
	return f
}

// providerSecret reads the client's secret anew each time, so that it can be
// replaced while authz runs. A provider's name is no path: policy sees to that.
func (s *server) providerSecret(provider string) (string, error) {
	if s.o.ProviderSecrets == "" {
		return "", fmt.Errorf("the client's secret at provider %s: no folder of secrets is set: pass --provider-secrets DIR, with a file %s in it", provider, provider)
	}
	path := filepath.Join(s.o.ProviderSecrets, provider)
	value, err := secret.File{Name: provider, Path: path}.Read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("the client's secret at provider %s: there is no file %s: write the secret into it, with mode 0600", provider, path)
	case err != nil:
		return "", fmt.Errorf("the client's secret at provider %s: %w", provider, err)
	}
	return value.RevealString(), nil
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
	return session.Rules{Durability: life.Durability, Cap: life.Cap, Bind: life.Bind, Note: life.Note}
}

// lifetimes follow the policy; before there is one, its defaults count.
func (s *server) lifetimes() (idle, absolute time.Duration) {
	life := policy.DefaultLifetimes()
	if set := s.policy.Current(); set != nil {
		life = set.SignIn()
	}
	return life.Idle, life.Absolute
}
