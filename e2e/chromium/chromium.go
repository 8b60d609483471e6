// Package chromium begins a browser for a test and plugs virtual authenticators into it.
//
// It promises that the browser and its files are gone when the test has ended, and that a
// machine without Chromium fails the test. What a page does there is its caller's.
package chromium

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Start returns the tab of a new browser, with which tests have so long. hear, if it is not
// nil, gets the events of the tab.
func Start(t testing.TB, within time.Duration, hear func(event any)) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Env("TMPDIR="+folder(t)),
	)
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocated)
	t.Cleanup(closeTab)
	// The first call begins the browser, which lives as long as its context.
	begin := func() error { return chromedp.Do(tab) }
	if hear != nil {
		begin = func() error { return chromedp.Listen(tab, hear) }
	}
	if err := begin(); err != nil {
		t.Fatalf("no Chromium can be started: %v: install it (Debian: apt-get install chromium)", err)
	}
	ctx, cancel := context.WithTimeout(tab, within)
	t.Cleanup(cancel)
	return ctx
}

// folder is where Chromium leaves what it does not take away itself. It may still
// write when it is told to end.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh-chromium-") //nolint:usetesting // its removal may fail once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Do does what a person or a script would.
func Do(t testing.TB, tab context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, actions...); err != nil {
		t.Fatal(err)
	}
}

// Call sends a command of the protocol and returns its answer.
func Call[P, R any](t testing.TB, tab context.Context, command cdp.Command[P, R], params P) (answer R) {
	t.Helper()
	Do(t, tab, chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		answer, err = cdp.Call(ctx, target, command, params)
		return err
	}))
	return answer
}

// Key is a virtual authenticator that is plugged into a tab.
type Key struct{ ID webauthn.AuthenticatorID }

// Plug plugs an empty one in, whose user touches it at once. With synced its passkeys say
// that they are copied between devices. A former one, if there is one, is taken out.
func Plug(t testing.TB, tab context.Context, former Key, synced bool) Key {
	t.Helper()
	if former.ID == "" {
		Call(t, tab, webauthn.Enable, webauthn.EnableParams{})
	} else {
		Call(t, tab, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: former.ID})
	}
	added := Call(t, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			DefaultBackupEligibility: synced, DefaultBackupState: synced,
		},
	})
	return Key{ID: added.AuthenticatorID}
}
