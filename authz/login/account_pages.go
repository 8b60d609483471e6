package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/authz/login/openid"
	"gatehouse/authz/session"
)

// recently is for how long after a sign-in credentials may be changed (ASVS 5.0
// 7.5.1): later, one signs in again.
const recently = 10 * time.Minute

const accountPath = "/auth/account"

// account is somebody who is signed in.
type account struct {
	session session.Session
	user    User
}

// bound is what the CSRF tokens of their pages belong to.
func (a account) bound() string { return "session:" + a.session.ID }

// proved says whether the session's proof is all that the user's factors ask for.
func (a account) proved() bool {
	return !a.user.SecondFactor || slices.Contains(a.session.AMR, "mfa")
}

// signedIn finds who the request's session belongs to, or answers. A cookie
// only: pages are for browsers.
func (h *handler) signedIn(w http.ResponseWriter, r *http.Request) (account, bool) {
	return h.signedInFor(w, r, accountPath)
}

// signedInFor has who is not signed in come back to next, a path of ours.
func (h *handler) signedInFor(w http.ResponseWriter, r *http.Request, next string) (account, bool) {
	s, err := h.Sessions.Lookup(r.Context(), tokenOf(r), demandOf(r))
	var user User
	if err == nil {
		user, err = h.Accounts.Account(r.Context(), s.User.ID)
	}
	switch {
	case err == nil && !user.Disabled:
		return account{s, user}, true
	case err == nil, errors.Is(err, session.ErrInvalid), errors.Is(err, ErrNoUser):
		h.stepUpFor(w, r, "", next)
	default:
		h.unavailable(w, r, credentials{form: true}, err)
	}
	return account{}, false
}

// recent is signedIn for who has proved all that they must, a short while ago.
func (h *handler) recent(w http.ResponseWriter, r *http.Request) (account, bool) {
	a, ok := h.signedIn(w, r)
	if !ok {
		return a, false
	}
	switch {
	case !a.proved():
		h.stepUp(w, r, openid.SecondFactor)
		return a, false
	case h.Now().Sub(a.session.AuthTime) > recently:
		h.stepUp(w, r, openid.RecentSignIn)
		return a, false
	}
	return a, true
}

func (h *handler) toSignIn(w http.ResponseWriter, r *http.Request) { h.stepUp(w, r, "") }

// stepUp sends somebody to sign in, and from there to their account.
func (h *handler) stepUp(w http.ResponseWriter, r *http.Request, what string) {
	h.stepUpFor(w, r, what, accountPath)
}

func (h *handler) stepUpFor(w http.ResponseWriter, r *http.Request, what, next string) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		writeMissing(w, r, what)
		return
	}
	location := SignInPath + "?next=" + strings.ReplaceAll(url.QueryEscape(next), "%2F", "/")
	if what != "" {
		location += "&step_up=" + what
	}
	seeOther(w, location)
}

// accountPage is GET /auth/account.
func (h *handler) accountPage(w http.ResponseWriter, r *http.Request) {
	if a, ok := h.signedIn(w, r); ok {
		h.showAccount(w, r, http.StatusOK, a, "", "")
	}
}

