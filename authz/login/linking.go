package login

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gatehouse/authz/event"
	"gatehouse/authz/login/openid"
)

// A person links a provider to their own account, and takes the link away again,
// on the account page: shortly after a sign-in, and never by a mail address.

// linkBegin is POST /auth/account/providers/link: the next step is at the provider.
// It is a page with a link and no redirect, since browsers hold a redirect after
// a form to form-action, and where a provider's page is cannot be known before.
func (h *handler) linkBegin(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.changing(w, r)
	if !ok {
		return
	}
	serve, p := h.federated(values.Get("provider"))
	if serve == nil {
		writePlainProblem(w, r, http.StatusNotFound)
		return
	}
	if _, err := h.federation.secret(p.Name); err != nil && !p.Public {
		h.federation.notLinked(w, r, a, p.Name, &openid.Failure{Rule: "client_secret_missing", Reason: err.Error()})
		return
	}
	to, err := serve.Link(w, r, p.Name, whomOf(a))
	if err != nil {
		h.federation.notLinked(w, r, a, p.Name, err)
		return
	}
	v := h.view("Link "+p.title(), h.keys.formToken(a.bound()))
	v.Next = to
	v.Body = struct{ Provider string }{p.title()}
	h.show(w, r, http.StatusOK, "link", v)
}

// federated is the provider of that name with what speaks to it; nil if there is none.
func (h *handler) federated(name string) (*openid.Handler, Provider) {
	if h.federation == nil {
		return nil, Provider{}
	}
	serve, p := h.federation.current(), h.federation.provider(name)
	if p.Name == "" {
		serve = nil
	}
	return serve, p
}

func (p Provider) title() string {
	if p.Title == "" {
		return p.Name
	}
	return p.Title
}

// whomOf names who wants a link, and the session in which they do.
func whomOf(a account) string { return a.user.ID + "\n" + a.session.ID }

// linked is for openid.Options: whoever comes back must be in the session in
// which the link was asked for, which was recent then. A session proves them, not
// the provider: it speaks of somebody who is nobody here yet.
func (f *federation) linked(w http.ResponseWriter, r *http.Request, whom string, who openid.Identity, err error) {
	h := f.h
	a, ok := h.signedIn(w, r)
	if !ok {
		return
	}
	switch {
	case whomOf(a) != whom || !a.proved():
		f.notLinked(w, r, a, who.Provider, &openid.Failure{Rule: "session_changed", Reason: "the link was asked for in another session"})
		return
	case err != nil:
		f.notLinked(w, r, a, who.Provider, err)
		return
	}
	added, err := f.link(r.Context(), a.user, who)
	if err != nil {
		f.notLinked(w, r, a, who.Provider, err)
		return
	}
	if added {
		h.reportProvider(r, a.user, "provider_linked", who.Provider)
	}
	h.showAccount(w, r, http.StatusOK, a, "", "You can now sign in with "+f.provider(who.Provider).title()+".")
}

// link keeps that a provider's subject is this user. It says whether that is new;
// the error is an *openid.Failure if it is somebody else already.
func (f *federation) link(ctx context.Context, user User, who openid.Identity) (bool, error) {
	lookup := ProviderLookup(who.Issuer, who.Subject)
	c, err := f.h.Accounts.Credential(ctx, KindOpenID, lookup)
	switch {
	case err == nil && c.UserID == user.ID:
		return false, nil
	case err == nil:
		return false, &openid.Failure{Rule: "linked_elsewhere", Reason: "the provider's subject is another user here"}
	case !errors.Is(err, ErrNoCredential):
		return false, err
	}
	// Lookups are unique in the store: of two users who link one subject at once,
	// one gets an error.
	err = f.h.Accounts.AddCredentials(ctx, Credential{
		ID: lookup, UserID: user.ID, Kind: KindOpenID, Lookup: lookup, Label: label(who.Provider, "Provider"), Active: true,
	})
	return err == nil, err
}

