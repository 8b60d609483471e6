package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/filter/verdict"
)

// ConsoleCookie is the cookie of a browser that signed in with an API token. It
// is another than a person's: no route behind Envoy takes it.
const ConsoleCookie = "__Host-gatehouse-console"

// Sessions are Gatehouse's; *session.Manager is them.
type Sessions interface {
	Create(ctx context.Context, user session.User, grant session.Grant) (string, session.Session, error)
	Lookup(ctx context.Context, token string, demand session.Demand) (session.Session, error)
	Revoke(ctx context.Context, token string) (session.Session, error)
}

// SignIn checks names and passwords; *login.Authenticator does.
type SignIn interface {
	Authenticate(ctx context.Context, name, password string) (login.User, error)
}

const signInPath = "/v1/sign-in"

// Lifetimes of a session that begins here: shorter than on the site, since more
// can be done with it.
const (
	signInIdle     = 30 * time.Minute
	signInAbsolute = 8 * time.Hour
)

// Me is who makes a call.
type Me struct {
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Person   bool      `json:"person" doc:"Whether a person calls, not a program's token."`
	AuthTime time.Time `json:"auth_time,omitzero" doc:"When the person proved who they are."`
}

type meOutput struct {
	Cookies []string `header:"Set-Cookie"`
	Body    Me
}

type signInInput struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		Token    string `json:"token,omitempty" maxLength:"4096" doc:"An API token of gatehouse.yaml; or username and password."`
		Username string `json:"username,omitempty" maxLength:"128"`
		Password string `json:"password,omitempty" maxLength:"4096"`
	}
}

func (s *Server) registerOwn() {
	huma.Register(s.api, Roles(huma.Operation{
		OperationID: "get-me", Method: http.MethodGet, Path: "/v1/me", Tags: []string{"Callers"}, Summary: "Who am I",
	}, AllRoles()...), func(ctx context.Context, _ *struct{}) (*meOutput, error) {
		return &meOutput{Body: meOf(CallerFrom(ctx))}, nil
	})
	huma.Register(s.api, Public(huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: signInPath, Tags: []string{"Callers"},
		Summary: "Begin a browser's session", MaxBodyBytes: 16 << 10,
		Description: "With an API token, or with a Gatehouse user's name and password. The session is in a cookie that only pages of this origin can use.",
	}), s.signIn)
	huma.Register(s.api, Public(huma.Operation{
		OperationID: "sign-out", Method: http.MethodPost, Path: "/v1/sign-out", Tags: []string{"Callers"},
		Summary: "End a browser's session", DefaultStatus: http.StatusNoContent,
	}), s.signOut)
}

func meOf(c Caller) Me {
	return Me{Name: c.Name, Role: c.Role, Person: c.IsPerson(), AuthTime: c.AuthTime.UTC()}
}

func (s *Server) signIn(ctx context.Context, in *signInInput) (*meOutput, error) {
	c := callOf(ctx)
	r := requestOf(ctx)
	if ok, wait, first := s.limits.signIn(clientIP(r)); !ok {
		c.reason, c.quiet = "rate_limited", !first
		return nil, tooMany(wait)
	}
	var out *meOutput
	var err error
	switch b := in.Body; {
	case b.Token != "" && b.Username == "" && b.Password == "":
		out, err = s.signInToken(ctx, strings.TrimSpace(b.Token))
	case b.Token == "" && b.Username != "" && b.Password != "":
		out, err = s.signInUser(ctx, b.Username, b.Password, in.UserAgent)
	default:
		return nil, NewProblem(http.StatusUnprocessableEntity, "", "send either token, or username and password")
	}
	if errors.Is(err, errUnavailable) {
		s.log.ErrorContext(ctx, "nobody can sign in now", "error", err, "request_id", requestID(ctx))
		return nil, unavailable()
	}
	return out, err
}

func signInFailed() *Problem {
	return NewProblem(http.StatusUnauthorized, verdict.AuthenticationFailed.Slug(), "the name, the password or the token is not right").
		with("WWW-Authenticate", `Bearer realm="gatehouse"`)
}

// attempt is the event of a sign-in that succeeds, until it does not.
func (s *Server) attempt(ctx context.Context, rule string) event.Event {
	e := s.event(requestOf(ctx), event.AuthenticationAttempt)
	e.Path, e.Rule = signInPath, rule
	return e
}

