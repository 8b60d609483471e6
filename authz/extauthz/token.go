package extauthz

import (
	"strings"

	"gatehouse/authz/login"
	"gatehouse/authz/login/apikey"
	"gatehouse/authz/session"
)

// maxCookies bounds the work that a request can cause; the cookies beyond it are
// not sent on.
const maxCookies = 512

// credentials are what a request brought along to identify its user.
type credentials struct {
	token string
	// client is who brought it, for sessions that are bound.
	client session.Client
	// ambiguous: several that are not the same. Which one a person signed in
	// with cannot be known, so that none counts.
	ambiguous bool
	// cookie is the Cookie field without ours; rewritten says that it differs
	// from what the client sent.
	cookie    string
	rewritten bool
	// bearer says that the Authorization field carries a token of ours.
	bearer bool
}

func (r *request) credentials() credentials {
	c := credentials{client: session.ClientOf(r.first("x-forwarded-client-cert"), r.first("user-agent"))}
	var found []string
	kept := c.cookies(r.all("cookie"), &found)
	c.cookie = strings.Join(kept, "; ")
	if strings.Contains(c.cookie, login.CookieName+"=") {
		// Ours is hidden inside another cookie's value, where a lenient parser
		// behind us would find it.
		c.cookie = ""
		c.rewritten = true
	}
	for _, value := range r.all("authorization") {
		c.authorization(value, &found)
	}
	switch {
	case len(found) == 1:
		c.token = found[0]
	case len(found) > 1:
		c.ambiguous = true
	}
	return c
}

// cookies sorts ours from the others. A second one of ours is ambiguous even if
// equal: a browser sends at most one.
func (c *credentials) cookies(fields []string, found *[]string) []string {
	var kept []string
	n := 0
	for _, field := range fields {
		for pair := range strings.SplitSeq(field, ";") {
			if n++; n > maxCookies {
				c.rewritten = true
				return kept
			}
			pair = strings.Trim(pair, " \t")
			name, value, _ := strings.Cut(pair, "=")
			switch name = strings.TrimRight(name, " \t"); name {
			case "":
				if pair != "" {
					kept = append(kept, pair)
				}
			case login.CookieName:
				c.rewritten = true
				*found = append(*found, value)
			default:
				if login.OfSignIn(name) {
					c.rewritten = true
					continue
				}
				kept = append(kept, pair)
			}
		}
	}
	return kept
}

func (c *credentials) authorization(value string, found *[]string) {
	scheme, token, ok := strings.Cut(strings.TrimLeft(value, " "), " ")
	token = strings.Trim(token, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || !gatehouseToken(token, session.TokenPrefix) {
		c.bearer = c.bearer || strings.Contains(value, session.TokenPrefix) || strings.Contains(value, apikey.Prefix)
		return
	}
	c.bearer = true
	*found = append(*found, token)
}
