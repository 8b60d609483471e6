package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/login/openid"
	"gatehouse/authz/login/page"
	"gatehouse/authz/login/throttle"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// Recorder takes events; *event.Writer does.
type Recorder interface{ Append(event.Event) }

// Options of the Handler.
type Options struct {
	Authenticator *Authenticator
	Sessions      *session.Manager
	Events        Recorder
	Pseudonyms    *event.Pseudonymizer
	// Lifetimes returns what a new session gets; it may change with the policy.
	Lifetimes func() (idle, absolute time.Duration)
	// ClientIP returns the address of the person behind a request, for events and
	// for counting attempts.
	ClientIP func(*http.Request) string
	Log      *slog.Logger // nil means slog.Default()

	// Accounts keeps people's credentials. Without it there are passwords and
	// sessions, and no pages, no second factors, no throttle; whoever has a second
	// factor cannot sign in. The fields below are for it.
	Accounts Accounts
	Redis    redis.UniversalClient // counts attempts, keeps what one step leaves for the next
	// Key makes signatures and seals secrets: at least MinKey bytes, the same at
	// every replica and for ever. With another one authenticator apps and recovery
	// codes are of no use.
	Key      []byte
	Settings func() Settings
	Mailer   Mailer        // nil: nobody gets mail, and a reset is for operators to start
	Free     throttle.Free // zero means throttle.DefaultFree
	Now      func() time.Time

	// Federation says who else signs people in; it may change with the policy, and
	// is nil while there is none. Nil: nobody does.
	Federation func() *Federation
	// ProviderSecret is the client's secret at a provider, as it is now.
	ProviderSecret func(provider string) (string, error)
	// ProviderClient asks the providers; nil takes openid's.
	ProviderClient *http.Client
}

// within bounds what one request may take: the wait for a hash and Redis.
const within = 5 * time.Second

type handler struct {
	Options

	keys     keys
	throttle *throttle.Throttle // nil without Accounts
	pendings pendings
	pages    *page.Set
	lists    *lists
	posting  chan struct{} // one for each notice of an attempt that is being sent
	letters  chan struct{} // one for each other mail
	// federation is nil without Accounts or Options.Federation.
	federation *federation
}

// Site is all of sign-in, under /auth/.
type Site struct {
	http.Handler
	federation *federation
	h          *handler // nil without Accounts
}

// Run asks providers again about their users, and reminds people of keys that are
// about to end, until ctx ends.
func (s *Site) Run(ctx context.Context) {
	var all sync.WaitGroup
	if s.federation != nil {
		all.Go(func() { s.federation.refresher.Run(ctx) })
	}
	if s.h != nil {
		all.Go(func() { s.h.remindOf(ctx) })
	}
	all.Wait()
}

// Handler is New for passwords and sessions alone: Accounts must be nil.
func Handler(o Options) http.Handler {
	o.Accounts = nil
	h := &handler{Options: o, lists: &lists{}}
	h.defaults()
	return h.bounded(h.routes())
}

