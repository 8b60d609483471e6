package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/oauth2"

	"gatehouse/authz/event"
	"gatehouse/authz/login/openid"
	"gatehouse/authz/session"
)

// signedIn is for openid.Options: a provider vouches for who.
func (f *federation) signedIn(w http.ResponseWriter, r *http.Request, who openid.Identity, token *oauth2.Token, next string) {
	h, c := f.h, credentials{form: true, page: true, next: next}
	user, err := f.resident(r.Context(), who)
	var failure *Failure
	switch {
	case errors.As(err, &failure):
		f.report(r, string(failure.Reason), who.Provider, failure.UserID)
		f.sorry(w, r)
		return
	case err != nil:
		h.unavailable(w, r, c, err)
		return
	}
	p := proof{
		rule: "openid", amr: methodsOf(who), at: h.authTime(who),
		vouched: &vouched{Who: who, Refresh: token.RefreshToken, TakesRoles: f.provider(who.Provider).RoleClaim != ""},
	}
	if user.SecondFactor && !slices.Contains(p.amr, "mfa") {
		h.askSecond(w, r, c, user, p)
		return
	}
	h.complete(w, r, c, user, p)
}

// refused is for openid.Options: a browser comes back and is not signed in.
func (f *federation) refused(w http.ResponseWriter, r *http.Request, err error) {
	var failure *openid.Failure
	if !errors.As(err, &failure) {
		f.h.unavailable(w, r, credentials{form: true, page: true}, err)
		return
	}
	f.h.Log.InfoContext(r.Context(), "a sign-in at a provider was refused", "rule", failure.Rule, "reason", failure.Reason, "request_id", requestID(r))
	f.report(r, failure.Rule+": "+failure.Reason, "", "")
	f.sorry(w, r)
}

func (f *federation) report(r *http.Request, reason, provider, userID string) {
	e := f.h.event(r, event.AuthenticationAttempt)
	e.Severity, e.Outcome, e.Rule, e.Reason = event.Warning, event.Failure, "openid", reason
	e.Subject = f.h.Pseudonyms.Subject(userID)
	if provider != "" {
		e.Detail = map[string]string{"provider": provider}
	}
	f.h.Events.Append(e)
}

// sorry is the same whatever went wrong.
func (f *federation) sorry(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	f.h.signInPage(w, r, http.StatusUnauthorized, "/", "Signing in there did not work. Please try again.")
}

// follow has the provider's sign-out, and its answers about its user, find the
// session. A session that they could not find, or that has ended there meanwhile, is
// none.
func (f *federation) follow(r *http.Request, s session.Session, p proof) error {
	ctx, ref := r.Context(), openid.Ref{UserID: s.User.ID, SessionID: s.ID}
	life := s.Expires.Sub(f.h.Now())
	err := f.links.Enter(ctx, p.vouched.Who, ref, life)
	if err == nil {
		err = f.stillSignedIn(ctx, s.User.ID, p.vouched.Who)
	}
	if err == nil {
		err = f.refresher.Begin(ctx, p.vouched.Who, &oauth2.Token{RefreshToken: p.vouched.Refresh}, ref, s.Expires)
	}
	if err == nil {
		return nil
	}
	_, ended := f.h.Sessions.RevokeID(context.WithoutCancel(ctx), s.User.ID, s.ID)
	if errors.Is(ended, session.ErrInvalid) {
		ended = nil
	}
	return errors.Join(err, ended)
}

// stillSignedIn is asked when sign-outs find the session: one that came before did not.
func (f *federation) stillSignedIn(ctx context.Context, userID string, who openid.Identity) error {
	ended, err := f.links.Ended(ctx, who)
	if err == nil && ended {
		err = &Failure{Reason: ReasonSignedOut, UserID: userID}
	}
	return err
}

// renamed keeps a provider's hold on a session that a second factor has given
// another id; one that was begun anew has its own.
func (f *federation) renamed(ctx context.Context, before, s session.Session, p proof) error {
	if p.raises == "" {
		return f.refresher.Grants.Forget(ctx, before.ID)
	}
	return f.links.Moved(ctx, openid.Ref{UserID: before.User.ID, SessionID: before.ID}, s.ID, s.Expires.Sub(f.h.Now()))
}

// signedOut is for openid.Options: the provider says that sessions have ended.
func (f *federation) signedOut(ctx context.Context, provider, subject, sid string) error {
	refs, err := f.links.SignOut(ctx, provider, subject, sid)
	for _, ref := range refs {
		err = errors.Join(err, f.end(ctx, ref, "signed out at the provider "+provider))
	}
	return err
}

// ended is for openid.Refresher: the provider does not stand by the session.
func (f *federation) ended(ctx context.Context, ref openid.Ref, why error) error {
	ref, err := f.links.Current(ctx, ref)
	if err != nil {
		return err
	}
	return f.end(ctx, ref, why.Error())
}

func (f *federation) end(ctx context.Context, ref openid.Ref, reason string) error {
	s, err := f.h.Sessions.RevokeID(ctx, ref.UserID, ref.SessionID)
	switch {
	case errors.Is(err, session.ErrInvalid):
		return nil // ended before
	case err != nil:
		return fmt.Errorf("end a session: %w", err)
	}
	f.h.Events.Append(f.about(s, event.SessionRevoked, "openid", reason))
	return nil
}

// about is an event that no request of the person has set off.
func (f *federation) about(s session.Session, t event.Type, rule, reason string) event.Event {
	return event.Event{
		Type: t, Severity: event.Info, Outcome: event.Success, Feature: "session", Rule: rule, Reason: reason,
		Subject: f.h.Pseudonyms.Subject(s.User.ID), Detail: map[string]string{"session": s.ID},
		Personal: map[string]string{event.PersonalName: s.User.Name},
	}
}

// confirmed is for openid.Refresher: the provider stands by the session, and its
// user's roles may be others.
func (f *federation) confirmed(ctx context.Context, ref openid.Ref, who openid.Identity) error {
	ref, err := f.links.Current(ctx, ref)
	if err != nil {
		return err
	}
	s, err := f.h.Sessions.Find(ctx, ref.UserID, ref.SessionID)
	if err == nil && f.provider(who.Provider).RoleClaim != "" {
		roles, left := session.Fitting(who.Roles)
		if left > 0 {
			f.h.Log.WarnContext(ctx, "a session cannot hold all roles of its user: some are left out", "user", ref.UserID, "left_out", left)
		}
		if slices.Equal(roles, s.Roles) {
			return nil
		}
		if s, err = f.h.Sessions.SetRoles(ctx, ref.UserID, ref.SessionID, roles); err == nil {
			f.h.Events.Append(f.about(s, event.UserChanged, "roles_refreshed", "the provider "+who.Provider+" says so"))
		}
	}
	switch {
	case errors.Is(err, session.ErrInvalid):
		return fmt.Errorf("%w: %w", openid.ErrEnded, err)
	case err != nil:
		return fmt.Errorf("give a session other roles: %w", err)
	}
	return nil
}
