package console

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"gatehouse/e2e/chromium"
)

const browserWithin = 40 * time.Second

// browser is a Chromium of its own, and what it complained of.
type browser struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // chromedp keeps the tab there
	base string

	mu         sync.Mutex
	complaints []string
}

// newBrowser fails the test where there is no browser: looking is what this test
// is for.
func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	b := &browser{t: t, base: base}
	b.ctx = chromium.Start(t, browserWithin, func(e any) {
		switch e := e.(type) {
		case *cdplog.EventEntryAdded:
			b.complain(fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		case *runtime.EventConsoleAPICalled:
			b.complain(fmt.Sprintf("console: %v", e.Args))
		case *runtime.EventExceptionThrown:
			b.complain("exception: " + e.ExceptionDetails.Text)
		}
	})
	chromium.Call(b.t, b.ctx, cdplog.Enable, cdp.Empty{})
	chromium.Call(b.t, b.ctx, runtime.Enable, cdp.Empty{})
	return b
}

func (b *browser) complain(text string) {
	for _, status := range []string{"401", "404"} {
		if strings.Contains(text, "the server responded with a status of "+status) {
			return // asked for: a wrong password, a page that there is not
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// content demands that the browser found nothing to complain of: neither a
// violation of the content security policy nor an error of the script.
func (b *browser) content() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.complaints {
		b.t.Errorf("the browser complains: %s", text)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	chromium.Do(b.t, b.ctx, actions...)
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base+path), chromedp.WaitVisible(chromedp.CSS("#main")))
}

func (b *browser) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

func (b *browser) dark(on bool) {
	b.t.Helper()
	value := map[bool]string{true: "dark", false: "light"}[on]
	chromium.Call(b.t, b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}})
}

// eval runs an expression and reads its value.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// shot keeps a picture among the test's artifacts (go test -artifacts).
func (b *browser) shot(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) signIn() {
	b.t.Helper()
	b.open("/console")
	b.do(
		chromedp.WaitVisible(chromedp.CSS("#token")),
		chromedp.SendKeys(chromedp.CSS("#token"), "the-token"),
		chromedp.Submit(chromedp.CSS("#token")),
		chromedp.WaitVisible(chromedp.CSS("form.who")),
	)
}

func TestAPersonSignsInSeesAnEventAsItComesAndSearchesInChromium(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	b := newBrowser(t, server.URL)
	b.open("/console/alerts?state=firing")
	if at := eval[string](b, "location.pathname"); at != "/console/sign-in" {
		t.Fatalf("nobody is signed in, and the page is %s", at)
	}
	b.do(
		chromedp.SendKeys(chromedp.CSS("#username"), "anna"), chromedp.SendKeys(chromedp.CSS("#password"), "wrong-password"),
		chromedp.Submit(chromedp.CSS("#password")), chromedp.WaitVisible(chromedp.CSS(".notice.bad")),
	)
	if name := eval[string](b, "document.getElementById('username').value"); name != "anna" {
		t.Errorf("after a wrong password the name is %q", name)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), "the-password"), chromedp.Submit(chromedp.CSS("#password")), chromedp.WaitVisible(chromedp.CSS(".cards")))
	if at := eval[string](b, "location.pathname + location.search"); at != "/console/alerts?state=firing" {
		t.Errorf("after the sign-in the page is %s", at)
	}

	b.open("/console")
	b.do(chromedp.WaitVisible(chromedp.CSS("#live-state.good")))
	text, err := json.Marshal(someEvent("live-1", 9))
	if err != nil {
		t.Fatal(err)
	}
	f.live <- string(text)
	b.do(chromedp.WaitVisible(chromedp.CSS("#e-live-1")))
	if first := eval[string](b, "document.querySelector('#live tbody tr').id"); first != "e-live-1" {
		t.Errorf("the newest event is not on top: %s", first)
	}
	b.do(chromedp.Click(chromedp.CSS("#live-pause")))
	f.live <- strings.ReplaceAll(string(text), "live-1", "live-2")
	b.do(chromedp.WaitVisible(chromedp.CSS("#live-state.warn")), chromedp.Click(chromedp.CSS("#live-pause")), chromedp.WaitVisible(chromedp.CSS("#e-live-2")))

	b.open("/console/events")
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "Windows program"), chromedp.Submit(chromedp.CSS("#q")), chromedp.WaitVisible(chromedp.CSS("#q[value='Windows program']")))
	if n := eval[int](b, "document.querySelectorAll('.rows tbody tr').length"); n != 1 {
		t.Errorf("the search finds %d events", n)
	}
	if badge := eval[string](b, "document.querySelector('.badge').textContent.trim()"); badge != "✓ Signed & included" {
		t.Errorf("badge %q", badge)
	}
	b.do(chromedp.Click(chromedp.CSS(".rows tbody a")), chromedp.WaitVisible(chromedp.CSS(".facts")))

	b.do(chromedp.Click(chromedp.CSS("form.who button")), chromedp.WaitVisible(chromedp.CSS("#token")))
	b.open("/console/policy")
	if at := eval[string](b, "location.pathname"); at != "/console/sign-in" {
		t.Errorf("after signing out the page is %s", at)
	}
	b.content()
}

