package openid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/redis/go-redis/v9"
	"golang.org/x/oauth2"
)

// Prefix is where the Handler is mounted.
const Prefix = "/auth/openid/"

// What a sign-in may be asked to prove anew, as the sign-in page's step_up.
const (
	RecentSignIn = "recent_sign_in"
	SecondFactor = "second_factor"
	Passkey      = "passkey"
	// DeviceBoundPasskey is one that is not copied between devices.
	DeviceBoundPasskey = "device_bound_passkey"
)

// clockSkew is how far a provider's clock may be off.
const clockSkew = time.Minute

const (
	// CookiePrefix begins the names of the cookies that bind a sign-in to its browser.
	CookiePrefix = "__Host-gatehouse-openid-"
	// maxBegun bounds the sign-ins that one browser has begun and not ended.
	maxBegun = 8
)

// within bounds what a request may take, the provider's answers included.
const within = 8 * time.Second

// Options of a Handler.
type Options struct {
	Providers []Settings
	// Origins are those that people may come back to, such as
	// https://app.example.com: the request's Host must be one of theirs.
	Origins []string
	Redis   redis.UniversalClient
	Now     func() time.Time
	Log     *slog.Logger
	// Client asks the providers; nil takes http.DefaultTransport.
	Client *http.Client
	// SignedIn answers the browser of somebody whom a provider vouches for, with
	// a session or a refusal. token is the provider's. Next is a local path.
	SignedIn func(w http.ResponseWriter, r *http.Request, who Identity, token *oauth2.Token, next string)
	// Linked answers the browser of somebody for whom Link began a sign-in, with
	// what the provider says of them, or with why it says nothing: err is as of
	// Refused. Nil: Link is not used.
	Linked func(w http.ResponseWriter, r *http.Request, whom string, who Identity, err error)
	// Refused answers a browser that comes back without having been signed in;
	// err is a Failure, or has ErrUnavailable in its chain.
	Refused func(w http.ResponseWriter, r *http.Request, err error)
	// SignedOut ends what the provider says has ended: the sessions of sid if it
	// is set, else all of the subject.
	SignedOut func(ctx context.Context, provider, subject, sid string) error
	// LocalPath says whether a browser may be sent to next.
	LocalPath func(next string) bool
}

// Handler serves, for each provider,
//
//	GET  /auth/openid/NAME/start?next=PATH     sends the browser to the provider
//	GET  /auth/openid/NAME/callback            where it comes back
//	POST /auth/openid/NAME/backchannel-logout  the provider's server tells of a sign-out
//	GET  /auth/openid/NAME/frontchannel-logout its page does
type Handler struct {
	Options
	providers map[string]*provider
	mux       *http.ServeMux
}

// New makes a Handler; the error has all mistakes of the Options.
func New(o Options) (*Handler, error) {
	h := &Handler{Options: o, providers: make(map[string]*provider, len(o.Providers)), mux: http.NewServeMux()}
	if h.Client == nil {
		h.Client = &http.Client{Timeout: discoverWithin, Transport: bounded{http.DefaultTransport}}
	}
	var errs []error
	for _, s := range o.Providers {
		for _, err := range s.Flaws() {
			errs = append(errs, fmt.Errorf("provider %.40q: %w", s.Name, err))
		}
		if h.providers[s.Name] != nil {
			errs = append(errs, fmt.Errorf("provider %.40q stands twice: give each its own name", s.Name))
		}
		h.providers[s.Name] = &provider{Settings: s, now: o.Now, client: h.Client}
	}
	for _, origin := range o.Origins {
		if !GoodOrigin(origin) {
			errs = append(errs, fmt.Errorf("origin %.60q: write https://host, as a browser does", origin))
		}
	}
	if len(o.Providers) > 0 && len(o.Origins) == 0 {
		errs = append(errs, errors.New("no origin is named to which people come back from their provider: write https://host"))
	}
	h.mux.HandleFunc("GET "+Prefix+"{provider}/start", h.start)
	h.mux.HandleFunc("GET "+Prefix+"{provider}/callback", h.callback)
	h.mux.HandleFunc("POST "+Prefix+"{provider}/backchannel-logout", h.backChannel)
	h.mux.HandleFunc("GET "+Prefix+"{provider}/frontchannel-logout", h.frontChannel)
	return h, errors.Join(errs...)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store")
	h.mux.ServeHTTP(w, r.WithContext(ctx))
}

// Choices are the names and titles of the providers, for the sign-in page.
func (h *Handler) Choices() []Settings { return slices.Clone(h.Options.Providers) }

// Start is the path that begins a sign-in; stepUp is RecentSignIn, SecondFactor,
// Passkey, or empty.
func Start(provider, next, stepUp string) string {
	path := Prefix + provider + "/start?next=" + url.QueryEscape(next)
	if stepUp != "" {
		path += "&step_up=" + url.QueryEscape(stepUp)
	}
	return path
}

func (h *Handler) find(w http.ResponseWriter, r *http.Request) *provider {
	p := h.providers[r.PathValue("provider")]
	if p == nil {
		http.NotFound(w, r)
	}
	return p
}

// origin is the configured one that the request was sent to.
func (h *Handler) origin(r *http.Request) (string, bool) {
	for _, origin := range h.Origins {
		if _, host, _ := strings.Cut(origin, "://"); strings.EqualFold(host, r.Host) {
			return origin, true
		}
	}
	return "", false
}

