package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"gatehouse/authz/login/openid"
	"gatehouse/authz/login/page"
	passwords "gatehouse/authz/login/password"
)

// maxTheme bounds a theme in bytes.
const maxTheme = 256 << 10

// SignInPath is the page on which people sign in.
const SignInPath = "/auth/sign-in"

func (h *handler) fullRoutes(mux *http.ServeMux) {
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET /auth/sign-in":        h.signInAsked,
		"GET /auth/second-factor":  h.secondFactor,
		"POST /auth/second-factor": h.second,
		"POST /auth/passkey/begin": h.passkeyBegin, "POST /auth/passkey/finish": h.passkeyFinish,

		"GET /auth/account":               h.accountPage,
		"POST /auth/account/sessions/end": h.endOne, "POST /auth/account/sessions/end-others": h.endOthers, "POST /auth/account/sessions/end-all": h.endAll,
		"POST /auth/account/password":   h.changePassword,
		"POST /auth/account/totp/begin": h.totpBegin, "POST /auth/account/totp/confirm": h.totpConfirm,
		"POST /auth/account/totp/remove":    h.removing(KindTOTP, "totp_removed"),
		"POST /auth/account/recovery":       h.recovery,
		"POST /auth/account/passkeys/begin": h.registerBegin, "POST /auth/account/passkeys/finish": h.registerFinish,
		"POST /auth/account/passkeys/remove": h.removing(KindPasskey, "passkey_removed"),
		"POST /auth/account/providers/link":  h.linkBegin, "POST /auth/account/providers/remove": h.linkRemove,
		"POST /auth/account/keys/add":    h.keyAdd,
		"POST /auth/account/keys/remove": h.removing(KindAPIKey, "api_key_removed"),

		"POST /auth/account/email": h.mailed(h.addressAsked), "POST /auth/account/email/cancel": h.addressDropped,
		"GET " + AddressPath: h.addressLink, "POST " + AddressPath: h.addressConfirmed,

		"GET /auth/reset": h.mailed(h.resetPage), "POST /auth/reset": h.mailed(h.resetAsked),
		"GET " + ResetPath: h.resetSetPage, "POST " + ResetPath: h.resetSet,
		"GET /auth/sign-up": h.signUpPage, "POST /auth/sign-up": h.signUp,
		"GET " + page.ThemePath: h.theme,
	} {
		mux.HandleFunc(pattern, serve)
	}
	mux.Handle("GET "+page.AssetsPath, page.Assets())
}

// canMail says whether people can have a link sent: somebody must carry it, and
// where it leads must be configured, since a Host field can be anybody's.
func (h *handler) canMail() bool { return h.Mailer != nil && len(h.Settings().Origins) > 0 }

func (h *handler) mailed(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.canMail() {
			writePlainProblem(w, r, http.StatusNotFound)
			return
		}
		serve(w, r)
	}
}

func (h *handler) resetPage(w http.ResponseWriter, r *http.Request) {
	h.show(w, r, http.StatusOK, "reset", h.view("Forgotten the password", h.strangersToken(w, r)))
}

// signInAsked is GET /auth/sign-in?next=PATH&step_up=WHAT. Who is signed in and only
// lacks their second factor is asked for that alone.
func (h *handler) signInAsked(w http.ResponseWriter, r *http.Request) {
	next, stepUp := h.Settings().destination(r.URL.Query().Get("next")), r.URL.Query().Get("step_up")
	switch stepUp {
	case openid.SecondFactor:
		if !h.askMore(w, r, next) {
			h.signInWith(w, r, http.StatusOK, asked{
				next: next, stepUp: stepUp, notice: "This needs a second factor: sign in with one. If you have none yet, set one up in your account.",
			})
		}
	case openid.Passkey:
		h.signInWith(w, r, http.StatusOK, asked{
			next: next, stepUp: stepUp, notice: "This needs a passkey: sign in with one. If you have none yet, add one in your account.",
		})
	case openid.DeviceBoundPasskey:
		h.signInWith(w, r, http.StatusOK, asked{
			next: next, stepUp: stepUp,
			notice: "This needs a passkey that stays on one device, such as a security key: sign in with one. One that is copied between your devices is not enough. " +
				"If you have none yet, add one in your account.",
		})
	case openid.RecentSignIn:
		h.signInWith(w, r, http.StatusOK, asked{next: next, stepUp: stepUp, notice: "Please sign in again to go on.", who: h.whose(r)})
	default:
		h.signInPage(w, r, http.StatusOK, next, "")
	}
}

// askMore asks for the second factor of who is signed in without it, and says
// whether it has answered. Who is not, or cannot be known, signs in.
func (h *handler) askMore(w http.ResponseWriter, r *http.Request, next string) bool {
	s, err := h.Sessions.Lookup(r.Context(), tokenOf(r), demandOf(r))
	if err != nil || slices.Contains(s.AMR, "mfa") {
		return false
	}
	user, err := h.Accounts.Account(r.Context(), s.User.ID)
	if err != nil || user.Disabled || !user.SecondFactor {
		return false
	}
	h.askSecond(w, r, credentials{form: true, page: true, next: next}, user, proof{amr: s.AMR, at: s.AuthTime, raises: s.ID})
	return true
}

