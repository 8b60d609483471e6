package login

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"gatehouse/authz/event"
	"gatehouse/e2e/chromium"
)

// tab is a Chromium at the site.
type tab struct {
	*site
	ctx        context.Context //nolint:containedctx // chromedp keeps the tab there
	complaints chan string
	plugged    chromium.Key
}

// newTab begins one and fails the test where there is none. Passkeys need
// https or localhost, and so the site is at localhost here.
func newTab(t *testing.T) *tab {
	t.Helper()
	s := bareSite(t)
	mux := http.NewServeMux()
	mux.Handle("/auth/", s.handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<!doctype html><title>Start</title><p id="start">Start</p>`))
	})
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	_, port, err := net.SplitHostPort(s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://localhost:" + port
	s.settings.Store(&Settings{Site: "Shop", Origins: []string{s.url}})

	b := &tab{site: s, complaints: make(chan string, 100)}
	b.ctx = chromium.Start(t, time.Minute, func(e any) {
		if e, ok := e.(*cdplog.EventEntryAdded); ok && e.Entry.Source == cdplog.EntrySourceSecurity {
			b.complaints <- e.Entry.Text
		}
	})
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	chromium.Do(b.t, b.ctx, actions...)
}

func (b *tab) at() string {
	b.t.Helper()
	path, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.pathname"))
	if err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.url + path)) }

// authenticator plugs a virtual one in, whose user touches it at once.
func (b *tab) authenticator(synced bool) {
	b.t.Helper()
	b.plugged = chromium.Plug(b.t, b.ctx, b.plugged, synced)
}

// counts has the one passkey say that it was used so often, and returns how often
// it was.
func (b *tab) counts(uses float64) (before float64) {
	b.t.Helper()
	all := chromium.Call(b.t, b.ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: b.plugged.ID})
	if len(all.Credentials) != 1 {
		b.t.Fatalf("%d passkeys", len(all.Credentials))
	}
	chromium.Call(b.t, b.ctx, webauthn.SetCredentialProperties, webauthn.SetCredentialPropertiesParams{
		AuthenticatorID: b.plugged.ID, CredentialID: all.Credentials[0].CredentialID, SignCount: &uses,
	})
	return all.Credentials[0].SignCount
}

func (b *tab) signInWithPassword() {
	b.t.Helper()
	b.open("/auth/sign-in?next=/auth/account")
	b.do(
		chromedp.WaitVisible(chromedp.CSS("#username")),
		chromedp.SendKeys(chromedp.CSS("#username"), "alice"), chromedp.SendKeys(chromedp.CSS("#password"), password),
		chromedp.Submit(chromedp.CSS("#password")),
	)
}

func TestAPasskeyIsAddedAndSignsInFirstAndSecondInChromium(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.authenticator(true)
	b.signInWithPassword()
	b.do(chromedp.WaitVisible(chromedp.CSS("[data-passkey=register] button")), chromedp.Click(chromedp.CSS("[data-passkey=register] button")),
		chromedp.WaitVisible(chromedp.CSS("#secrets")))
	kept, err := b.ledger.Credentials(t.Context(), "u-1")
	if err != nil || len(kept) != 11 || kept[0].Kind+kept[10].Kind != KindPasskey+KindRecovery || kept[0].Label != "Passkey" {
		t.Fatalf("%+v %v", kept, err)
	}

	// The first factor: no name, no password.
	b.signOut()
	b.open("/auth/sign-in?next=/auth/account")
	b.do(chromedp.WaitVisible(chromedp.CSS("[data-passkey] button")), chromedp.Click(chromedp.CSS("[data-passkey] button")), chromedp.WaitVisible(chromedp.CSS("#h-devices")))
	b.methods("swk user mfa")

	// The second: after the password, which is not enough now.
	b.signOut()
	b.signInWithPassword()
	b.do(chromedp.WaitVisible(chromedp.CSS("#code")))
	if at := b.at(); at != "/auth/second-factor" {
		t.Fatalf("after the password the page is %s", at)
	}
	b.do(chromedp.WaitVisible(chromedp.CSS("[data-passkey] button")), chromedp.Click(chromedp.CSS("[data-passkey] button")), chromedp.WaitVisible(chromedp.CSS("#h-devices")))
	b.methods("pwd swk mfa")

	// Removed, it is of no use.
	// The page that comes looks the same but for the list: to go on while it comes would end one of the two.
	b.do(chromedp.Click(chromedp.CSS("[aria-labelledby=h-passkeys] li button")),
		chromedp.WaitNotPresent(chromedp.CSS("[aria-labelledby=h-passkeys] li button")), chromedp.WaitVisible(chromedp.CSS("#h-devices")))
	b.signOut()
	b.open("/auth/sign-in")
	b.do(chromedp.WaitVisible(chromedp.CSS("[data-passkey] button")), chromedp.Click(chromedp.CSS("[data-passkey] button")),
		chromedp.WaitVisible(chromedp.CSS("[data-passkey] .error")))
	select {
	case complaint := <-b.complaints:
		t.Errorf("the pages break their own policy: %s", complaint)
	default:
	}
}

// A copy of a passkey has the counter of when it was made (WebAuthn section 6.1.1).
func TestAPasskeyWhoseCounterGoesBackwardsIsRefusedAndItsOwnerToldInChromium(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.authenticator(false)
	b.signInWithPassword()
	b.do(chromedp.WaitVisible(chromedp.CSS("[data-passkey=register] button")), chromedp.Click(chromedp.CSS("[data-passkey=register] button")),
		chromedp.WaitVisible(chromedp.CSS("#secrets")))
	b.signOut()
	enter := func(then string) {
		t.Helper()
		b.open("/auth/sign-in?next=/auth/account")
		b.do(chromedp.WaitVisible(chromedp.CSS("[data-passkey] button")), chromedp.Click(chromedp.CSS("[data-passkey] button")), chromedp.WaitVisible(chromedp.CSS(then)))
	}
	enter("#h-devices")
	used := b.counts(1000)
	b.signOut()
	enter("#h-devices")
	b.signOut()
	for name, uses := range map[string]float64{"of before": used, "the same again": 1000, "none any more": -1} {
		b.counts(uses)
		b.events.take()
		enter("[data-passkey] .error")
		if live, err := b.sessions.List(t.Context(), "u-1"); err != nil || len(live) != 0 {
			t.Errorf("%s: %v %v", name, live, err)
		}
		if !b.told(event.UserChanged, "passkey_clone_refused") {
			t.Errorf("%s: no event tells of it", name)
		}
		b.letter("its counter went backwards")
	}
	b.counts(2000)
	enter("#h-devices")
	// A script that is told to sign in again leads there, and does not say that it failed.
	b.later(recently + time.Minute)
	b.do(chromedp.Click(chromedp.CSS("[data-passkey=register] button")), chromedp.WaitVisible(chromedp.CSS("[data-passkey=sign-in] button")))
	if at := b.at(); at != SignInPath {
		t.Errorf("the page is %s", at)
	}
}

func (b *tab) signOut() {
	b.t.Helper()
	b.open("/auth/account")
	b.do(chromedp.WaitVisible(chromedp.CSS("form[action='/auth/logout'] button")), chromedp.Click(chromedp.CSS("form[action='/auth/logout'] button")),
		chromedp.WaitVisible(chromedp.CSS("#start")))
	b.open("/auth/sign-in")
	b.do(chromedp.WaitVisible(chromedp.CSS("#username")))
	if live, err := b.sessions.List(b.t.Context(), "u-1"); err != nil || len(live) != 0 {
		b.t.Fatalf("after signing out: %v %v", live, err)
	}
}

// methods is how the one live session was begun.
func (b *tab) methods(want string) {
	b.t.Helper()
	live, err := b.sessions.List(b.t.Context(), "u-1")
	if err != nil || len(live) != 1 || strings.Join(live[0].AMR, " ") != want {
		b.t.Errorf("want %q: %+v %v", want, live, err)
	}
}
