package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatehouse/authz/login/code"
	"gatehouse/filter/verdict"
)

// secondCookie holds the token of a sign-in that waits for its second factor. It
// opens nothing.
const secondCookie = "__Host-gatehouse-second"

const kindSecond = "second"

// waiting is a sign-in whose first factor was right.
type waiting struct {
	UserID string `json:"user"`
	// Proof is a hash of the password's hash: after a change, begin again.
	Proof string `json:"proof"`
	Next  string `json:"next,omitempty"`
	Form  bool   `json:"form,omitempty"`
	Token bool   `json:"token,omitempty"`
	// AMR is how the first factor was shown, and At when, in Unix ms; 0: now.
	AMR []string `json:"amr"`
	At  int64    `json:"at,omitempty"`
	// Raises is the session whose proof the second factor adds to.
	Raises string `json:"raises,omitempty"`
	// Vouched is what a provider said, sealed.
	Vouched string `json:"vouched,omitempty"`
}

// askSecond keeps what is proved so far and asks for the rest.
func (h *handler) askSecond(w http.ResponseWriter, r *http.Request, c credentials, user User, p proof) {
	token, err := h.wait(r.Context(), c, user, p)
	if err != nil {
		h.unavailable(w, r, c, err)
		return
	}
	http.SetCookie(w, hostCookie(secondCookie, token, 0))
	if c.form && (p.vouched != nil || p.raises != "") {
		// Another site may have led here, and then a browser would not send the cookie
		// along a redirect (SameSite=Strict).
		h.secondPage(w, r, http.StatusOK, user, "")
		return
	}
	if c.form {
		seeOther(w, "/auth/second-factor")
		return
	}
	methods, err := h.methods(r.Context(), user.ID)
	if err != nil {
		h.unavailable(w, r, c, err)
		return
	}
	answer := struct {
		Status    string   `json:"status"`
		Methods   []string `json:"methods"`
		Challenge string   `json:"challenge,omitempty"`
	}{Status: "second_factor_required", Methods: methods}
	if c.Token {
		answer.Challenge = token // for clients that keep no cookies
	}
	body, err := json.Marshal(answer)
	if err != nil {
		body = []byte("{}") // strings: cannot be
	}
	writeDocument(w, http.StatusAccepted, "application/json", body)
}

func (h *handler) wait(ctx context.Context, c credentials, user User, p proof) (string, error) {
	wait := waiting{
		UserID: user.ID, Proof: code.HashToken(user.PasswordHash), Next: c.next, Form: c.form, Token: c.Token,
		AMR: p.amr, Raises: p.raises,
	}
	if !p.at.IsZero() {
		wait.At = p.at.UnixMilli()
	}
	var err error
	if p.vouched != nil {
		if wait.Vouched, err = h.keys.sealVouched(p.vouched, user.ID); err != nil {
			return "", err
		}
	}
	return h.pendings.put(ctx, kindSecond, wait)
}

// with is the proof of both factors.
func (h *handler) with(wait waiting, second proof) (proof, error) {
	both := proof{rule: second.rule, amr: methodsTogether(wait.AMR, second.amr), raises: wait.Raises}
	if wait.At != 0 {
		both.at = time.UnixMilli(wait.At)
	}
	var err error
	if wait.Vouched != "" {
		both.vouched, err = h.keys.openVouched(wait.Vouched, wait.UserID)
	}
	return both, err
}

// methods are what a user can go on with.
func (h *handler) methods(ctx context.Context, userID string) ([]string, error) {
	all, err := h.Accounts.Credentials(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("%w: read the user's factors: %w", ErrUnavailable, err)
	}
	found := map[CredentialKind]bool{}
	for _, c := range all {
		found[c.Kind] = found[c.Kind] || c.Active
	}
	var methods []string
	for _, kind := range []CredentialKind{KindTOTP, KindPasskey, KindRecovery} {
		if found[kind] {
			methods = append(methods, string(kind))
		}
	}
	return methods, nil
}