func (h *handler) signInPage(w http.ResponseWriter, r *http.Request, status int, next, problem string) {
	h.signInWith(w, r, status, asked{next: next, problem: problem})
}

// asked is why somebody sees the page on which they sign in.
type asked struct {
	next, stepUp, problem, notice string
	// who is who is to sign in again, if that is known.
	who *resident
}

func (a asked) byPasskey() bool {
	return a.stepUp == openid.Passkey || a.stepUp == openid.DeviceBoundPasskey
}

// resident is a user with the ways in which they sign in.
type resident struct {
	ways      ways
	providers []string // names of those that they are linked to; nil: all are to be shown
}

// whose is the user of a request's session, or nil. Whatever fails shows all ways:
// this page keeps nobody in or out.
func (h *handler) whose(r *http.Request) *resident {
	token := tokenOf(r)
	if token == "" {
		return nil
	}
	s, err := h.Sessions.Lookup(r.Context(), token, demandOf(r))
	if err != nil {
		return nil
	}
	user, err1 := h.Accounts.Account(r.Context(), s.User.ID)
	all, err2 := h.Accounts.Credentials(r.Context(), s.User.ID)
	if errors.Join(err1, err2) != nil {
		return nil
	}
	who := &resident{ways: waysOf(user, all), providers: []string{}}
	rows, _ := h.linksOf(all)
	for _, row := range rows {
		if row.Provider == "" {
			who.providers = nil // of a name that the policy no longer has: any may be it
			break
		}
		who.providers = append(who.providers, row.Provider)
	}
	return who
}

func (h *handler) signInWith(w http.ResponseWriter, r *http.Request, status int, a asked) {
	v := h.view("Sign in", h.strangersToken(w, r))
	v.Next, v.Error, v.Notice = a.next, a.problem, a.notice
	body := struct {
		Password, Passkeys, Reset, SignUp, Account bool
		Providers                                  []choice
	}{
		Password: true, Passkeys: len(h.Settings().Origins) > 0, Reset: h.canMail(), SignUp: h.Settings().SignUp,
		Account: a.stepUp == openid.SecondFactor || a.byPasskey(),
	}
	if a.byPasskey() { // a password does not help
		body.Password, body.Reset, body.SignUp = false, false, false
	}
	var only []string
	if a.who != nil && a.who.ways.any() {
		body.Password, body.Passkeys = a.who.ways.Password, body.Passkeys && a.who.ways.Passkey
		body.Reset, body.SignUp, only = body.Reset && a.who.ways.Password, false, a.who.providers
	}
	body.Providers = h.choices(a.next, a.stepUp, only)
	v.Body = body
	h.show(w, r, status, "sign-in", v)
}

// secondFactor is GET /auth/second-factor.
func (h *handler) secondFactor(w http.ResponseWriter, r *http.Request) {
	_, user, err := h.waitingOf(r, secondToken(r))
	switch {
	case errors.Is(err, errNoPending):
		seeOther(w, "/auth/sign-in")
	case err != nil:
		h.unavailable(w, r, credentials{form: true}, err)
	default:
		h.secondPage(w, r, http.StatusOK, user, "")
	}
}

func (h *handler) secondPage(w http.ResponseWriter, r *http.Request, status int, user User, problem string) {
	methods, err := h.methods(r.Context(), user.ID)
	if err != nil {
		h.unavailable(w, r, credentials{form: true}, err)
		return
	}
	v := h.view("One more step", h.strangersToken(w, r))
	v.Error = problem
	body := struct{ Codes, Passkeys bool }{}
	for _, m := range methods {
		body.Codes = body.Codes || m != string(KindPasskey)
		body.Passkeys = body.Passkeys || m == string(KindPasskey)
	}
	v.Body = body
	h.show(w, r, status, "second-factor", v)
}

func (h *handler) view(title, csrf string) page.View {
	return page.View{Title: title, Site: h.site(), Theme: h.Settings().ThemeFile != "", CSRF: csrf}
}

func (h *handler) site() string {
	if site := h.Settings().Site; site != "" {
		return site
	}
	return "Gatehouse"
}

func (h *handler) minLength() int { return max(h.Settings().MinLength, passwords.LeastMinLength) }

func (h *handler) show(w http.ResponseWriter, r *http.Request, status int, name string, v page.View) {
	if err := h.pages.Write(w, status, name, v, h.Settings().Origins); err != nil {
		h.unavailable(w, r, credentials{}, err)
	}
}

// theme serves the deployment's own style sheet. If it cannot be read the pages
// look as they do without.
func (h *handler) theme(w http.ResponseWriter, r *http.Request) {
	text, err := readTheme(r.Context(), h.Settings().ThemeFile)
	if err != nil {
		h.Log.WarnContext(r.Context(), "the theme of the sign-in pages cannot be read", "error", err)
		writePlainProblem(w, r, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // #nosec G705 -- a style sheet of the operator's; an error means that the client has gone
}

func readTheme(_ context.Context, path string) (text []byte, err error) {
	if path == "" {
		return nil, os.ErrNotExist
	}
	file, err := os.Open(path) // #nosec G304 -- the operator's path
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	text, err = io.ReadAll(io.LimitReader(file, maxTheme+1))
	if err == nil && len(text) > maxTheme {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxTheme)
	}
	return text, err
}
