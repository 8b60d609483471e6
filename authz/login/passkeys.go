package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"gatehouse/authz/login/code"
	"gatehouse/authz/login/passkey"
	"gatehouse/filter/verdict"
)

const (
	kindAssertion    = "passkey-sign-in"
	kindRegistration = "passkey-registration"
)

// ceremony is what the first step of one leaves for the second.
type ceremony struct {
	State string `json:"state"`
	// Owner is who must finish it: a session's id, or the token of a sign-in that
	// waits; empty for a passkey that is the first factor.
	Owner string `json:"owner,omitempty"`
}

// passkeyInput is what the script sends.
type passkeyInput struct {
	CSRF       string          `json:"csrf"`
	Ceremony   string          `json:"ceremony"`
	Next       string          `json:"next"`
	Label      string          `json:"label"`
	Credential json.RawMessage `json:"credential"`
}

// relyingParty is the site for passkeys; nil without a configured origin.
func (h *handler) relyingParty() (*passkey.RP, error) {
	s := h.Settings()
	if len(s.Origins) == 0 {
		return nil, nil //nolint:nilnil // no passkeys are configured, which is no error
	}
	domain := s.PasskeyDomain
	if domain == "" {
		u, err := url.Parse(s.Origins[0])
		if err != nil {
			return nil, fmt.Errorf("the first origin of sign-in: %w", err)
		}
		domain = u.Hostname()
	}
	return passkey.New(domain, h.site(), s.Origins) // nobody makes a passkey for a site without a name
}

// beginCeremony reads the input and finds the relying party, or answers. bound
// is what the CSRF token belongs to.
func (h *handler) beginCeremony(w http.ResponseWriter, r *http.Request, bound string) (*passkey.RP, passkeyInput, bool) {
	var in passkeyInput
	err := readJSON(w, r, &in)
	if err == nil && !h.keys.formTokenIs(in.CSRF, bound) {
		err = errForeign
	}
	if err != nil {
		h.refuseInput(w, r, credentials{}, err)
		return nil, in, false
	}
	rp, err := h.relyingParty()
	switch {
	case err != nil:
		h.unavailable(w, r, credentials{}, err)
	case rp == nil:
		writePlainProblem(w, r, http.StatusNotFound)
	default:
		return rp, in, true
	}
	return nil, in, false
}

func (h *handler) passkeyUser(ctx context.Context, user User) (passkey.User, []Credential, error) {
	all, err := h.Accounts.Credentials(ctx, user.ID)
	if err != nil {
		return passkey.User{}, nil, fmt.Errorf("%w: read the user's passkeys: %w", ErrUnavailable, err)
	}
	u := passkey.User{ID: user.ID, Name: user.Name}
	var kept []Credential
	for _, c := range all {
		if c.Kind == KindPasskey && c.Active {
			u.Records, kept = append(u.Records, c.Data), append(kept, c)
		}
	}
	return u, kept, nil
}

// passkeyBegin is POST /auth/passkey/begin: for the second factor of a sign-in
// that waits, else for the first.
func (h *handler) passkeyBegin(w http.ResponseWriter, r *http.Request) {
	rp, _, ok := h.beginCeremony(w, r, browser(r))
	if !ok {
		return
	}
	var who *passkey.User
	owner := secondToken(r)
	_, user, err := h.waitingOf(r, owner)
	switch {
	case errors.Is(err, errNoPending):
		owner = ""
	case err != nil:
		h.unavailable(w, r, credentials{}, err)
		return
	default:
		u, kept, err := h.passkeyUser(r.Context(), user)
		if err != nil {
			h.unavailable(w, r, credentials{}, err)
			return
		}
		if len(kept) == 0 {
			writePlainProblem(w, r, http.StatusNotFound)
			return
		}
		who = &u
	}
	options, state, err := rp.BeginSignIn(who)
	h.sendCeremony(w, r, kindAssertion, ceremony{State: state, Owner: owner}, options, err)
}

func (h *handler) sendCeremony(w http.ResponseWriter, r *http.Request, kind string, c ceremony, options json.RawMessage, err error) {
	var token string
	if err == nil {
		token, err = h.pendings.put(r.Context(), kind, c)
	}
	if err != nil {
		h.unavailable(w, r, credentials{}, err)
		return
	}
	writeJSON(w, struct {
		Ceremony string          `json:"ceremony"`
		Options  json.RawMessage `json:"options"`
	}{token, options})
}

// passkeyFinish is POST /auth/passkey/finish.
func (h *handler) passkeyFinish(w http.ResponseWriter, r *http.Request) {
	rp, in, ok := h.beginCeremony(w, r, browser(r))
	if !ok {
		return
	}
	var c ceremony
	err := h.pendings.take(r.Context(), kindAssertion, in.Ceremony, &c)
	if err == nil && c.Owner == "" {
		h.passkeyFirst(w, r, rp, c, in)
		return
	}
	if err == nil && c.Owner != secondToken(r) {
		err = errNoPending
	}
	var wait waiting
	var user User
	if err == nil {
		wait, user, err = h.waitingOf(r, c.Owner)
	}
	if err != nil {
		h.passkeyFailed(w, r, User{}, err)
		return
	}
	u, kept, err := h.passkeyUser(r.Context(), user)
	var used passkey.Passkey
	if err == nil {
		used, err = rp.FinishSecond(u, c.State, in.Credential)
	}
	if err == nil {
		err = h.keepUse(r.Context(), kept, used)
	}
	if err != nil {
		h.passkeyFailed(w, r, user, err)
		return
	}
	next := wait.Next
	if next == "" {
		next = "/"
	}
	h.secondDone(w, r, credentials{jsonNext: next}, c.Owner, user, wait, proof{rule: "passkey", amr: []string{held(used), "mfa"}})
}

