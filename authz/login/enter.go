package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// proof is how somebody has proved who they are.
type proof struct {
	rule string   // of the event
	amr  []string // RFC 8176
	at   time.Time
	// vouched is what a provider said, if it is one that vouches for them.
	vouched *vouched
	// raises is the session whose proof this adds to; empty: it is a proof of its own.
	raises string
}

// complete begins the session of a user who has proved all that they must. The
// token is always a new one (ASVS 5.0 7.2.4), and the session that the request
// came with ends. It is where every way to sign in ends.
func (h *handler) complete(w http.ResponseWriter, r *http.Request, c credentials, user User, p proof) {
	token, s, err := h.enter(r, user, p)
	if err == nil {
		err = h.stillHolds(r, user, p, s)
	}
	if err == nil && p.vouched != nil {
		err = h.federation.follow(r, s, p)
	}
	var failure *Failure
	switch {
	case errors.As(err, &failure):
		h.reportFailure(r, user.Name, p.rule, failure)
		if p.vouched != nil && c.form {
			h.federation.sorry(w, r) // they gave no name and no password
			return
		}
		h.refuse(w, r, c, verdict.AuthenticationFailed)
		return
	case p.raises != "" && errors.Is(err, session.ErrInvalid):
		h.beginAgain(w, r, c.form) // the session that it was to add to has ended meanwhile
		return
	case errors.Is(err, session.ErrUnbindable):
		h.reportFailure(r, user.Name, p.rule, &Failure{Reason: ReasonNoCertificate, UserID: user.ID})
		h.unbindable(w, r, c)
		return
	case errors.Is(err, session.ErrFull):
		h.reportFailure(r, user.Name, p.rule, &Failure{Reason: ReasonFull, UserID: user.ID})
		h.full(w, r, c)
		return
	case err != nil:
		h.unavailable(w, r, c, err)
		return
	}
	h.reportSuccess(r, s, p.rule)
	if h.throttle != nil {
		account := NameKey(user.Name)
		known := h.throttle.Device(r, account)
		if known == "" {
			h.suspectDevice(r, user)
		}
		http.SetCookie(w, h.throttle.NewDevice(account, known))
		http.SetCookie(w, hostCookie(formCookie, "", -1)) // forms of before are not forms of now
	}
	h.welcome(w, c, token, s)
}

// stillHolds ends a session that was begun after what it relies on had ended: who
// resets a password has all sessions ended, and one whose sign-in was under way
// comes after them. Its token was not given to anybody yet.
func (h *handler) stillHolds(r *http.Request, user User, p proof, s session.Session) error {
	err := h.Authenticator.Still(r.Context(), user, p.amr, p.vouched == nil && slices.Contains(p.amr, "pwd"))
	if err == nil && p.vouched != nil {
		err = h.federation.stillLinked(r.Context(), user, p.vouched.Who)
	}
	if err == nil {
		return nil
	}
	_, ended := h.Sessions.RevokeID(context.WithoutCancel(r.Context()), user.ID, s.ID)
	if ended != nil && !errors.Is(ended, session.ErrInvalid) {
		h.Log.WarnContext(r.Context(), "a session that nobody got a token of was not ended", "error", ended, "request_id", requestID(r))
	}
	return err
}

// unbindable tells somebody who has proved who they are what their device lacks.
func (h *handler) unbindable(w http.ResponseWriter, r *http.Request, c credentials) {
	if !c.form {
		writeProblem(w, r, verdict.Forbidden)
		return
	}
	writePage(w, verdict.Forbidden.Status(), "Sign-in is not possible", "Signing in here needs the certificate of your device, which your browser has not shown.")
}

// full tells somebody who has proved who they are how to get in. To try again in a
// moment, as for what is not available, would not help.
func (h *handler) full(w http.ResponseWriter, r *http.Request, c credentials) {
	if !c.form {
		writeDocument(w, verdict.Forbidden.Status(), verdict.ContentType, verdict.Forbidden.DocumentWith(requestID(r), "missing", "free_session"))
		return
	}
	text := "You are signed in on as many devices as are allowed here. Sign out on one of them, or wait until one has not been used for long enough."
	if h.canMail() {
		text += " If you have none of them any more, set your password anew (" + ResetAskPath + "): that signs out all of them."
	}
	writePage(w, verdict.Forbidden.Status(), "Sign-in is not possible", text)
}