// pages are those that are looked at.
var pages = map[string]string{
	"overview": "/console", "events": "/console/events", "event": "/console/events/0190-0001", "alerts": "/console/alerts",
	"requests": "/console/requests", "request": "/console/requests/0190-aaaa-bbbb-cccc", "policy": "/console/policy", "csp": "/console/csp", "limits": "/console/limits?key=203.0.113.7&rate=100/60s", "nothing": "/console/nothing",
}

func TestEveryPageFitsAndObeysItsPolicyAtEverySizeInChromium(t *testing.T) {
	t.Parallel()
	_, server := site(t)
	b := newBrowser(t, server.URL)
	b.size(1280, 800)
	b.open("/console/sign-in")
	b.shot("sign-in-1280")
	b.size(390, 844)
	b.shot("sign-in-390")
	b.signIn()
	for _, size := range [][2]int64{{1280, 800}, {390, 844}, {320, 640}} {
		b.size(size[0], size[1])
		for name, path := range pages {
			b.open(path)
			if wide := eval[int64](b, "document.documentElement.scrollWidth"); wide > size[0] {
				t.Errorf("%s is %d pixels wide at %d", name, wide, size[0])
			}
			if title := eval[string](b, "document.title"); strings.Contains(title, "owned") {
				t.Errorf("%s: an event's text ran", name)
			}
			if eval[bool](b, "document.getElementById('owned') !== null || document.querySelector('td img, td script, dd img, dd script') !== null") {
				t.Errorf("%s: an event's text became markup", name)
			}
			if n := eval[int](b, "document.querySelectorAll('h1').length"); n != 1 {
				t.Errorf("%s has %d first headings", name, n)
			}
			b.shot(fmt.Sprintf("%s-%d", name, size[0]))
		}
	}
	b.dark(true)
	b.size(1280, 800)
	for _, name := range []string{"overview", "events", "event"} {
		b.open(pages[name])
		b.shot(name + "-dark")
	}
	b.content()
}

// contrast computes the ratio of WCAG 2.2 section 1.4.3 for every element with
// text of its own, against the nearest background that is painted.
const contrast = `(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1}; };
  const part = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = (c) => 0.2126 * part(c.r) + 0.7152 * part(c.g) + 0.0722 * part(c.b);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a > 0.5) return c; } return {r: 255, g: 255, b: 255}; };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.closest(".unseen, .skip")) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 20) + " " + ratio.toFixed(2));
  }
  return [...new Set(bad)];
})()`

// unlabelled are fields and controls that a screen reader could not name.
const unlabelled = `[...document.querySelectorAll("input:not([type=hidden]), button, a, progress, table")]
  .filter((e) => !(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.textContent.trim() && !e.caption)
  .map((e) => e.outerHTML.slice(0, 80))`

func TestEveryPageCanBeReadInBothLightsAndByAScreenReaderInChromium(t *testing.T) {
	t.Parallel()
	_, server := site(t)
	b := newBrowser(t, server.URL)
	b.signIn()
	for _, dark := range []bool{false, true} {
		b.dark(dark)
		for name, path := range pages {
			b.open(path)
			if bad := eval[[]string](b, contrast); len(bad) > 0 {
				t.Errorf("%s, dark %v: too little contrast: %s", name, dark, strings.Join(bad, "; "))
			}
			if bad := eval[[]string](b, unlabelled); len(bad) > 0 {
				t.Errorf("%s: without a name: %s", name, strings.Join(bad, "; "))
			}
			if eval[int](b, "document.querySelectorAll('main, header.bar, footer').length") != 3 {
				t.Errorf("%s lacks a landmark", name)
			}
		}
	}
	b.content()
}

func TestThePagesAreWholeWithoutJavaScriptInChromium(t *testing.T) {
	t.Parallel()
	_, server := site(t)
	b := newBrowser(t, server.URL)
	chromium.Call(b.t, b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.signIn()
	b.open("/console")
	b.do(chromedp.WaitVisible(chromedp.CSS("#live tbody tr")), chromedp.WaitVisible(chromedp.CSS(".tiles")), chromedp.WaitVisible(chromedp.CSS(".clock")))
	b.open("/console/events")
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "Windows"), chromedp.Submit(chromedp.CSS("#q")), chromedp.WaitVisible(chromedp.CSS("#q[value='Windows']")), chromedp.WaitVisible(chromedp.CSS(".badge")))
	b.content()
}
