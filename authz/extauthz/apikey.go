package extauthz

import (
	"context"
	"errors"
	"strings"

	"gatehouse/authz/login"
	"gatehouse/authz/login/apikey"
	"gatehouse/authz/policy"
)

// Keys finds the holders of API keys; *login.Keyring does.
type Keys interface {
	Find(ctx context.Context, key string) (login.KeyHolder, error)
}

// gatehouseToken says whether a bearer token is one of Gatehouse's kinds.
func gatehouseToken(token string, sessionPrefix string) bool {
	return strings.HasPrefix(token, sessionPrefix) || strings.HasPrefix(token, apikey.Prefix)
}

// identifyKey is identify for an API key. A key opens only what its owner made
// it for: a route names the scope that it takes, and one that names none takes
// no keys.
func (s *Service) identifyKey(ctx context.Context, demand *policy.SessionDemand, key string, j *judgement) error {
	if demand.APIKeyScope == "" || s.o.Keys == nil {
		return noneError("API keys do not open this route")
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	holder, err := s.o.Keys.Find(ctx, key)
	if holder.UserID != "" {
		j.pseudonym = s.o.Subject(holder.UserID)
	}
	switch {
	case errors.Is(err, login.ErrNoKey):
		return noneError(err.Error())
	case err != nil:
		s.o.Metrics.unavailable(featureSession)
		return err
	case !holder.Has(demand.APIKeyScope):
		return noneError("the API key has not the scope " + demand.APIKeyScope)
	}
	j.subject = holder.UserID
	j.session.Roles, j.session.Scopes = holder.Roles, holder.Scopes
	return nil
}
