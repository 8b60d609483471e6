package login

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"gatehouse/authz/login/code"
	passwords "gatehouse/authz/login/password"
)

// Settings are what the policy says of sign-in; they may change while it runs.
type Settings struct {
	// Site is the site's name, as pages, apps and passkeys show it.
	Site string
	// Origins are those to which people may be sent afterwards, as
	// https://app.example.com; the first is the one that passkeys are bound to.
	// Without any, people stay on this host, and there are no passkeys.
	Origins []string
	// PasskeyDomain is the RP ID of passkeys (WebAuthn section 4); empty takes the
	// host of the first origin. Another one makes all passkeys unusable.
	PasskeyDomain string
	MinLength     int      // code points of a new password
	Words         []string // that no password may be
	Compromised   string   // path of the list; empty: none
	SignUp        bool     // whether strangers may make an account
	ThemeFile     string   // path of a style sheet; empty: none
}

// Mailer takes a message to a person. An error says that it was not taken.
type Mailer interface {
	Mail(ctx context.Context, to, subject, text string) error
}

// MinKey is the least length of Options.Key in bytes.
const MinKey = 16

// keys are derived from Options.Key, one for each purpose (RFC 5869).
type keys struct{ throttle, form, secrets, recovery []byte }

func deriveKeys(key []byte) (k keys, err error) {
	if len(key) < MinKey {
		return k, fmt.Errorf("the key of sign-in has %d bytes: give at least %d", len(key), MinKey)
	}
	for purpose, into := range map[string]*[]byte{
		"throttle": &k.throttle, "form": &k.form, "secrets": &k.secrets, "recovery": &k.recovery,
	} {
		if *into, err = hkdf.Key(sha256.New, key, nil, "gatehouse/login/"+purpose+"/v1", 32); err != nil {
			return k, fmt.Errorf("derive a key of sign-in: %w", err)
		}
	}
	return k, nil
}

// formCookie binds the forms of people who are not signed in to their browser.
const formCookie = "__Host-gatehouse-form"

// formToken is the CSRF token of a form, bound to a session or a form cookie.
func (k keys) formToken(bound string) string {
	mac := hmac.New(sha256.New, k.form)
	mac.Write([]byte(bound))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (k keys) formTokenIs(token, bound string) bool {
	return bound != "" && hmac.Equal([]byte(token), []byte(k.formToken(bound)))
}

// browser is what the form cookie says, or empty. Of several none counts.
func browser(r *http.Request) string {
	cookies := r.CookiesNamed(formCookie)
	if len(cookies) != 1 || !code.IsToken(cookies[0].Value) {
		return ""
	}
	return "browser:" + cookies[0].Value
}

// strangersToken is the CSRF token of a page for somebody who is not signed in;
// their browser gets a form cookie if it has none.
func (h *handler) strangersToken(w http.ResponseWriter, r *http.Request) string {
	bound := browser(r)
	if bound == "" {
		value := code.NewToken()
		bound = "browser:" + value
		http.SetCookie(w, hostCookie(formCookie, value, 0))
	}
	return h.keys.formToken(bound)
}

// hostCookie has the prefix that keeps other hosts, and pages without TLS, from
// setting it; an age of 0 makes it the browser session's, below 0 takes it away.
func hostCookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// destination is where somebody may be sent: a path here, or a URL whose origin
// is one of the configured ones; else the start.
func (s Settings) destination(next string) string {
	if localPath(next) {
		return next
	}
	if len(next) > maxNext {
		return "/"
	}
	for i := range len(next) {
		if c := next[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return "/"
		}
	}
	u, err := url.Parse(next)
	if err != nil || u.User != nil || u.Opaque != "" {
		return "/"
	}
	for _, origin := range s.Origins {
		if u.Scheme+"://"+u.Host == origin {
			return u.String()
		}
	}
	return "/"
}

// lists opens the list of compromised passwords when it is first needed, and
// anew when the path changes.
type lists struct {
	mu   sync.Mutex
	path string
	list passwords.List
}

func (l *lists) at(path string) (passwords.List, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // no list is asked for, which is no error
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list != nil && l.path == path {
		return l.list, nil
	}
	list, err := passwords.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", passwords.ErrUnavailable, err)
	}
	l.path, l.list = path, list
	return list, nil
}

// newHash is the hash of a password that the user of that name may set. The
// error is a password's, or says that it cannot be known now.
func (h *handler) newHash(ctx context.Context, text, name string) (string, error) {
	normal, ok := passwords.Normalize(text)
	if !ok {
		return "", passwords.ErrText
	}
	settings := h.Settings()
	list, err := h.lists.at(settings.Compromised)
	if err != nil {
		return "", err
	}
	rules := passwords.Rules{MinLength: settings.MinLength, Words: append([]string{settings.Site}, settings.Words...), List: list}
	if err := rules.Check(ctx, normal, name); err != nil {
		return "", err
	}
	hash, err := h.Authenticator.hasher.Hash(ctx, normal)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}
