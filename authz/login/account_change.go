package login

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gatehouse/authz/login/apikey"
	"gatehouse/authz/login/code"
	passwords "gatehouse/authz/login/password"
	"gatehouse/authz/login/totp"
)

// changing is a form that changes credentials: a recent sign-in, and the page's
// token. Else it answers.
func (h *handler) changing(w http.ResponseWriter, r *http.Request) (account, url.Values, bool) {
	a, ok := h.recent(w, r)
	return h.formOf(w, r, a, ok)
}

// formOf is the form of somebody who may send it; of nobody else, who has an answer already.
func (h *handler) formOf(w http.ResponseWriter, r *http.Request, a account, ok bool) (account, url.Values, bool) {
	if !ok {
		return a, nil, false
	}
	values, err := h.readForm(w, r, a.bound())
	if err != nil {
		h.refuseInput(w, r, credentials{form: true}, err)
		return a, nil, false
	}
	return a, values, true
}

// changePassword asks for the current one (ASVS 5.0 6.2.3), even of who has just
// signed in, and ends all other sessions.
func (h *handler) changePassword(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.changing(w, r)
	if !ok {
		return
	}
	try, ok := h.begin(w, r, credentials{form: true}, NameKey(a.user.Name))
	if !ok {
		return
	}
	user, err := h.Authenticator.Password(r.Context(), a.user.Name, values.Get("current"))
	var failure *Failure
	if errors.As(err, &failure) {
		h.reportFailure(r, a.user.Name, "password", failure)
		h.showAccount(w, r, http.StatusForbidden, a, "The current password is not right.", "")
		return
	}
	if err != nil {
		try.undecided(r.Context())
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	try.success(r.Context())
	hash, err := h.newHash(r.Context(), values.Get("new"), user.Name)
	if text := advice(err); text != "" {
		h.showAccount(w, r, http.StatusUnprocessableEntity, a, text, "")
		return
	}
	if err == nil {
		err = h.setPassword(r, user, hash)
	}
	if err == nil {
		err = h.endRest(r, a)
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	h.reportChange(r, user, "password_changed")
	h.showAccount(w, r, http.StatusOK, a, "", "The password is changed, and all other devices are signed out.")
}

var errChangedMeanwhile = errors.New("the user was changed by another at the same time: try again")

// setPassword ends links with which the password could be set once more: before,
// so that none is left if the store is away in between.
func (h *handler) setPassword(r *http.Request, user User, hash string) error {
	if _, err := h.Accounts.RemoveCredentials(r.Context(), user.ID, KindReset, ""); err != nil {
		return fmt.Errorf("end the links of resets: %w", err)
	}
	current, err := h.Accounts.Account(r.Context(), user.ID) // sign-in may have rehashed it
	if err != nil {
		return err
	}
	ok, err := h.Accounts.ReplacePasswordHash(r.Context(), user.ID, current.PasswordHash, hash)
	if err == nil && !ok {
		err = errChangedMeanwhile
	}
	return err
}

// advice is what a person is told of a password that may not be set; empty for
// errors that are not theirs.
func advice(err error) string {
	for _, known := range []error{passwords.ErrText, passwords.ErrShort, passwords.ErrLong, passwords.ErrContext, passwords.ErrCompromised} {
		if errors.Is(err, known) {
			text := err.Error()
			return strings.ToUpper(text[:1]) + text[1:] + ". Please choose another."
		}
	}
	return ""
}

// label is what somebody calls a thing of theirs.
func label(text, otherwise string) string {
	text = strings.TrimSpace(strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, text))
	for len(text) > MaxLabel {
		runes := []rune(text)
		text = string(runes[:len(runes)-1])
	}
	if text == "" {
		return otherwise
	}
	return text
}

func (h *handler) totpBegin(w http.ResponseWriter, r *http.Request) {
	a, _, ok := h.changing(w, r)
	if !ok {
		return
	}
	secret := totp.NewSecret()
	sealed, err := h.keys.sealSecret(secret, a.user.ID)
	id := code.NewID()
	if err == nil {
		err = h.dropUnconfirmed(r, a.user.ID)
	}
	if err == nil {
		err = h.Accounts.AddCredentials(r.Context(), Credential{ID: id, UserID: a.user.ID, Kind: KindTOTP, Label: "Authenticator app", Data: sealed})
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	h.totpPage(w, r, http.StatusOK, a, id, secret, "")
}

func (h *handler) dropUnconfirmed(r *http.Request, userID string) error {
	all, err := h.Accounts.Credentials(r.Context(), userID)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Kind == KindTOTP && !c.Active {
			if _, err := h.Accounts.RemoveCredentials(r.Context(), userID, KindTOTP, c.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *handler) totpPage(w http.ResponseWriter, r *http.Request, status int, a account, id string, secret []byte, problem string) {
	svg, err := totp.SVG(totp.URI(secret, h.site(), a.user.Name))
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	v := h.view("Set an authenticator app up", h.keys.formToken(a.bound()))
	v.Error = problem
	v.Body = struct {
		QR         template.HTML
		Secret, ID string
	}{template.HTML(svg), totp.Text(secret), id} // #nosec G203 -- numbers alone, see totp.SVG
	h.show(w, r, status, "totp", v)
}

// totpConfirm switches an app on once it has shown that it works.
func (h *handler) totpConfirm(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.changing(w, r)
	if !ok {
		return
	}
	all, err := h.Accounts.Credentials(r.Context(), a.user.ID)
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	for _, c := range all {
		if c.Kind != KindTOTP || c.Active || c.ID != values.Get("id") {
			continue
		}
		h.confirm(w, r, a, c, values.Get("code"))
		return
	}
	seeOther(w, "/auth/account")
}

func (h *handler) confirm(w http.ResponseWriter, r *http.Request, a account, c Credential, text string) {
	digits, ok := totp.Read(text)
	var err error
	if ok {
		ok, err = h.useTOTP(r.Context(), c, digits)
	}
	if err == nil && !ok {
		var secret []byte
		if secret, err = h.keys.openSecret(c.Data, a.user.ID); err == nil {
			h.totpPage(w, r, http.StatusUnprocessableEntity, a, c.ID, secret, "The code is not right. Is the clock of the device?")
			return
		}
	}
	var codes []string
	if err == nil {
		codes, err = h.factorAdded(r, a, "totp_added")
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	if codes == nil {
		seeOther(w, "/auth/account")
		return
	}
	h.secretsPage(w, r, a, "Recovery codes", "The app is on. If you lose it, each of these codes stands in for it once, after your password or provider.", codes)
}

// factorAdded ends what was begun without the new factor, and makes recovery
// codes with the first one.
func (h *handler) factorAdded(r *http.Request, a account, what string) (codes []string, err error) {
	if !a.user.SecondFactor {
		if codes, err = h.newRecoveryCodes(r.Context(), a.user.ID); err != nil {
			return nil, err
		}
	}
	h.reportChange(r, a.user, what)
	return codes, h.endRest(r, a)
}

func (h *handler) secretsPage(w http.ResponseWriter, r *http.Request, a account, title, text string, secrets []string) {
	v := h.view(title, h.keys.formToken(a.bound()))
	v.Body = struct {
		Text    string
		Secrets []string
	}{text, secrets}
	h.show(w, r, http.StatusOK, "secrets", v)
}

// removing is the button that removes one credential of a kind.
func (h *handler) removing(kind CredentialKind, what string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, values, ok := h.changing(w, r)
		if !ok {
			return
		}
		id := values.Get("id")
		if id == "" {
			h.refuseInput(w, r, credentials{form: true}, errMalformed) // empty would be all
			return
		}
		_, left, err := h.waysWithout(r.Context(), a.user, kind, id)
		if err == nil && !left.any() {
			h.showAccount(w, r, http.StatusConflict, a, "This is the only way in which you sign in. Please add another one first.", "")
			return
		}
		if errors.Is(err, ErrNoCredential) {
			seeOther(w, "/auth/account")
			return
		}
		var n int64
		if err == nil {
			n, err = h.Accounts.RemoveCredentials(r.Context(), a.user.ID, kind, id)
		}
		if err == nil && n > 0 {
			h.reportChange(r, a.user, what)
			err = h.lastFactorGone(r, a.user.ID)
		}
		if err != nil {
			h.unavailable(w, r, credentials{form: true}, err)
			return
		}
		seeOther(w, "/auth/account")
	}
}

// lastFactorGone removes recovery codes that replace nothing any more.
func (h *handler) lastFactorGone(r *http.Request, userID string) error {
	user, err := h.Accounts.Account(r.Context(), userID)
	if err == nil && !user.SecondFactor {
		_, err = h.Accounts.RemoveCredentials(r.Context(), userID, KindRecovery, "")
	}
	return err
}

func (h *handler) recovery(w http.ResponseWriter, r *http.Request) {
	a, _, ok := h.changing(w, r)
	if !ok {
		return
	}
	if !a.user.SecondFactor {
		seeOther(w, "/auth/account")
		return
	}
	codes, err := h.newRecoveryCodes(r.Context(), a.user.ID)
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	h.reportChange(r, a.user, "recovery_codes_made")
	h.secretsPage(w, r, a, "Recovery codes", "Each of these codes stands in for your second factor once, after your password or provider.", codes)
}

func (h *handler) keyAdd(w http.ResponseWriter, r *http.Request) {
	a, values, ok := h.changing(w, r)
	if !ok {
		return
	}
	days, err := strconv.Atoi(values.Get("days"))
	scopes, err2 := apikey.Scopes(values.Get("scopes"))
	if err != nil || err2 != nil || days < 1 || days > 365 {
		h.showAccount(w, r, http.StatusUnprocessableEntity, a, "A key ends after 1 to 365 days, and its scopes are words without quotes.", "")
		return
	}
	key, expires := apikey.New(), h.Now().Add(time.Duration(days)*24*time.Hour).Truncate(time.Second)
	err = h.Accounts.AddCredentials(r.Context(), Credential{
		ID: code.NewID(), UserID: a.user.ID, Kind: KindAPIKey, Lookup: apikey.Hash(key), Label: label(values.Get("label"), "Key"),
		Data: strings.Join(scopes, " "), Active: true, Expires: expires,
	})
	if errors.Is(err, ErrTooMany) {
		h.showAccount(w, r, http.StatusUnprocessableEntity, a, "You have too many keys. Please remove one first.", "")
		return
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	h.reportChange(r, a.user, "api_key_added")
	text := "Programs send it as Authorization: Bearer. It ends on " + day(expires) + "."
	if h.Mailer != nil && a.user.Email != "" && days > int(LateReminder/(24*time.Hour)) {
		text += " You will be reminded by mail before."
	}
	h.secretsPage(w, r, a, "A key for a program", text, []string{key})
}
