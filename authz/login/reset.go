package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login/code"
)

// How long the link of a reset is good: one that was mailed for as long as ASVS
// 5.0 6.5.5 lets it, one that an operator hands over for a day.
const (
	MailedReset   = 10 * time.Minute
	OperatorReset = 24 * time.Hour
)

// ResetAskPath is the page on which people ask for a reset.
const ResetAskPath = "/auth/reset"

// ResetPath is where the link of a reset leads, with ?token=.
const ResetPath = "/auth/reset/set"

// StartReset makes the link of a reset of the user's password, from the path on,
// and ends all that were begun before. The link is good once and opens nothing
// but the choice of a new password: a second factor stays.
func StartReset(ctx context.Context, accounts Accounts, userID string, now time.Time, life time.Duration) (path string, err error) {
	if _, err := accounts.RemoveCredentials(ctx, userID, KindReset, ""); err != nil {
		return "", err
	}
	token := code.NewToken()
	err = accounts.AddCredentials(ctx, Credential{
		ID: code.NewID(), UserID: userID, Kind: KindReset, Lookup: code.HashToken(token), Active: true, Expires: now.Add(life),
	})
	return ResetPath + "?token=" + url.QueryEscape(token), err
}

// resetAsked is POST /auth/reset. The answer is the same whatever the name is,
// and does not wait for the mail, which would tell.
func (h *handler) resetAsked(w http.ResponseWriter, r *http.Request) {
	values, err := h.readForm(w, r, browser(r))
	if err != nil {
		h.refuseInput(w, r, credentials{form: true}, err)
		return
	}
	name, ok := NormalizeName(values.Get("username"))
	if ok {
		// Counted like an attempt that fails, so that nobody's mailbox is flooded.
		if _, ok := h.beginFor(w, r, credentials{form: true}, NameKey(name), "reset\x00"+NameKey(name)); !ok {
			return
		}
		background, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), mailWithin)
		// The goroutine ends within mailWithin, whatever the mail server does.
		go func() {
			defer cancel()
			h.sendReset(background, requestID(r), name, r.Host)
		}()
	}
	v := h.view("Look into your mail", "")
	v.Notice, v.Next = "If there is an account of that name with a mail address, a link is on its way.", "/auth/sign-in"
	h.show(w, r, http.StatusOK, "message", v)
}

const mailWithin = 30 * time.Second

func (h *handler) sendReset(ctx context.Context, request, name, host string) {
	err := func() error {
		user, err := h.Accounts.UserByName(ctx, name)
		switch {
		case errors.Is(err, ErrNoUser), err == nil && (user.Disabled || user.Email == ""):
			return nil
		case err != nil:
			return fmt.Errorf("find the user: %w", err)
		}
		path, err := StartReset(ctx, h.Accounts, user.ID, h.Now(), MailedReset)
		if err != nil {
			return fmt.Errorf("make the link: %w", err)
		}
		// Read anew: a change of the address that came in between has ended the link, or
		// comes after it and will.
		user, err = h.Accounts.Account(ctx, user.ID)
		if errors.Is(err, ErrNoUser) || err == nil && user.Email == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find the user again: %w", err)
		}
		h.Events.Append(event.Event{
			Type: event.UserChanged, Severity: event.Info, Outcome: event.Success, Feature: "sign_in", Rule: "reset_started",
			RequestID: request, Subject: h.Pseudonyms.Subject(user.ID),
		})
		return h.Mailer.Mail(ctx, user.Email, "Set your password anew",
			"Somebody, you we hope, asked to set the password of your account anew.\n\nOpen this within ten minutes:\n"+
				h.origin(host)+path+"\n\nIf that was not you, do nothing: your password stays as it is.\n")
	}()
	if err != nil {
		h.Log.ErrorContext(ctx, "the link of a reset was not sent", "error", err, "request_id", request)
	}
}

// origin is ours for links in mail. Without a configured one there is no mail:
// a Host field could name any place (see fullRoutes).
func (h *handler) origin(string) string {
	if origins := h.Settings().Origins; len(origins) > 0 {
		return origins[0]
	}
	return ""
}