// enter rotates the session of who is signed in already, so that what their
// pages have under way still passes, and creates one for everybody else.
func (h *handler) enter(r *http.Request, user User, p proof) (string, session.Session, error) {
	client := clientOf(r)
	roles := h.rolesOf(r.Context(), user, p)
	token, s, err := h.renew(r, user, p, client, roles)
	if !errors.Is(err, session.ErrInvalid) || p.raises != "" {
		return token, s, err
	}
	idle, absolute := h.Lifetimes()
	overtaken := errors.Is(err, errOvertaken)
	token, s, err = h.Sessions.Create(r.Context(), session.User{ID: user.ID, Name: user.Name}, session.Grant{
		Idle: idle, Absolute: absolute, AMR: p.amr, AuthTime: p.at, Roles: roles, Device: device(r.UserAgent()),
		Network: session.Network(h.ClientIP(r)), Client: client,
	})
	if err == nil && !overtaken {
		h.endPrevious(r)
	}
	return token, s, err
}

// errOvertaken says that another sign-in of the same person, as of a second tab,
// has given the session its next token already. To end that session would put out
// whichever of the two comes back last.
var errOvertaken = fmt.Errorf("%w: another sign-in was faster", session.ErrReplaced)

// rolesOf are those that a session gets: the provider's, if it is asked for them,
// else the user's; never nil.
func (h *handler) rolesOf(ctx context.Context, user User, p proof) []string {
	roles := user.Roles
	if p.vouched != nil && p.vouched.TakesRoles {
		roles = p.vouched.Who.Roles
	}
	fit, left := session.Fitting(roles)
	if left > 0 {
		h.Log.WarnContext(ctx, "a session cannot hold all roles of its user: some are left out", "user", user.ID, "left_out", left)
	}
	return append([]string{}, fit...)
}

// renew gives the request's session another token if it is this user's and this
// client's; else the error has session.ErrInvalid in its chain.
func (h *handler) renew(r *http.Request, user User, p proof, client session.Client, roles []string) (string, session.Session, error) {
	old := tokenOf(r)
	if old == "" {
		return "", session.Session{}, session.ErrNone
	}
	before, err := h.Sessions.Lookup(r.Context(), old, session.Demand{Client: client, Fresh: true})
	switch {
	case err != nil:
		return "", before, err
	case before.User.ID != user.ID, p.raises == "" && before.Bound != h.Sessions.Binding(), p.raises != "" && before.ID != p.raises:
		return "", before, session.ErrNone
	}
	change := session.Change{AMR: p.amr, AuthTime: p.at, Roles: roles}
	if p.raises != "" {
		// A second factor alone does not make the first one recent, and takes no roles away
		// that a provider gave.
		change.AuthTime, change.Roles = before.AuthTime, nil
	} else {
		change.Idle, change.Absolute = h.Lifetimes()
	}
	token, s, err := h.Sessions.Rotate(r.Context(), old, change)
	if errors.Is(err, session.ErrReplaced) {
		return "", s, errOvertaken
	}
	if err == nil && h.federation != nil && slices.Contains(before.AMR, federated) {
		err = h.federation.renamed(r.Context(), before, s, p)
	}
	if err == nil {
		h.reportRevoked(r, before, "replaced by a new token: signed in anew")
	}
	return token, s, err
}

// endPrevious ends the session that the request came with: after a sign-in only
// the new token is good (ASVS 5.0, 7.2.4).
func (h *handler) endPrevious(r *http.Request) {
	old := tokenOf(r)
	if old == "" {
		return
	}
	s, err := h.Sessions.Revoke(r.Context(), old)
	if err == nil {
		h.reportRevoked(r, s, "signed in anew")
	} else if !errors.Is(err, session.ErrInvalid) {
		h.Log.WarnContext(r.Context(), "the session before a sign-in was not ended", "error", err, "request_id", requestID(r))
	}
}

// methodsTogether are the methods of a proof and of what it adds to, as many as a
// session can hold; those that decide come first.
func methodsTogether(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		for _, method := range list {
			if !slices.Contains(all, method) {
				all = append(all, method)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return rank(a) - rank(b) })
	for len(strings.Join(all, " ")) > session.MaxAMR {
		all = all[:len(all)-1]
	}
	return all
}

func rank(method string) int {
	switch method {
	case "pwd":
		return 0
	case "otp", "hwk", "swk":
		return 1
	case "mfa", federated:
		return 2
	default:
		return 3
	}
}
