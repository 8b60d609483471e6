package login

import (
	"errors"
	"net/http"
)

func (h *handler) signUpPage(w http.ResponseWriter, r *http.Request) {
	h.showSignUp(w, r, http.StatusOK, "")
}

func (h *handler) showSignUp(w http.ResponseWriter, r *http.Request, status int, problem string) {
	if !h.Settings().SignUp {
		writePlainProblem(w, r, http.StatusNotFound)
		return
	}
	v := h.view("Make an account", h.strangersToken(w, r))
	v.Error, v.Body = problem, struct{ MinLength int }{h.minLength()}
	h.show(w, r, status, "sign-up", v)
}

// signUp is POST /auth/sign-up. It cannot help but tell that a name is taken; by
// address it is counted like a failed attempt, so that nobody reads a list out.
func (h *handler) signUp(w http.ResponseWriter, r *http.Request) {
	if !h.Settings().SignUp {
		writePlainProblem(w, r, http.StatusNotFound)
		return
	}
	values, err := h.readForm(w, r, browser(r))
	if err != nil {
		h.refuseInput(w, r, credentials{form: true}, err)
		return
	}
	name, ok := NormalizeName(values.Get("username"))
	if !ok {
		h.showSignUp(w, r, http.StatusUnprocessableEntity, "This cannot be a name. Please choose another.")
		return
	}
	if _, ok := h.beginFor(w, r, credentials{form: true}, NameKey(name), "sign-up\x00"+NameKey(name)); !ok {
		return
	}
	hash, err := h.newHash(r.Context(), values.Get("new"), name)
	if text := advice(err); text != "" {
		h.showSignUp(w, r, http.StatusUnprocessableEntity, text)
		return
	}
	var user User
	if err == nil {
		user, err = h.Accounts.AddAccount(r.Context(), name, hash)
	}
	if errors.Is(err, ErrNameTaken) {
		h.showSignUp(w, r, http.StatusConflict, "This name is taken. Please choose another.")
		return
	}
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	h.reportChange(r, user, "signed_up")
	h.complete(w, r, credentials{form: true, next: "/auth/account"}, user, proof{rule: "sign_up", amr: []string{"pwd"}})
}