// resetSetPage is GET /auth/reset/set. It spends nothing: scanners of mail open
// links, too.
func (h *handler) resetSetPage(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if !code.IsToken(token) {
		h.resetOver(w, r)
		return
	}
	h.showResetSet(w, r, http.StatusOK, token, "")
}

func (h *handler) showResetSet(w http.ResponseWriter, r *http.Request, status int, token, problem string) {
	v := h.view("Set your password anew", h.strangersToken(w, r))
	v.Error = problem
	v.Body = struct {
		Token     string
		MinLength int
	}{token, h.minLength()}
	h.show(w, r, status, "reset-set", v)
}

func (h *handler) resetOver(w http.ResponseWriter, r *http.Request) {
	v := h.view("This link is over", "")
	v.Error, v.Next = "The link was used already, or is too old. Please ask for another.", "/auth/sign-in"
	h.show(w, r, http.StatusGone, "message", v)
}

// resetSet is POST /auth/reset/set. It signs nobody in: afterwards one signs in
// with the new password, and with the second factor (ASVS 5.0 6.4.3).
func (h *handler) resetSet(w http.ResponseWriter, r *http.Request) {
	values, err := h.readForm(w, r, browser(r))
	if err != nil {
		h.refuseInput(w, r, credentials{form: true}, err)
		return
	}
	token := values.Get("token")
	if !code.IsToken(token) {
		h.resetOver(w, r)
		return
	}
	user, err := h.resetUser(r.Context(), token)
	if errors.Is(err, ErrNoCredential) || errors.Is(err, ErrNoUser) {
		h.resetOver(w, r)
		return
	}
	var hash string
	if err == nil {
		hash, err = h.newHash(r.Context(), values.Get("new"), user.Name)
		if text := advice(err); text != "" {
			h.showResetSet(w, r, http.StatusUnprocessableEntity, token, text)
			return
		}
	}
	if err == nil {
		// Spent only now, with all that could be wrong found out before: one of two
		// at once gets it.
		_, err = h.Accounts.SpendCredential(r.Context(), KindReset, code.HashToken(token))
		if errors.Is(err, ErrNoCredential) {
			h.resetOver(w, r)
			return
		}
	}
	if err == nil {
		err = h.setPassword(r, user, hash)
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	h.resetDone(w, r, user)
}

func (h *handler) resetUser(ctx context.Context, token string) (User, error) {
	c, err := h.Accounts.Credential(ctx, KindReset, code.HashToken(token))
	if err == nil && c.Expired(h.Now()) {
		err = ErrNoCredential
	}
	if err != nil {
		return User{}, err
	}
	user, err := h.Accounts.Account(ctx, c.UserID)
	if err == nil && user.Disabled {
		err = ErrNoUser
	}
	return user, err
}

func (h *handler) resetDone(w http.ResponseWriter, r *http.Request, user User) {
	h.reportChange(r, user, "password_reset")
	ended, err := h.Sessions.RevokeAll(r.Context(), user.ID)
	for _, s := range ended {
		h.reportRevoked(r, s, "the password was reset")
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	account := NameKey(user.Name)
	// Whoever has the person's mail or the operator's link is no stranger: the
	// waiting that strangers caused is over for this browser.
	http.SetCookie(w, h.throttle.NewDevice(account, h.throttle.Device(r, account)))
	v := h.view("The password is set", "")
	v.Notice, v.Next = "All devices are signed out. Please sign in with the new password."+h.keysStay(r, user), "/auth/sign-in"
	h.show(w, r, http.StatusOK, "message", v)
}

// keysStay tells who resets a password, perhaps since somebody else had it, of what
// may be that other's.
func (h *handler) keysStay(r *http.Request, user User) string {
	all, err := h.Accounts.Credentials(r.Context(), user.ID)
	if err != nil {
		h.Log.WarnContext(r.Context(), "after a reset the person was not told of their keys", "error", err, "request_id", requestID(r))
		return ""
	}
	for _, c := range all {
		if c.Kind == KindAPIKey && c.Active && !c.Expired(h.Now()) {
			return " Your keys for programs are still good: on the page of your account, remove those that you do not know."
		}
	}
	return ""
}
