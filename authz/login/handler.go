package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// Recorder takes events; *event.Writer does.
type Recorder interface{ Append(event.Event) }

// Options of the Handler; all are required but Log.
type Options struct {
	Authenticator *Authenticator
	Sessions      *session.Manager
	Events        Recorder
	Pseudonyms    *event.Pseudonymizer
	// Lifetimes returns what a new session gets; it may change with the policy.
	Lifetimes func() (idle, absolute time.Duration)
	// ClientIP returns the address of the person behind a request, for events.
	ClientIP func(*http.Request) string
	Log      *slog.Logger // nil means slog.Default()
}

// within bounds what one request may take: the wait for a hash and Redis.
const within = 5 * time.Second

type handler struct{ Options }

// Handler serves
//
//	POST   /auth/login          {"username","password","token"} or a form with username, password, next
//	POST   /auth/logout         ends the session, takes the cookie away
//	GET    /auth/sessions       the person's own sessions
//	DELETE /auth/sessions/{id}  ends one of them
//
// A sign-in that came as a form is answered with 303 to next, which must be a
// local path, or with a page of status 401; JSON is answered with JSON. With
// "token": true the token is also in the answer, for use as a bearer token.
func Handler(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	h := handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/login", h.login)
	mux.HandleFunc("POST /auth/logout", h.logout)
	mux.HandleFunc("GET /auth/sessions", h.sessions)
	mux.HandleFunc("DELETE /auth/sessions/{id}", h.endSession)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (h handler) login(w http.ResponseWriter, r *http.Request) {
	c, err := readCredentials(w, r)
	if err != nil {
		h.refuseInput(w, r, c, err)
		return
	}
	user, err := h.Authenticator.Authenticate(r.Context(), c.Username, c.Password)
	var failure *Failure
	if errors.As(err, &failure) {
		h.reportFailure(r, c.Username, failure)
		h.refuse(w, r, c, verdict.AuthenticationFailed)
		return
	}
	if err != nil {
		h.unavailable(w, r, c, err)
		return
	}
	idle, absolute := h.Lifetimes()
	token, s, err := h.Sessions.Create(r.Context(), session.User{ID: user.ID, Name: user.Name}, session.Grant{
		Idle: idle, Absolute: absolute, AMR: []string{"pwd"}, Device: device(r.UserAgent()),
		Network: session.Network(h.ClientIP(r)), Client: session.ClientOf(r.Header.Get("x-forwarded-client-cert"), r.UserAgent()),
	})
	if err != nil {
		h.unavailable(w, r, c, err)
		return
	}
	h.reportSuccess(r, s)
	h.endPrevious(r)
	welcome(w, c, token, s)
}

// endPrevious ends the session that the request came with: after a sign-in only
// the new token is good (ASVS 5.0, 7.2.4).
func (h handler) endPrevious(r *http.Request) {
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

func welcome(w http.ResponseWriter, c credentials, token string, s session.Session) {
	http.SetCookie(w, cookie(token))
	if c.form {
		noStore(w)
		w.Header().Set("Location", c.next)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	answer := struct {
		User      string    `json:"user"`
		SessionID string    `json:"session_id"`
		ExpiresAt time.Time `json:"expires_at"`
		IdleLimit int64     `json:"idle_seconds"`
		Token     string    `json:"token,omitempty"`
	}{User: s.User.Name, SessionID: s.ID, ExpiresAt: s.Expires.UTC(), IdleLimit: int64(s.Idle / time.Second)}
	if c.Token {
		answer.Token = token
	}
	writeJSON(w, answer)
}

func (h handler) logout(w http.ResponseWriter, r *http.Request) {
	if foreign(r) {
		writeProblem(w, r, verdict.Forbidden)
		return
	}
	if token := tokenOf(r); token != "" {
		s, err := h.Sessions.Revoke(r.Context(), token)
		switch {
		case err == nil:
			h.reportRevoked(r, s, "signed out")
		case !errors.Is(err, session.ErrInvalid):
			// The cookie stays, so that the person can try again: a token that
			// lives on must not look dead.
			h.unavailable(w, r, credentials{}, err)
			return
		}
	}
	http.SetCookie(w, cookie(""))
	noStore(w)
	w.Header().Set("Clear-Site-Data", `"cache", "cookies", "storage"`)
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		w.Header().Set("Location", "/")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers a form with a page, everything else with a problem document.
func (h handler) refuse(w http.ResponseWriter, r *http.Request, c credentials, p verdict.Problem) {
	switch {
	case !c.form:
		writeProblem(w, r, p)
	case p == verdict.AuthenticationFailed:
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
		writePage(w, p.Status(), "Sign-in failed", "The name or the password is not right.")
	default:
		writePage(w, p.Status(), "Sign-in is not possible", "Please try again in a moment.")
	}
}

func (h handler) refuseInput(w http.ResponseWriter, r *http.Request, c credentials, err error) {
	h.Log.InfoContext(r.Context(), "a sign-in was refused unread", "reason", err, "request_id", requestID(r))
	switch {
	case errors.Is(err, errForeign):
		h.refuse(w, r, credentials{}, verdict.Forbidden)
	case errors.Is(err, errTooLarge):
		h.refuse(w, r, c, verdict.PayloadTooLarge)
	case errors.Is(err, errMediaType):
		writePlainProblem(w, r, http.StatusUnsupportedMediaType)
	default:
		writePlainProblem(w, r, http.StatusBadRequest)
	}
}

func (h handler) unavailable(w http.ResponseWriter, r *http.Request, c credentials, err error) {
	h.Log.ErrorContext(r.Context(), "sign-in or sign-out is not possible", "error", err, "request_id", requestID(r))
	h.refuse(w, r, c, verdict.CheckUnavailable)
}