// signInToken begins a session that ends when the token is replaced.
func (s *Server) signInToken(ctx context.Context, token string) (*meOutput, error) {
	c := callOf(ctx)
	setting, ok := s.credentials.Load().tokens.find(token)
	e := s.attempt(ctx, "api_token")
	if !ok || s.o.TokenSessions == nil {
		c.reason = "unknown_token"
		e.Severity, e.Outcome, e.Reason = event.Warning, event.Failure, c.reason
		s.o.Events.Append(e)
		return nil, signInFailed()
	}
	cookie, err := s.beginTokenSession(ctx, setting, token)
	if err != nil {
		return nil, err
	}
	c.caller = Caller{Name: setting.Name, Role: setting.Role, method: byConsole}
	e.Detail["caller"] = setting.Name
	s.o.Events.Append(e)
	return &meOutput{Cookies: []string{setCookie(ConsoleCookie, cookie), setCookie(login.CookieName, "")}, Body: meOf(c.caller)}, nil
}

func (s *Server) signInUser(ctx context.Context, name, password, userAgent string) (*meOutput, error) {
	if s.o.SignIn == nil || s.o.Sessions == nil {
		return nil, signInFailed()
	}
	user, err := s.o.SignIn.Authenticate(ctx, name, password)
	e := s.attempt(ctx, "password")
	var failure *login.Failure
	if errors.As(err, &failure) {
		callOf(ctx).reason = string(failure.Reason)
		e.Severity, e.Outcome, e.Reason = event.Warning, event.Failure, string(failure.Reason)
		e.Subject = s.o.Pseudonyms.Subject(failure.UserID)
		if normal, ok := login.NormalizeName(name); ok && e.Subject == "" {
			e.Subject = s.o.Pseudonyms.Name(normal) // may be a password: only as a pseudonym
		}
		s.o.Events.Append(e)
		return nil, signInFailed()
	}
	if err != nil {
		return nil, errors.Join(errUnavailable, err)
	}
	token, live, err := s.o.Sessions.Create(ctx, session.User{ID: user.ID, Name: user.Name}, session.Grant{
		Idle: signInIdle, Absolute: signInAbsolute, AMR: []string{"pwd"}, Device: deviceOf(userAgent),
	})
	if err != nil {
		return nil, errors.Join(errUnavailable, err)
	}
	e.Subject = s.o.Pseudonyms.Subject(user.ID)
	e.Personal[event.PersonalName] = user.Name
	s.o.Events.Append(e)
	begun := e
	begun.Type, begun.Detail = event.SessionCreated, map[string]string{"session": live.ID}
	s.o.Events.Append(begun)
	role := highest(user.Roles)
	if role == "" {
		role = Subject
	}
	c := Caller{Name: user.Name, Role: role, SubjectID: user.ID, AuthTime: live.AuthTime, Session: live.ID, method: bySession}
	callOf(ctx).caller = c
	return &meOutput{Cookies: []string{setCookie(login.CookieName, token), setCookie(ConsoleCookie, "")}, Body: meOf(c)}, nil
}

type signOutOutput struct {
	Cookies       []string `header:"Set-Cookie"`
	ClearSiteData string   `header:"Clear-Site-Data"`
}

// signOut ends what the browser's cookies open. A session that cannot be ended
// now keeps its cookie: a token that lives on must not look dead.
func (s *Server) signOut(ctx context.Context, _ *struct{}) (*signOutOutput, error) {
	r := requestOf(ctx)
	if !sameOrigin(r) {
		return nil, forbidden("a page of another origin may not sign you out")
	}
	if caller, err := s.authenticate(r); err == nil {
		callOf(ctx).caller = caller
	}
	var errs []error
	for _, cookie := range r.CookiesNamed(login.CookieName) {
		if s.o.Sessions == nil {
			continue
		}
		ended, err := s.o.Sessions.Revoke(ctx, cookie.Value)
		switch {
		case err == nil:
			e := s.event(r, event.SessionRevoked)
			e.Subject, e.Reason, e.Detail["session"] = s.o.Pseudonyms.Subject(ended.User.ID), "signed out", ended.ID
			s.o.Events.Append(e)
		case !errors.Is(err, session.ErrInvalid):
			errs = append(errs, err)
		}
	}
	for _, cookie := range r.CookiesNamed(ConsoleCookie) {
		if s.o.TokenSessions != nil {
			errs = append(errs, s.o.TokenSessions.End(ctx, hashOf(cookie.Value)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.log.ErrorContext(ctx, "a session cannot be ended now", "error", err, "request_id", requestID(ctx))
		return nil, unavailable()
	}
	return &signOutOutput{
		Cookies: []string{setCookie(login.CookieName, ""), setCookie(ConsoleCookie, "")}, ClearSiteData: `"cache", "storage"`,
	}, nil
}

// setCookie is the header that sets a cookie, or takes it away. Strict: no other
// site's link arrives signed in.
func setCookie(name, value string) string {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if name == login.CookieName {
		c.SameSite = http.SameSiteLaxMode // as the site sets it: a link to the site must find it
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c.String()
}

// deviceOf is what of the user agent tells a person's sessions apart.
func deviceOf(userAgent string) string {
	clean := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, userAgent)
	return clean[:min(len(clean), session.MaxDevice)]
}