func (h *handler) defaults() {
	if h.Log == nil {
		h.Log = slog.Default()
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Settings == nil {
		h.Settings = func() Settings { return Settings{} }
	}
	if h.Free == (throttle.Free{}) {
		h.Free = throttle.DefaultFree()
	}
}

// New serves, besides what Handler does, the pages and forms of doc.go's table.
// The error is that of a key that is too short.
func New(o Options) (*Site, error) {
	if o.Accounts == nil {
		return &Site{Handler: Handler(o)}, nil
	}
	h := &handler{Options: o, lists: &lists{}, pendings: pendings{o.Redis}, posting: make(chan struct{}, maxPosting), letters: make(chan struct{}, maxLetters)}
	h.defaults()
	var err error
	if h.keys, err = deriveKeys(o.Key); err != nil {
		return nil, err
	}
	if h.pages, err = page.New(); err != nil {
		return nil, err
	}
	h.throttle = throttle.New(o.Redis, h.keys.throttle, h.Now, h.Free)
	mux := h.routes()
	h.fullRoutes(mux)
	if o.Federation == nil {
		return &Site{Handler: h.bounded(mux), h: h}, nil
	}
	if h.federation, err = h.federate(o.Key); err != nil {
		return nil, err
	}
	outer := http.NewServeMux()
	outer.Handle(openid.Prefix, h.federation) // it has its own time
	outer.Handle("/", h.bounded(mux))
	return &Site{Handler: outer, federation: h.federation, h: h}, nil
}

// routes are
//
//	POST   /auth/login          {"username","password","token"} or a form with username, password, next
//	POST   /auth/logout         ends the session, takes the cookie away
//	GET    /auth/sessions       the person's own sessions
//	DELETE /auth/sessions       ends all of them but this one
//	DELETE /auth/sessions/{id}  ends one of them
//
// A sign-in that came as a form is answered with 303 to next, or with a page of
// status 401; JSON is answered with JSON. With "token": true the token is also in
// the answer, for use as a bearer token.
func (h *handler) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/login", h.login)
	mux.HandleFunc("POST /auth/logout", h.logout)
	mux.HandleFunc("GET /auth/sessions", h.sessions)
	mux.HandleFunc("DELETE /auth/sessions", h.endOtherSessions)
	mux.HandleFunc("DELETE /auth/sessions/{id}", h.endSession)
	return mux
}

func (h *handler) bounded(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (h *handler) login(w http.ResponseWriter, r *http.Request) {
	c, err := h.readCredentials(w, r)
	if err != nil {
		h.refuseInput(w, r, c, err)
		return
	}
	try, ok := h.begin(w, r, c, NameKey(strings.TrimSpace(c.Username)))
	if !ok {
		return
	}
	user, err := h.Authenticator.Password(r.Context(), c.Username, c.Password)
	var failure *Failure
	switch {
	case errors.As(err, &failure):
		h.reportFailure(r, c.Username, "password", failure)
		h.refuse(w, r, c, verdict.AuthenticationFailed)
	case err != nil:
		try.undecided(r.Context())
		h.unavailable(w, r, c, err)
	case user.SecondFactor && h.Accounts == nil:
		h.reportFailure(r, c.Username, "password", &Failure{Reason: ReasonSecondFactor, UserID: user.ID})
		h.refuse(w, r, c, verdict.AuthenticationFailed)
	case user.SecondFactor:
		h.suspectMany(r, user, try.success(r.Context()))
		h.askSecond(w, r, c, user, proof{amr: []string{"pwd"}})
	default:
		h.suspectMany(r, user, try.success(r.Context()))
		h.complete(w, r, c, user, proof{rule: "password", amr: []string{"pwd"}})
	}
}

func (h *handler) welcome(w http.ResponseWriter, c credentials, token string, s session.Session) {
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
		Next      string    `json:"next,omitempty"`
	}{Next: c.jsonNext, User: s.User.Name, SessionID: s.ID, ExpiresAt: s.Expires.UTC(), IdleLimit: int64(s.Idle / time.Second)}
	if c.Token {
		answer.Token = token
	}
	writeJSON(w, answer)
}

func (h *handler) logout(w http.ResponseWriter, r *http.Request) {
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
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, c credentials, p verdict.Problem) {
	switch {
	case !c.form:
		writeProblem(w, r, p)
	case p == verdict.AuthenticationFailed:
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
		if c.page && h.pages != nil {
			h.signInPage(w, r, p.Status(), c.next, "The name or the password is not right.")
			return
		}
		writePage(w, p.Status(), "Sign-in failed", "The name or the password is not right.")
	default:
		writePage(w, p.Status(), "Sign-in is not possible", "Please try again in a moment.")
	}
}

func (h *handler) refuseInput(w http.ResponseWriter, r *http.Request, c credentials, err error) {
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

func (h *handler) unavailable(w http.ResponseWriter, r *http.Request, c credentials, err error) {
	h.Log.ErrorContext(r.Context(), "sign-in or sign-out is not possible", "error", err, "request_id", requestID(r))
	h.refuse(w, r, c, verdict.CheckUnavailable)
}