// held is the method of RFC 8176 for where the key is.
func held(p passkey.Passkey) string {
	if p.Synced {
		return "swk"
	}
	return "hwk"
}

// passkeyFirst signs in whoever the passkey says: two factors in one, since it
// has verified its user.
func (h *handler) passkeyFirst(w http.ResponseWriter, r *http.Request, rp *passkey.RP, c ceremony, in passkeyInput) {
	var user User
	var kept []Credential
	_, used, err := rp.FinishFirst(c.State, in.Credential, func(id string) (passkey.User, error) {
		var u passkey.User
		var err error
		if user, err = h.Accounts.Account(r.Context(), id); err != nil {
			if !errors.Is(err, ErrNoUser) {
				err = fmt.Errorf("%w: find the user: %w", ErrUnavailable, err)
			}
			return u, err
		}
		u, kept, err = h.passkeyUser(r.Context(), user)
		return u, err
	})
	if err == nil && user.Disabled {
		h.reportFailure(r, user.Name, "passkey", &Failure{Reason: ReasonDisabled, UserID: user.ID})
		writeProblem(w, r, verdict.AuthenticationFailed)
		return
	}
	if err == nil {
		err = h.keepUse(r.Context(), kept, used)
	}
	if err != nil {
		h.passkeyFailed(w, r, user, err)
		return
	}
	h.complete(w, r, credentials{jsonNext: h.Settings().destination(in.Next)}, user,
		proof{rule: "passkey", amr: []string{held(used), "user", "mfa"}})
}

// keepUse keeps the record as the use left it. The time, which only grows,
// guards against two uses of one record at once.
func (h *handler) keepUse(ctx context.Context, kept []Credential, used passkey.Passkey) error {
	for _, c := range kept {
		if c.Lookup != used.ID {
			continue
		}
		ok, err := h.Accounts.UseCredential(ctx, c.ID, h.Now().UnixNano(), used.Record)
		if err != nil {
			return fmt.Errorf("%w: keep the use of a passkey: %w", ErrUnavailable, err)
		}
		if ok {
			return nil
		}
	}
	return fmt.Errorf("%w: it was removed, or used by another at the same time", passkey.ErrRefused)
}

func (h *handler) passkeyFailed(w http.ResponseWriter, r *http.Request, user User, err error) {
	failure := Failure{UserID: user.ID}
	switch {
	case errors.Is(err, errNoPending):
		failure.Reason = ReasonNoCeremony
	case errors.Is(err, ErrNoUser):
		failure.Reason = ReasonUnknownUser
	case errors.Is(err, passkey.ErrRefused):
		failure.Reason = ReasonWrongPasskey
	default:
		h.unavailable(w, r, credentials{}, err)
		return
	}
	h.Log.InfoContext(r.Context(), "a passkey was refused", "error", err, "request_id", requestID(r))
	if errors.Is(err, passkey.ErrCloned) {
		h.reportChange(r, user, "passkey_clone_refused")
	}
	h.reportFailure(r, user.Name, "passkey", &failure)
	writeProblem(w, r, verdict.AuthenticationFailed)
}

// registerBegin is POST /auth/account/passkeys/begin.
func (h *handler) registerBegin(w http.ResponseWriter, r *http.Request) {
	a, ok := h.recent(w, r)
	if !ok {
		return
	}
	rp, _, ok := h.beginCeremony(w, r, a.bound())
	if !ok {
		return
	}
	u, _, err := h.passkeyUser(r.Context(), a.user)
	if err != nil {
		h.unavailable(w, r, credentials{}, err)
		return
	}
	options, state, err := rp.BeginRegistration(u)
	h.sendCeremony(w, r, kindRegistration, ceremony{State: state, Owner: a.session.ID}, options, err)
}

// registerFinish is POST /auth/account/passkeys/finish.
func (h *handler) registerFinish(w http.ResponseWriter, r *http.Request) {
	a, ok := h.recent(w, r)
	if !ok {
		return
	}
	rp, in, ok := h.beginCeremony(w, r, a.bound())
	if !ok {
		return
	}
	var c ceremony
	err := h.pendings.take(r.Context(), kindRegistration, in.Ceremony, &c)
	if err == nil && c.Owner != a.session.ID {
		err = errNoPending
	}
	var made passkey.Passkey
	if err == nil {
		var u passkey.User
		if u, _, err = h.passkeyUser(r.Context(), a.user); err == nil {
			made, err = rp.FinishRegistration(u, c.State, in.Credential)
		}
	}
	if errors.Is(err, errNoPending) || errors.Is(err, passkey.ErrRefused) {
		h.Log.InfoContext(r.Context(), "a new passkey was refused", "error", err, "request_id", requestID(r))
		writePlainProblem(w, r, http.StatusBadRequest)
		return
	}
	if err == nil {
		err = h.Accounts.AddCredentials(r.Context(), Credential{
			ID: code.NewID(), UserID: a.user.ID, Kind: KindPasskey, Lookup: made.ID, Label: label(in.Label, "Passkey"), Data: made.Record, Active: true,
		})
	}
	if err != nil {
		h.unavailable(w, r, credentials{}, err)
		return
	}
	codes, err := h.factorAdded(r, a, "passkey_added")
	if err != nil {
		h.unavailable(w, r, credentials{}, err)
		return
	}
	writeJSON(w, struct {
		Codes []string `json:"recovery_codes,omitempty"`
	}{codes})
}