func (h *handler) showAccount(w http.ResponseWriter, r *http.Request, status int, a account, problem, notice string) {
	sessions, err1 := h.Sessions.List(r.Context(), a.user.ID)
	all, err2 := h.Accounts.Credentials(r.Context(), a.user.ID)
	if err := errors.Join(err1, err2); err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	waits, err := h.Accounts.PendingAddress(r.Context(), a.user.ID, h.Now())
	if err != nil && !errors.Is(err, ErrNoChange) {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	body := struct {
		Name, Email         string
		NewEmail            AddressChange // zero: none waits
		Mail                bool          // mail can be sent
		Sessions            []listed
		Apps, Keys          []Credential
		APIKeys             []keyRow
		Links               []linkRow
		Providers           []choice // to link; Path is a name
		Recovery, MinLength int
		HasFactor, Passkeys bool
		HasPassword, Reset  bool
	}{
		Name: a.user.Name, Email: a.user.Email, NewEmail: waits, Mail: h.canMail(), MinLength: h.minLength(), HasFactor: a.user.SecondFactor, Passkeys: len(h.Settings().Origins) > 0,
		HasPassword: a.user.HasPassword(), Reset: h.canMail() && a.user.Email != "",
	}
	body.Links, body.Providers = h.linksOf(all)
	for _, s := range sessions {
		body.Sessions = append(body.Sessions, listedOf(s, a.session.ID))
	}
	for _, c := range all {
		switch {
		case !c.Active:
		case c.Kind == KindTOTP:
			body.Apps = append(body.Apps, c)
		case c.Kind == KindPasskey:
			body.Keys = append(body.Keys, c)
		case c.Kind == KindAPIKey:
			body.APIKeys = append(body.APIKeys, h.keyRowOf(c))
		case c.Kind == KindRecovery:
			body.Recovery++
		}
	}
	v := h.view("Your account", h.keys.formToken(a.bound()))
	v.Error, v.Notice, v.Body = problem, notice, body
	h.show(w, r, status, "account", v)
}

func listedOf(s session.Session, current string) listed {
	return listed{
		ID: s.ID, Current: s.ID == current, Device: s.Device,
		CreatedAt: s.Created.UTC(), LastSeenAt: s.LastSeen.UTC(), ExpiresAt: s.ExpiresAt().UTC(),
	}
}

// endOne and endOthers are the buttons of the devices: see lately.
func (h *handler) endOne(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.endingForm(w, r)
	if !ok || values.Get("id") != a.session.ID && !h.latelySignedIn(w, r, a) {
		return
	}
	ended, err := h.Sessions.RevokeID(r.Context(), a.user.ID, values.Get("id"))
	switch {
	case err == nil:
		h.reportRevoked(r, ended, "ended from the account page")
	case !errors.Is(err, session.ErrInvalid): // else it has ended already
		h.unavailable(w, r, credentials{form: true}, fmt.Errorf("end a session: %w", err))
		return
	}
	seeOther(w, "/auth/account")
}

// endOthers ends the others by one write, so that none is begun in between.
func (h *handler) endOthers(w http.ResponseWriter, r *http.Request) {
	a, _, ok := h.endingForm(w, r)
	if !ok || !h.latelySignedIn(w, r, a) {
		return
	}
	ended, err := h.Sessions.RevokeOthers(r.Context(), tokenOf(r))
	if errors.Is(err, session.ErrInvalid) {
		h.toSignIn(w, r)
		return
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	for _, s := range ended {
		h.reportRevoked(r, s, "signed out everywhere else")
	}
	seeOther(w, "/auth/account")
}

// endingForm is the form of a button that ends sessions, of who is signed in.
func (h *handler) endingForm(w http.ResponseWriter, r *http.Request) (account, url.Values, bool) {
	a, ok := h.signedIn(w, r)
	return h.formOf(w, r, a, ok)
}

func (h *handler) latelySignedIn(w http.ResponseWriter, r *http.Request, a account) bool {
	if h.Now().Sub(a.session.AuthTime) <= recently {
		return true
	}
	h.stepUp(w, r, openid.RecentSignIn)
	return false
}

// endRest ends all sessions of a person but this one, by one write: one that is
// begun, or takes another token, in between is among them. If this one has ended
// meanwhile all do.
func (h *handler) endRest(r *http.Request, a account) error {
	ended, err := h.Sessions.RevokeOthers(r.Context(), tokenOf(r))
	if errors.Is(err, session.ErrInvalid) {
		ended, err = h.Sessions.RevokeAll(r.Context(), a.user.ID)
	}
	if err != nil {
		return fmt.Errorf("end a user's other sessions: %w", err)
	}
	for _, s := range ended {
		h.reportRevoked(r, s, "ended with a change of credentials")
	}
	return nil
}

func (h *handler) endAll(w http.ResponseWriter, r *http.Request) {
	a, _, ok := h.endingForm(w, r)
	if !ok {
		return
	}
	ended, err := h.Sessions.RevokeAll(r.Context(), a.user.ID)
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	for _, s := range ended {
		h.reportRevoked(r, s, "signed out everywhere")
	}
	h.reportChange(r, a.user, "all_sessions_ended")
	http.SetCookie(w, cookie(""))
	seeOther(w, "/auth/sign-in")
}