// notLinked says why on the account page.
func (f *federation) notLinked(w http.ResponseWriter, r *http.Request, a account, provider string, err error) {
	h := f.h
	var failure *openid.Failure
	switch {
	case errors.Is(err, ErrTooMany):
		h.showAccount(w, r, http.StatusUnprocessableEntity, a, "You have too many providers. Please remove one first.", "")
		return
	case !errors.As(err, &failure):
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	e := h.event(r, event.UserChanged)
	e.Severity, e.Outcome, e.Feature, e.Rule = event.Warning, event.Failure, "sign_in", "provider_linked"
	e.Reason, e.Subject = failure.Rule+": "+failure.Reason, h.Pseudonyms.Subject(a.user.ID)
	e.Personal[event.PersonalName] = a.user.Name
	if provider != "" {
		e.Detail = map[string]string{"provider": provider}
	}
	h.Events.Append(e)
	text := "Linking did not work. Please try again."
	if failure.Rule == "linked_elsewhere" {
		text = "What you signed in with there is linked to another account here. Nothing was changed."
	}
	h.showAccount(w, r, http.StatusConflict, a, text, "")
}

func (h *handler) reportProvider(r *http.Request, user User, what, provider string) {
	h.reportChangeWith(r, user, what, map[string]string{"provider": provider})
}

// linkRemove is POST /auth/account/providers/remove. All other sessions end: some may be
// those of whoever came in by the link.
func (h *handler) linkRemove(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.changing(w, r)
	if !ok {
		return
	}
	c, ways, err := h.waysWithout(r.Context(), a.user, KindOpenID, values.Get("id"))
	switch {
	case errors.Is(err, ErrNoCredential):
		seeOther(w, "/auth/account")
		return
	case err == nil && !ways.any():
		h.showAccount(w, r, http.StatusConflict, a, "This is the only way in which you sign in. Please add another one first.", "")
		return
	case err == nil:
		_, err = h.Accounts.RemoveCredentials(r.Context(), a.user.ID, KindOpenID, c.ID)
	}
	if err == nil {
		h.reportProvider(r, a.user, "provider_removed", c.Label)
		err = h.endRest(r, a)
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	seeOther(w, "/auth/account")
}

// ways are those in which somebody can sign in.
type ways struct {
	Password, Passkey bool
	// Providers are the lookups of their links; see ProviderLookup.
	Providers []string
}

func (w ways) any() bool { return w.Password || w.Passkey || len(w.Providers) > 0 }

func waysOf(user User, all []Credential) ways {
	found := ways{Password: user.HasPassword()}
	for _, c := range all {
		switch {
		case !c.Active:
		case c.Kind == KindPasskey:
			found.Passkey = true
		case c.Kind == KindOpenID:
			found.Providers = append(found.Providers, c.Lookup)
		}
	}
	return found
}

// waysWithout are what is left to a user without one credential, and that one.
// ErrNoCredential.
func (h *handler) waysWithout(ctx context.Context, user User, kind CredentialKind, id string) (Credential, ways, error) {
	all, err := h.Accounts.Credentials(ctx, user.ID)
	if err != nil {
		return Credential{}, ways{}, err
	}
	var gone *Credential
	var left []Credential
	for _, c := range all {
		if c.Kind == kind && c.ID == id {
			gone = &c
			continue
		}
		left = append(left, c)
	}
	if gone == nil {
		return Credential{}, ways{}, ErrNoCredential
	}
	return *gone, waysOf(user, left), nil
}

// linkRow is a provider's link as the account page shows it.
type linkRow struct {
	Credential

	Title string
	// Provider is its name in the policy; empty: it has none of it any more.
	Provider string
}

// linksOf are a user's links, and the buttons of the providers that they have
// none of.
func (h *handler) linksOf(all []Credential) (rows []linkRow, more []choice) {
	today := h.providers()
	linked := map[string]bool{}
	for _, c := range all {
		if c.Kind != KindOpenID || !c.Active {
			continue
		}
		row := linkRow{c, c.Label, ""}
		for _, p := range today {
			// An operator's link has the issuer for its label.
			if p.Name == c.Label || p.Issuer == c.Label || strings.HasPrefix(p.Issuer, c.Label) && len(c.Label) == MaxLabel {
				row.Title, row.Provider, linked[p.Name] = p.title(), p.Name, true
			}
		}
		rows = append(rows, row)
	}
	for _, p := range today {
		if !linked[p.Name] {
			more = append(more, choice{p.title(), p.Name})
		}
	}
	return rows, more
}

// providers are those of the policy as it is now.
func (h *handler) providers() []Provider {
	if h.federation == nil {
		return nil
	}
	if today := h.Federation(); today != nil {
		return today.Providers
	}
	return nil
}
