package api

import (
	"errors"
	"fmt"
)

// Settings are what gatehouse.yaml says in control.api.
type Settings struct {
	Tokens []TokenSetting
	OIDC   *OIDCSettings // nil takes no tokens of another provider
}

// credentials are the ways in that Settings name.
type credentials struct {
	tokens *tokens
	oidc   *provider
}

// Configure replaces the settings; a call that is under way goes on with those
// it began with. An error changes nothing.
func (s *Server) Configure(settings Settings) error {
	apply, err := s.Prepare(settings)
	if err == nil {
		apply()
	}
	return err
}

// Prepare makes all that settings need, and fails if they cannot be brought into
// force; apply does that, and cannot fail.
func (s *Server) Prepare(settings Settings) (apply func(), err error) {
	var errs []error
	seen := map[string]bool{}
	for _, t := range settings.Tokens {
		if t.Name == "" || seen[t.Name] || !t.Role.Valid() || t.File == "" {
			errs = append(errs, fmt.Errorf("API token %q: give it a name of its own, a role and a file", t.Name))
		}
		seen[t.Name] = true
	}
	next := &credentials{tokens: newTokens(settings.Tokens, s.now, s.log)}
	if settings.OIDC != nil {
		var err error
		next.oidc, err = newProvider(*settings.OIDC, s.now)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return func() { s.credentials.Store(next) }, nil
}
