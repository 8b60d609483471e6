package e2e

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gatehouse/e2e/chromium"
	"gatehouse/e2e/pack"
)

// Passkeys are for secure contexts: https, or localhost.
const passkeyConfig = preamble + `
sign_in: {origins: ["http://localhost:${PORT}"]}
policies:
  open: {session: none}
  vault: {session: {require: required, passkey: any}}
  safe: {session: {require: required, passkey: device_bound}}
routes:
  - {path_prefix: /vault, upstream: app, policy: vault}
  - {path_prefix: /safe, upstream: app, policy: safe}
  - {path_prefix: /, upstream: app, policy: open}
`

// browser is a Chromium whose pages come through Envoy.
type browser struct {
	t    *testing.T
	site string
	ctx  context.Context //nolint:containedctx // chromedp keeps the tab there
	key  chromium.Key
}

func newBrowser(t *testing.T, site string) *browser {
	t.Helper()
	return &browser{t: t, site: site, ctx: chromium.Start(t, 2*time.Minute, nil)}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	chromium.Do(b.t, b.ctx, actions...)
}

// text is what an expression says, awaited.
func (b *browser) text(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *browser) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.site + path)) }
func (b *browser) see(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
}
func (b *browser) click(selector string) {
	b.t.Helper()
	b.see(selector)
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// plug replaces the authenticator by an empty one, whose user touches it at once.
func (b *browser) plug(synced bool) {
	b.t.Helper()
	b.key = chromium.Plug(b.t, b.ctx, b.key, synced)
}

const withPasskey = "[data-passkey=sign-in] button"

// missing is what the application's front end learns of a route.
func (b *browser) missing(path string) string {
	b.t.Helper()
	return b.text(`fetch("` + path + `").then(async (r) => r.status + " " + ((await r.json()).missing || ""), (e) => "error " + e)`)
}

func TestAPasskeyOpensARouteThatAsksForOneInChromium(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: passkeyConfig, Answer: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><title>App</title><p id="app">`+html.EscapeString(r.URL.Path+" for "+r.Header.Get("X-Gatehouse-Subject"))+"</p>")
	})})
	_, port, err := net.SplitHostPort(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, "http://localhost:"+port)

	// A password alone opens neither, and the answer says what would.
	b.plug(true)
	b.open("/auth/sign-in?next=/auth/account")
	b.see("#username")
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), pack.UserName), chromedp.SendKeys(chromedp.CSS("#password"), pack.Password), chromedp.Submit(chromedp.CSS("#password")))
	b.see("#h-devices")
	if vault, safe := b.missing("/vault"), b.missing("/safe"); vault != "401 passkey" || safe != "401 device_bound_passkey" {
		t.Errorf("the front end learns %q and %q", vault, safe)
	}
	b.click("[data-passkey=register] button")
	b.see("#secrets")
	if got := b.missing("/vault"); got != "401 passkey" {
		t.Errorf("that there is a passkey is enough: %s", got)
	}

	// With it the person gets where they were going.
	b.open("/vault")
	b.see(withPasskey)
	if at := b.text("location.pathname + location.search"); at != "/auth/sign-in?next=%2Fvault&step_up=passkey" {
		t.Errorf("sent to %s", at)
	}
	if b.text("String(document.querySelectorAll('input[type=password]').length)") != "0" {
		t.Error("the page asks for a password, which does not help")
	}
	b.click(withPasskey)
	b.see("#app")
	if got := b.text("document.getElementById('app').textContent"); !strings.HasPrefix(got, "/vault for ") || got == "/vault for " {
		t.Errorf("the application sees %q", got)
	}

	// One that is copied between devices is not enough for the other, and the page says so.
	b.open("/safe")
	b.see(withPasskey)
	b.text("document.body.dataset.before = 'yes'")
	b.click(withPasskey)
	b.see("body:not([data-before]) .notice")
	if at := b.text("location.pathname + location.search + ' ' + document.querySelector('.notice').textContent"); !strings.HasPrefix(at, "/auth/sign-in?next=%2Fsafe&step_up=device_bound_passkey ") || !strings.Contains(at, "copied between your devices is not enough") {
		t.Errorf("sent to %s", at)
	}
	if got := b.missing("/safe"); got != "401 device_bound_passkey" {
		t.Errorf("the front end learns %q", got)
	}

	b.plug(false)
	b.open("/auth/account")
	b.click("[data-passkey=register] button")
	b.do(chromedp.WaitVisible(chromedp.CSS("[aria-labelledby=h-passkeys] li:nth-child(2)")))
	b.open("/safe")
	b.click(withPasskey)
	b.see("#app")
	if got := b.text("document.getElementById('app').textContent"); !strings.HasPrefix(got, "/safe for ") {
		t.Errorf("the application sees %q", got)
	}

	// A key that nobody has registered opens nothing.
	b.plug(false)
	b.open("/auth/sign-in?next=/vault&step_up=passkey")
	b.click(withPasskey)
	b.see("[data-passkey] .error")
}