func (h *Handler) start(w http.ResponseWriter, r *http.Request) {
	p := h.find(w, r)
	if p == nil {
		return
	}
	next := r.URL.Query().Get("next")
	if !h.LocalPath(next) {
		next = "/"
	}
	to, err := h.begin(w, r, p, pending{Next: next, StepUp: r.URL.Query().Get("step_up")})
	if err != nil {
		h.Refused(w, r, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther) // #nosec G710 -- the provider's own address, as its document has it
}

// Link returns where a browser has to go for the provider to say who its person
// is there, and gives it a cookie; Linked gets the answer, and whom, which never
// leaves the server. It is for a request that the caller knows to be that
// person's own wish: whoever comes back is signed in nowhere. The error is as of
// Refused.
func (h *Handler) Link(w http.ResponseWriter, r *http.Request, provider, whom string) (string, error) {
	p := h.providers[provider]
	if p == nil || whom == "" {
		return "", failure("provider_unknown", fmt.Sprintf("nobody is linked to %.40q", provider))
	}
	return h.begin(w, r, p, pending{Next: "/", Whom: whom})
}

// begin keeps what is pending, binds it to the browser, and returns where that
// goes on.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, p *provider, what pending) (string, error) {
	origin, ok := h.origin(r)
	if !ok {
		return "", failure("origin_unknown", fmt.Sprintf("people do not come back to host %.100q", r.Host))
	}
	d, err := p.ready(r.Context())
	if err != nil {
		return "", err
	}
	what.Provider, what.Origin, what.Begun = p.Name, origin, h.Now().Unix()
	started, b, err := begin(r.Context(), h.Redis, what)
	if err != nil {
		return "", err
	}
	for _, old := range surplus(r) {
		http.SetCookie(w, cookie(old, "", -1))
	}
	http.SetCookie(w, cookie(CookiePrefix+b.state[:8], b.cookie, int(PendingFor/time.Second)))
	return p.oauth(d, origin).AuthCodeURL(b.state, p.wishes(d, started)...), nil
}

// wishes are the parameters of the authentication request (Core section 3.1.2.1)
// beyond those that OAuth 2.0 has.
func (p *provider) wishes(d *discovered, started pending) []oauth2.AuthCodeOption {
	options := []oauth2.AuthCodeOption{oidc.Nonce(started.Nonce), oauth2.S256ChallengeOption(started.Verifier)}
	switch started.StepUp {
	case RecentSignIn:
		options = append(options, oauth2.SetAuthURLParam("max_age", "0"), oauth2.SetAuthURLParam("prompt", "login"))
	case SecondFactor:
		options = append(options, d.wish("mfa", "phrh", "phr")...)
	case Passkey:
		options = append(options, d.wish("phrh", "phr")...)
	case DeviceBoundPasskey:
		options = append(options, d.wish("phrh")...)
	}
	return options
}

// wish asks for the first strength of a list that the provider knows.
func (d *discovered) wish(list ...string) []oauth2.AuthCodeOption {
	for _, acr := range list {
		if slices.Contains(d.acrValues, acr) {
			return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("acr_values", acr)}
		}
	}
	return nil
}

// cookie binds a sign-in to its browser. Lax, since the provider sends the
// browser back from another site.
func cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// surplus are the names of cookies that make room for one more.
func surplus(r *http.Request) []string {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, CookiePrefix) {
			names = append(names, c.Name)
		}
	}
	return names[:max(0, len(names)-maxBegun+1)]
}

func (h *Handler) callback(w http.ResponseWriter, r *http.Request) {
	p := h.find(w, r)
	if p == nil {
		return
	}
	query := r.URL.Query()
	started, err := h.taken(r, p, query)
	if state := query.Get("state"); len(state) >= 8 && len(r.CookiesNamed(CookiePrefix+state[:8])) > 0 {
		http.SetCookie(w, cookie(CookiePrefix+state[:8], "", -1))
	}
	var who Identity
	var token *oauth2.Token
	if err == nil {
		who, token, err = p.redeem(r.Context(), started, query.Get("code"))
	}
	switch {
	case started.Whom != "" && h.Linked != nil:
		h.Linked(w, r, started.Whom, who, err)
	case err != nil:
		h.Refused(w, r, err)
	case started.Whom != "":
		h.Refused(w, r, failure("link_unknown", "nobody takes links here"))
	default:
		h.SignedIn(w, r, who, token, started.Next)
	}
}

// taken ends the pending sign-in that the browser comes back for, and judges
// what the provider's answer says before its code is looked at. With an error it
// returns what was pending only if it is this browser's.
func (h *Handler) taken(r *http.Request, p *provider, query url.Values) (pending, error) {
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(query[name]) > 1 {
			return pending{}, failure("answer_ambiguous", "several values of "+name)
		}
	}
	state := query.Get("state")
	if len(state) < 8 {
		return pending{}, failure("state_unknown", "the answer has no state")
	}
	var cookies []string
	for _, c := range r.CookiesNamed(CookiePrefix + state[:8]) {
		cookies = append(cookies, c.Value)
	}
	started, err := take(r.Context(), h.Redis, state, p.Name, cookies)
	if err != nil {
		return pending{}, err
	}
	d, err := p.ready(r.Context())
	if err != nil {
		return started, err
	}
	// RFC 9207 section 2.4: an answer that names another provider is a mix-up.
	if iss := query.Get("iss"); iss != "" && iss != p.Issuer || iss == "" && d.issParameter {
		return started, failure("provider_mixed_up", fmt.Sprintf("the answer is of %.100q", iss))
	}
	if refused := query.Get("error"); refused != "" {
		return started, failure("provider_refused", fmt.Sprintf("%.60q", refused))
	}
	if query.Get("code") == "" {
		return started, failure("code_missing", "the answer has neither a code nor an error")
	}
	return started, nil
}
