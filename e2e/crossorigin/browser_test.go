package crossorigin

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"gatehouse/e2e/chromium"
	"gatehouse/e2e/pack"
)

const within = 150 * time.Second

// scenario is something that a page does, and what its script must see.
type scenario struct {
	name, page string
	do         string // an expression, API and OTHER stand for the API's names
	want       string
	// log lists the requests that Envoy must have seen, in order, as far as they
	// are about this path.
	path string
	log  []string
	// grant is a permission that the person at the browser has given before.
	grant string
}

func grant(t *testing.T, tab context.Context, name string) {
	t.Helper()
	chromium.Call(t, tab, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
	})
}

func TestThePagesOfOtherOriginsMayDoWhatThePolicySaysInChromium(t *testing.T) {
	s := start(t)
	tab := chromium.Start(t, within, nil)
	names := strings.NewReplacer("API", s.api, "OTHER", s.other)
	all := scenarios(s)
	if len(all) < 20 {
		t.Errorf("only %d scenarios", len(all))
	}
	page := ""
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			if c.page != page {
				if err := chromedp.Do(tab, chromedp.Navigate(c.page), chromedp.WaitVisible(chromedp.CSS("#main"))); err != nil {
					t.Fatal(err)
				}
				page = c.page
			}
			if c.grant != "" {
				grant(t, tab, c.grant)
			}
			got, err := chromedp.Run(tab, chromedp.Evaluate[string](names.Replace(c.do), chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("the page sees %q, want %q", got, c.want)
			}
			if c.path != "" {
				expectLog(t, s.log, c.path, c.log)
			}
		})
	}
}

func expectLog(t *testing.T, file, path string, want []string) {
	t.Helper()
	var got []string
	pack.Eventually(t, 10*time.Second, "the log of "+path, func(context.Context) error {
		text, err := os.ReadFile(file) //nolint:gosec // the test's own
		if err != nil {
			return err
		}
		got = nil
		for line := range strings.Lines(string(text)) {
			parts := strings.Fields(line)
			if len(parts) == 3 && parts[1] == path {
				got = append(got, parts[0]+" "+parts[2])
			}
		}
		if len(got) < len(want) {
			return context.DeadlineExceeded
		}
		return nil
	})
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("Envoy saw %q, want %q", got, want)
	}
}
