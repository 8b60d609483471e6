package login

import (
	"net/http"
	"strings"

	"gatehouse/authz/session"
)

// CookieName has the prefix that browsers bind to Secure, Path=/ and no Domain
// (RFC 6265bis section 4.1.3.2).
const CookieName = "__Host-gatehouse"

// OfSignIn says whether a cookie of that name is one that sign-in keeps for itself
// beside the session's: of a device, a form, or a step. No application needs them.
func OfSignIn(name string) bool {
	rest, ours := strings.CutPrefix(name, CookieName+"-")
	return ours && (rest == "form" || rest == "second" || rest == "device" || strings.HasPrefix(rest, "openid-"))
}

// cookie carries token; an empty token takes the cookie away. It has no expiry
// of its own: the session's limits are kept on the server.
func cookie(token string) *http.Cookie {
	c := &http.Cookie{
		Name: CookieName, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// tokenOf returns the one session token of a request: the cookie's or the
// bearer's. Of several none counts: which one the person signed in with cannot
// be known.
func tokenOf(r *http.Request) string {
	var found []string
	for _, c := range r.CookiesNamed(CookieName) {
		found = append(found, c.Value)
	}
	for _, value := range r.Header.Values("Authorization") {
		scheme, token, _ := strings.Cut(strings.TrimSpace(value), " ")
		if strings.EqualFold(scheme, "bearer") && strings.HasPrefix(strings.TrimSpace(token), session.TokenPrefix) {
			found = append(found, strings.TrimSpace(token))
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// clientOf is who sends a request, as Envoy attests it. Sessions may be bound to it.
func clientOf(r *http.Request) session.Client {
	return session.ClientOf(r.Header.Get("X-Forwarded-Client-Cert"), r.UserAgent())
}

// demandOf asks nothing of a request's session but that it is its client's.
func demandOf(r *http.Request) session.Demand { return session.Demand{Client: clientOf(r)} }
