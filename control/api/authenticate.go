package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/authz/login"
	"gatehouse/authz/session"
)

// How a caller proved who they are; in events.
const (
	byToken   = "token"
	byOIDC    = "oidc"
	bySession = "session"
	byConsole = "console"
)

// maxCredential bounds a credential in bytes; a JWT with many roles is below.
const maxCredential = 16 << 10

var (
	errNoCredential = errors.New("no credential")
	errUnavailable  = errors.New("callers cannot be identified now")
	errCredential   = errors.New("the credential is not valid")
)

// denial is a credential that is not valid, with the reason for the event.
type denial struct{ reason string }

func (d denial) Error() string { return errCredential.Error() + ": " + d.reason }
func (d denial) Unwrap() error { return errCredential }

func reasonOf(err error) string {
	var d denial
	switch {
	case errors.As(err, &d):
		return d.reason
	case errors.Is(err, errNoCredential):
		return "no_credential"
	case errors.Is(err, errUnavailable):
		return "unavailable"
	}
	return "credential"
}

// authenticate finds out who calls. The credential that is named most
// expressly counts, and no other: the Authorization header, which no foreign
// page can set; then the console's cookie; then the Gatehouse session's.
func (s *Server) authenticate(r *http.Request) (Caller, error) {
	bearer, err := bearerOf(r)
	if err != nil {
		return Caller{}, err
	}
	if bearer != "" {
		return s.byBearer(r, bearer)
	}
	for _, cookie := range []struct {
		name string
		by   func(*http.Request, string) (Caller, error)
	}{{ConsoleCookie, func(r *http.Request, text string) (Caller, error) { return s.byConsole(r.Context(), text) }}, {login.CookieName, s.bySession}} {
		found := r.CookiesNamed(cookie.name)
		switch {
		case len(found) == 0:
			continue
		case len(found) > 1: // a neighbour of this site has set one: whose it is cannot be known
			return Caller{}, denial{"several_cookies"}
		case !sameOrigin(r):
			return Caller{}, denial{"cookie_of_foreign_page"}
		}
		return cookie.by(r, found[0].Value)
	}
	return Caller{}, errNoCredential
}

func bearerOf(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, text, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	text = strings.TrimSpace(text)
	if len(values) > 1 || !strings.EqualFold(scheme, "bearer") || text == "" || len(text) > maxCredential {
		return "", denial{"malformed"}
	}
	return text, nil
}

func (s *Server) byBearer(r *http.Request, text string) (Caller, error) {
	ctx := r.Context()
	if strings.HasPrefix(text, session.TokenPrefix) {
		return s.bySession(r, text)
	}
	known := s.credentials.Load()
	if t, ok := known.tokens.find(text); ok {
		return Caller{Name: t.Name, Role: t.Role, method: byToken}, nil
	}
	if known.oidc != nil && strings.Count(text, ".") == 2 {
		return known.oidc.caller(ctx, text)
	}
	return Caller{}, denial{"unknown_token"}
}

// bySession finds the person behind a Gatehouse session. Their roles are read
// anew for every call: one that was taken away is gone at once. A session that is
// bound to a certificate opens nothing here, where nobody attests certificates.
func (s *Server) bySession(r *http.Request, token string) (Caller, error) {
	ctx := r.Context()
	if s.o.Sessions == nil || s.o.Users == nil {
		return Caller{}, denial{"sessions_not_served"}
	}
	live, err := s.o.Sessions.Lookup(ctx, token, session.Demand{Client: session.Client{Fingerprint: session.Fingerprint(r.UserAgent())}})
	if errors.Is(err, session.ErrInvalid) {
		return Caller{}, denial{"session"}
	}
	if err != nil {
		return Caller{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	user, err := s.o.Users.UserByName(ctx, live.User.Name)
	switch {
	case errors.Is(err, login.ErrNoUser), err == nil && (user.ID != live.User.ID || user.Disabled):
		return Caller{}, denial{"user"}
	case err != nil:
		return Caller{}, fmt.Errorf("%w: read the caller's roles: %w", errUnavailable, err)
	}
	role := highest(user.Roles)
	if role == "" {
		role = Subject
	}
	return Caller{
		Name: user.Name, Role: role, SubjectID: user.ID, AuthTime: live.AuthTime, Session: live.ID, method: bySession,
	}, nil
}

// sameOrigin says whether a request with a cookie is sure to be of a page of
// this origin, or typed by the person (Fetch Metadata, W3C; else Origin, RFC
// 6454). http.CrossOriginProtection lets pass what carries neither, since that
// comes from no browser; but then it has no business with a cookie that changes
// something.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Values("Sec-Fetch-Site"); len(site) > 0 {
		return len(site) == 1 && (site[0] == "same-origin" || site[0] == "none")
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	origin, err := url.Parse(origins[0])
	return len(origins) == 1 && err == nil && r.Host != "" && strings.EqualFold(origin.Host, r.Host)
}
