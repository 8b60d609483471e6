package openid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/authz/internal/every"
)

const (
	// refreshBatch bounds what a replica takes on at once.
	refreshBatch = 16
	// refreshPoll is how often a replica looks for grants that are due.
	refreshPoll = time.Second
	// refreshRetry is after how long a provider that did not answer is asked again.
	refreshRetry = 30 * time.Second
)

// Refresher asks providers again about the people they signed in, so that roles
// that were taken away, and accounts that were closed, count here too. It works
// beside the requests; several replicas share the work.
type Refresher struct {
	// Handler is the one of today, or nil while no configuration is known: then
	// nobody is asked, and nobody ended.
	Handler func() *Handler
	Grants  *Grants
	// Every is the time between two questions about a session of a provider; 0
	// asks no more.
	Every func(provider string) time.Duration
	// MaxStale is how long a session outlives its provider's silence; 0 means for
	// as long as it may.
	MaxStale func(provider string) time.Duration
	// Confirmed gives a session its person's roles anew; an error with ErrEnded in
	// its chain says that there is no such session any more.
	Confirmed func(ctx context.Context, ref Ref, who Identity) error
	// Ended ends a session that its provider does not stand by any longer.
	Ended func(ctx context.Context, ref Ref, why error) error
	Log   *slog.Logger
}

// ErrEnded says that a session is no more.
var ErrEnded = errors.New("the session has ended")

// Begin has a session's provider asked again, if it gave a refresh token.
func (f *Refresher) Begin(ctx context.Context, who Identity, token *oauth2.Token, ref Ref, expires time.Time) error {
	every := f.Every(who.Provider)
	if token.RefreshToken == "" || every == 0 {
		return nil
	}
	now := f.Grants.now()
	return f.Grants.keep(ctx, Grant{
		Ref: ref, Provider: who.Provider, Subject: who.Subject, RefreshToken: token.RefreshToken, Confirmed: now, Expires: expires,
	}, now.Add(every))
}

// Run works until ctx ends.
func (f *Refresher) Run(ctx context.Context) {
	every.Turn(ctx, refreshPoll, func(ctx context.Context) {
		if _, err := f.Once(ctx); err != nil && ctx.Err() == nil {
			f.Log.WarnContext(ctx, "providers were not asked about their users", "error", err)
		}
	})
}

// Once refreshes what is due, at most a batch, and says how many it was.
func (f *Refresher) Once(ctx context.Context) (int, error) {
	h := f.Handler()
	if h == nil {
		return 0, nil
	}
	claimed, err := f.Grants.claim(ctx, refreshBatch)
	errs := []error{err}
	for _, session := range claimed {
		errs = append(errs, f.refresh(ctx, h, session))
	}
	return len(claimed), errors.Join(errs...)
}

func (f *Refresher) refresh(ctx context.Context, h *Handler, session string) error {
	grant, err := f.Grants.read(ctx, session)
	if errors.Is(err, errGone) {
		return f.Grants.drop(ctx, session)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	who, token, err := f.ask(ctx, h, grant)
	var refused *Failure
	switch {
	case errors.As(err, &refused):
		return f.end(ctx, grant, err)
	case err != nil:
		return f.later(ctx, grant, err)
	}
	if who.Subject != "" { // else it said nothing but yes: roles stay as they were
		err = f.Confirmed(ctx, grant.Ref, who)
	}
	switch {
	case errors.Is(err, ErrEnded):
		return f.Grants.drop(ctx, session)
	case err != nil:
		// The provider may have replaced the refresh token: it must not be lost.
		return errors.Join(err, f.next(ctx, grant, token, refreshRetry))
	}
	grant.Confirmed = f.Grants.now()
	every := f.Every(grant.Provider)
	if every == 0 {
		return f.Grants.drop(ctx, session)
	}
	return f.next(ctx, grant, token, every)
}

func (f *Refresher) next(ctx context.Context, grant Grant, token *oauth2.Token, in time.Duration) error {
	if token.RefreshToken != "" {
		grant.RefreshToken = token.RefreshToken
	}
	return f.Grants.keep(ctx, grant, f.Grants.now().Add(in))
}

// later is for a provider that does not answer.
func (f *Refresher) later(ctx context.Context, grant Grant, err error) error {
	now := f.Grants.now()
	if most := f.MaxStale(grant.Provider); most > 0 && now.Sub(grant.Confirmed) > most {
		return f.end(ctx, grant, fmt.Errorf("its provider has not answered since %s: %w", grant.Confirmed.UTC().Format(time.RFC3339), err))
	}
	return errors.Join(err, f.Grants.keep(ctx, grant, now.Add(refreshRetry)))
}

func (f *Refresher) end(ctx context.Context, grant Grant, why error) error {
	if err := f.Ended(ctx, grant.Ref, why); err != nil && !errors.Is(err, ErrEnded) {
		return err // claimed for half a minute, then due again
	}
	return f.Grants.drop(ctx, grant.SessionID)
}

// ask refreshes a grant (Core section 12). An answer with an ID token speaks of
// the same person.
func (f *Refresher) ask(ctx context.Context, h *Handler, grant Grant) (Identity, *oauth2.Token, error) {
	p := h.providers[grant.Provider]
	if p == nil {
		return Identity{}, nil, failure("provider_unknown", "its provider "+grant.Provider+" is configured no longer")
	}
	d, err := p.ready(ctx)
	if err != nil {
		return Identity{}, nil, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.oauth(d, "").TokenSource(ctx, &oauth2.Token{RefreshToken: grant.RefreshToken}).Token()
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
			return Identity{}, nil, failure("grant_ended", "its provider does not stand by it any longer")
		}
		return Identity{}, nil, fmt.Errorf("%w: provider %s: refresh: %w", ErrUnavailable, p.Name, err)
	}
	who := Identity{Provider: p.Name, Issuer: p.Issuer}
	if raw, _ := token.Extra("id_token").(string); raw == "" {
		err = p.complete(ctx, d, token, &who)
	} else {
		var claims map[string]any
		if who, claims, err = p.refreshed(ctx, d, raw); err == nil && p.lacks(who, claims) {
			err = p.complete(ctx, d, token, &who)
		}
	}
	if err == nil && who.Subject != "" && who.Subject != grant.Subject {
		err = failure("subject_changed", "its provider answered about somebody else")
	}
	return who, token, err
}

// refreshed reads the ID token of a refresh, which has no nonce to judge (Core
// section 12.2).
func (p *provider) refreshed(ctx context.Context, d *discovered, raw string) (Identity, map[string]any, error) {
	verified, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return Identity{}, nil, fmt.Errorf("%w: provider %s: its ID token: %w", ErrUnavailable, p.Name, err)
	}
	return p.read(verified)
}