func seeOther(w http.ResponseWriter, location string) {
	noStore(w)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// waitingOf finds the sign-in that a request goes on with, and its user as they
// are now. errNoPending if there is none.
func (h *handler) waitingOf(r *http.Request, token string) (waiting, User, error) {
	var wait waiting
	if err := h.pendings.get(r.Context(), kindSecond, token, &wait); err != nil {
		return wait, User{}, err
	}
	user, err := h.Accounts.Account(r.Context(), wait.UserID)
	switch {
	case errors.Is(err, ErrNoUser):
		return wait, User{}, errNoPending
	case err != nil:
		return wait, User{}, fmt.Errorf("%w: find the user: %w", ErrUnavailable, err)
	case user.Disabled || code.HashToken(user.PasswordHash) != wait.Proof:
		return wait, User{}, errNoPending
	}
	return wait, user, nil
}

// secondToken is the one token of a sign-in that waits: the cookie's.
func secondToken(r *http.Request) string {
	if cookies := r.CookiesNamed(secondCookie); len(cookies) == 1 {
		return cookies[0].Value
	}
	return ""
}

// second is POST /auth/second-factor: {"code","challenge"} or a form.
func (h *handler) second(w http.ResponseWriter, r *http.Request) {
	in, err := h.readSecond(w, r)
	c := credentials{form: in.form, page: in.form, next: "/"}
	if err != nil {
		h.refuseInput(w, r, c, err)
		return
	}
	token := in.Challenge
	if token == "" {
		token = secondToken(r)
	}
	wait, user, err := h.waitingOf(r, token)
	if errors.Is(err, errNoPending) {
		h.reportFailure(r, "", "second_factor", &Failure{Reason: ReasonNoCeremony})
		h.beginAgain(w, r, in.form)
		return
	}
	if err != nil {
		h.unavailable(w, r, c, err)
		return
	}
	c.next, c.Token = wait.Next, wait.Token
	try, ok := h.beginFor(w, r, c, NameKey(user.Name), "second factor\x00"+user.ID)
	if !ok {
		return
	}
	rule, ok, err := h.checkCode(r.Context(), user, in.Code)
	switch {
	case err != nil:
		try.undecided(r.Context())
		h.unavailable(w, r, c, err)
		return
	case !ok:
		h.reportFailure(r, user.Name, "second_factor", &Failure{Reason: ReasonWrongCode, UserID: user.ID})
		h.suspectUser(r, user, suspicion{what: "second_factor_failed", of: user.ID, again: time.Hour})
		h.secondFailed(w, r, in.form, user)
		return
	}
	try.success(r.Context())
	if rule == "recovery_code" {
		h.reportChange(r, user, "recovery_code_used")
	}
	h.secondDone(w, r, c, token, user, wait, proof{rule: rule, amr: []string{"otp", "mfa"}})
}

// secondDone ends the waiting, so that nothing of it can be used again.
func (h *handler) secondDone(w http.ResponseWriter, r *http.Request, c credentials, token string, user User, wait waiting, second proof) {
	p, err := h.with(wait, second)
	if err != nil {
		h.unavailable(w, r, c, err)
		return
	}
	if err := h.pendings.drop(r.Context(), kindSecond, token); err != nil {
		h.unavailable(w, r, c, err)
		return
	}
	http.SetCookie(w, hostCookie(secondCookie, "", -1))
	h.complete(w, r, c, user, p)
}

func (h *handler) beginAgain(w http.ResponseWriter, r *http.Request, form bool) {
	if form {
		http.SetCookie(w, hostCookie(secondCookie, "", -1))
		h.signInPage(w, r, http.StatusUnauthorized, "/", "That took too long. Please begin again.")
		return
	}
	writeProblem(w, r, verdict.AuthenticationFailed)
}

func (h *handler) secondFailed(w http.ResponseWriter, r *http.Request, form bool, user User) {
	if form {
		h.secondPage(w, r, http.StatusUnauthorized, user, "The code is not right, or was used already.")
		return
	}
	writeProblem(w, r, verdict.AuthenticationFailed)
}

type secondInput struct {
	Code      string `json:"code"`
	Challenge string `json:"challenge"`

	form bool
}

func (h *handler) readSecond(w http.ResponseWriter, r *http.Request) (secondInput, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), formType) {
		var in secondInput
		return in, readJSON(w, r, &in)
	}
	values, err := h.readForm(w, r, browser(r))
	return secondInput{Code: values.Get("code"), form: true}, err
}
