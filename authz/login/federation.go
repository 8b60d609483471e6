package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"gatehouse/authz/event/box"
	"gatehouse/authz/login/openid"
)

// federated is the method of who signed in at a provider. RFC 8176 has none for
// that; it is the word of others, too.
const federated = "fed"

// Federation is who else signs people in.
type Federation struct {
	// Origins are those to which people come back from a provider.
	Origins   []string
	Providers []Provider
}

// Provider is one of them; its ClientSecret is Options.ProviderSecret's.
type Provider struct {
	openid.Settings
	Public   bool // has no secret
	NewUsers bool // makes a user of whom it vouches for the first time
	// Refresh is how often it is asked about its users, and MaxStale for how long
	// they outlive its silence; 0 means never, and for as long as they may.
	Refresh, MaxStale time.Duration
}

// ProviderLookup finds who a provider's subject is here. It is not their name: a
// hash of the issuer and of what the issuer calls them.
func ProviderLookup(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// federation is package openid between the policy and the sessions.
type federation struct {
	h         *handler
	links     *openid.Links
	refresher *openid.Refresher

	mu    sync.Mutex
	from  *Federation // what handler was built of
	built *openid.Handler
}

func (h *handler) federate(key []byte) (*federation, error) {
	grants, err := openid.NewGrants(h.Redis, key, h.Now)
	if err != nil {
		return nil, err
	}
	f := &federation{h: h, links: openid.NewLinks(h.Redis, h.Now)}
	f.refresher = &openid.Refresher{
		Handler: f.current, Grants: grants, Log: h.Log, Confirmed: f.confirmed, Ended: f.ended,
		Every:    func(name string) time.Duration { return f.provider(name).Refresh },
		MaxStale: func(name string) time.Duration { return f.provider(name).MaxStale },
	}
	return f, nil
}

// provider is that of the name, as the policy has it now; the zero value asks
// nothing and allows nothing.
func (f *federation) provider(name string) Provider {
	if today := f.h.Federation(); today != nil {
		for _, p := range today.Providers {
			if p.Name == name {
				return p
			}
		}
	}
	return Provider{}
}

// current is the handler of the policy's providers; nil while no policy is known.
// It is built anew when they have changed, and no sooner: it remembers what the
// providers' documents say.
func (f *federation) current() *openid.Handler {
	today := f.h.Federation()
	f.mu.Lock()
	defer f.mu.Unlock()
	if today == nil || reflect.DeepEqual(today, f.from) {
		return f.built
	}
	built, err := openid.New(f.options(today))
	if err != nil {
		// The policy was compiled by the same rules: cannot be. Who relies on the
		// providers of before is not signed in by them.
		f.h.Log.Error("the providers of sign-in cannot be used", "error", err)
		built = nil
	}
	f.from, f.built = today, built
	return built
}

func (f *federation) options(today *Federation) openid.Options {
	o := openid.Options{
		Origins: today.Origins, Redis: f.h.Redis, Now: f.h.Now, Log: f.h.Log, Client: f.h.ProviderClient,
		SignedIn: f.signedIn, Linked: f.linked, Refused: f.refused, SignedOut: f.signedOut,
		LocalPath: func(next string) bool { return next != "" && f.h.Settings().destination(next) == next },
	}
	for _, p := range today.Providers {
		settings := p.Settings
		if !p.Public {
			settings.ClientSecret = func() string {
				text, _ := f.secret(p.Name) // said at the start of each sign-in
				return text
			}
		}
		o.Providers = append(o.Providers, settings)
	}
	return o
}

var errNoSecret = errors.New("no secrets of providers are configured: pass --provider-secrets DIR")

func (f *federation) secret(name string) (string, error) {
	if f.h.ProviderSecret == nil {
		return "", errNoSecret
	}
	return f.h.ProviderSecret(name)
}

// ServeHTTP implements http.Handler.
func (f *federation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve, today := f.current(), f.h.Federation()
	if serve == nil || today == nil {
		writePlainProblem(w, r, http.StatusNotFound)
		return
	}
	for _, p := range today.Providers {
		if r.URL.Path != openid.Prefix+p.Name+"/start" || p.Public {
			continue
		}
		if _, err := f.secret(p.Name); err != nil {
			f.refused(w, r, &openid.Failure{Rule: "client_secret_missing", Reason: err.Error()})
			return
		}
	}
	serve.ServeHTTP(w, r)
}

// choice is a button of a page.
type choice struct{ Title, Path string }

// choices are the buttons of the sign-in page; only, if it is not nil, are those
// to leave in.
func (h *handler) choices(next, stepUp string, only []string) []choice {
	var list []choice
	for _, p := range h.providers() {
		if only == nil || slices.Contains(only, p.Name) {
			list = append(list, choice{p.title(), openid.Start(p.Name, next, stepUp)})
		}
	}
	return list
}

// vouched is what a provider says of somebody.
type vouched struct {
	Who        openid.Identity
	Refresh    string // its refresh token
	TakesRoles bool
}

func (k keys) sealVouched(v *vouched, userID string) (string, error) {
	text, err := json.Marshal(v) // #nosec G117 -- it is sealed before it leaves
	if err != nil {
		return "", fmt.Errorf("write what a provider said: %w", err)
	}
	sealed, err := box.Seal(k.secrets, text, "vouched:"+userID)
	if err != nil {
		return "", fmt.Errorf("seal what a provider said: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

func (k keys) openVouched(text, userID string) (*vouched, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	var v vouched
	if err == nil {
		if sealed, err = box.Open(k.secrets, sealed, "vouched:"+userID); err == nil {
			err = json.Unmarshal(sealed, &v)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: what a provider said does not open: %w", ErrUnavailable, err)
	}
	return &v, nil
}

// methodsOf are a provider's, as far as they have the form of RFC 8176's names,
// and "mfa" where they are of two kinds.
func methodsOf(who openid.Identity) []string {
	var taken []string
	for _, m := range who.AMR {
		if len(m) <= maxMethod && isWord(m) && m != federated {
			taken = append(taken, m)
		}
	}
	knows := slices.ContainsFunc(taken, func(m string) bool { return m == "pwd" || m == "pin" })
	has := slices.ContainsFunc(taken, func(m string) bool {
		return slices.Contains([]string{"otp", "hwk", "swk", "sc", "sms", "face", "fpt"}, m)
	})
	if knows && has {
		taken = append(taken, "mfa")
	}
	return methodsTogether(taken, []string{federated})
}

const maxMethod = 8

func isWord(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// authTime is when a provider says that somebody proved who they are. If it does
// not say it was long ago, so that no route takes it for recent; what is ahead of
// our clock is now.
func (h *handler) authTime(who openid.Identity) time.Time {
	switch now := h.Now(); {
	case who.AuthTime.IsZero():
		return time.Unix(1, 0)
	case who.AuthTime.After(now):
		return now
	default:
		return who.AuthTime
	}
}

// resident finds the user of whom a provider speaks, or makes one. Nobody is
// found by their mail address: it can be another's tomorrow. The error is a
// *Failure, or has ErrUnavailable in its chain.
func (f *federation) resident(ctx context.Context, who openid.Identity) (User, error) {
	lookup := ProviderLookup(who.Issuer, who.Subject)
	user, err := f.known(ctx, lookup)
	if !errors.Is(err, ErrNoCredential) {
		return user, err
	}
	if !f.provider(who.Provider).NewUsers {
		return User{}, &Failure{Reason: ReasonUnlinked}
	}
	for _, name := range namesFor(who, lookup) {
		user, err = f.h.Accounts.AddLinkedAccount(ctx, name, Credential{
			ID: lookup, Kind: KindOpenID, Lookup: lookup, Label: label(who.Provider, "Provider"), Active: true,
		})
		if !errors.Is(err, ErrNameTaken) {
			break
		}
	}
	if err == nil {
		return user, nil
	}
	// Perhaps another tab was faster.
	if user, again := f.known(ctx, lookup); again == nil {
		return user, nil
	}
	return User{}, fmt.Errorf("%w: make a user: %w", ErrUnavailable, err)
}

func (f *federation) known(ctx context.Context, lookup string) (User, error) {
	c, err := f.h.Accounts.Credential(ctx, KindOpenID, lookup)
	if errors.Is(err, ErrNoCredential) {
		return User{}, err
	}
	var user User
	if err == nil {
		user, err = f.h.Accounts.Account(ctx, c.UserID)
	}
	switch {
	case errors.Is(err, ErrNoUser):
		return User{}, &Failure{Reason: ReasonUnknownUser}
	case err != nil:
		return User{}, fmt.Errorf("%w: find a provider's user: %w", ErrUnavailable, err)
	case user.Disabled:
		return User{}, &Failure{Reason: ReasonDisabled, UserID: user.ID}
	}
	if err := f.h.Accounts.TouchCredential(ctx, c.ID); err != nil {
		f.h.Log.WarnContext(ctx, "the use of a provider was not noted", "error", err)
	}
	return user, nil
}

// stillLinked says whether the provider's subject is still this user.
func (f *federation) stillLinked(ctx context.Context, user User, who openid.Identity) error {
	c, err := f.h.Accounts.Credential(ctx, KindOpenID, ProviderLookup(who.Issuer, who.Subject))
	switch {
	case errors.Is(err, ErrNoCredential), err == nil && c.UserID != user.ID:
		return &Failure{Reason: ReasonUnlinked, UserID: user.ID}
	case err != nil:
		return fmt.Errorf("%w: find a provider's user again: %w", ErrUnavailable, err)
	}
	return nil
}

// namesFor are names for a new user, the best first. None is a claim on the user
// who has the name already.
func namesFor(who openid.Identity, lookup string) []string {
	name, ok := NormalizeName(who.Name)
	if !ok || len(name) > MaxName-len(who.Provider)-16 {
		name = "user"
	}
	names := []string{name + " (" + who.Provider + ")", name + " (" + who.Provider + " " + lookup[:8] + ")"}
	if ok {
		names = append([]string{name}, names...)
	}
	return names
}
