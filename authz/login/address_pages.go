package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/authz/login/code"
	"gatehouse/authz/login/openid"
	"gatehouse/authz/login/throttle"
)

// People change where mail reaches them on the page of their account, as they do
// all else: shortly after a sign-in. Nothing is changed before a link that was
// mailed to the new address is opened by who is signed in to that account: a
// mistyped address gives its owner nothing, nor does a scanner of mail that opens
// links. Whether the address is somebody else's is told to nobody but its owner.

// AddressPath is where the link that confirms an address leads, with ?token=.
const AddressPath = "/auth/account/email/confirm"

// addressAsked is POST /auth/account/email. The answer is the same whoever has the
// address, and does not wait for the mail, which would tell.
func (h *handler) addressAsked(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.changing(w, r)
	if !ok {
		return
	}
	address, ok := mailAddress(values.Get("email"))
	switch {
	case !ok:
		h.showAccount(w, r, http.StatusUnprocessableEntity, a, "That is no mail address. Please write it like name@example.com.", "")
		return
	case address == a.user.Email:
		h.showAccount(w, r, http.StatusUnprocessableEntity, a, "Mail goes to that address already.", "")
		return
	}
	if !h.mayAsk(w, r, a, address) {
		return
	}
	free, ok := h.place()
	if !ok {
		h.unavailable(w, r, credentials{form: true}, errors.New("the link to a new address has to wait: too many mails are under way"))
		return
	}
	token := code.NewToken()
	change := AddressChange{
		UserID: a.user.ID, Lookup: code.HashToken(token), Former: a.user.Email, Address: address, Expires: h.Now().Add(MailedReset),
	}
	if err := h.Accounts.BeginAddress(r.Context(), change); err != nil {
		free()
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	h.reportChange(r, a.user, "email_change_started")
	mails := h.addressMails(r, a.user, change, token)
	beside(r, free, mails.send)
	h.showAccount(w, r, http.StatusOK, a, "", "If that address can be used, a link is on its way there. Nothing is changed until you open it.")
}

// mayAsk counts like an attempt that fails, for who asks and for the mailbox, so
// that nobody's is flooded; or it answers.
func (h *handler) mayAsk(w http.ResponseWriter, r *http.Request, a account, address string) bool {
	name := NameKey(a.user.Name)
	if _, ok := h.beginFor(w, r, credentials{form: true}, name, "address\x00"+a.user.ID); !ok {
		return false
	}
	// Of no known device: each account that floods one mailbox has its own.
	_, wait, err := h.throttle.Take(r.Context(), throttle.Attempt{Account: "mail to\x00" + strings.ToLower(address), Address: h.ClientIP(r)})
	switch {
	case err != nil:
		h.unavailable(w, r, credentials{form: true}, err)
	case wait > 0:
		h.tooMany(w, r, credentials{form: true}, name, wait)
	}
	return err == nil && wait == 0
}

// addressLink is GET AddressPath, for who is signed in to the account. It spends
// nothing.
func (h *handler) addressLink(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	a, ok := h.signedInFor(w, r, linkOf(token))
	if !ok {
		return
	}
	change, err := h.Accounts.PendingAddress(r.Context(), a.user.ID, h.Now())
	switch {
	case errors.Is(err, ErrNoChange), err == nil && change.Lookup != code.HashToken(token):
		h.addressOver(w, r, a)
	case err != nil:
		h.unavailable(w, r, credentials{form: true}, err)
	default:
		v := h.view("Confirm your mail address", h.keys.formToken(a.bound()))
		v.Body = struct{ Name, Address, Token string }{a.user.Name, change.Address, token}
		h.show(w, r, http.StatusOK, "address", v)
	}
}

// linkOf is AddressPath with a token; without one if that can be none, so that
// nothing of a stranger's goes into a redirect.
func linkOf(token string) string {
	if !code.IsToken(token) {
		return AddressPath
	}
	return AddressPath + "?token=" + url.QueryEscape(token)
}

func (h *handler) addressOver(w http.ResponseWriter, r *http.Request, a account) {
	v := h.view("This link is over", "")
	v.Error = "The link was used already, is too old, or is not for the account of " + a.user.Name +
		", to which you are signed in. Nothing was changed. You can ask for another on the page of your account."
	v.Next = "/auth/account"
	h.show(w, r, http.StatusGone, "message", v)
}

// addressConfirmed is POST AddressPath. The session need not be recent, as it was
// when the change was asked for, but has all factors.
func (h *handler) addressConfirmed(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.endingForm(w, r)
	if !ok {
		return
	}
	if !a.proved() {
		h.stepUpFor(w, r, openid.SecondFactor, linkOf(values.Get("token")))
		return
	}
	change, err := h.Accounts.ConfirmAddress(r.Context(), a.user.ID, code.HashToken(values.Get("token")), h.Now())
	switch {
	case errors.Is(err, ErrNoChange):
		h.addressOver(w, r, a)
		return
	case err != nil:
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	a.user.Email = change.Former
	h.reportChange(r, a.user, "email_confirmed") // to the former address
	a.user.Email = change.Address
	h.notify(r, a.user, "email_confirmed")
	h.showAccount(w, r, http.StatusOK, a, "", "Mail about your account goes to "+change.Address+" from now on.")
}

// addressDropped is POST /auth/account/email/cancel.
func (h *handler) addressDropped(w http.ResponseWriter, r *http.Request) {
	a, _, ok := h.endingForm(w, r)
	if !ok {
		return
	}
	dropped, err := h.Accounts.DropAddress(r.Context(), a.user.ID, "")
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	if dropped {
		h.reportChange(r, a.user, "email_change_cancelled")
	}
	seeOther(w, "/auth/account")
}
