package crossorigin

import (
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"gatehouse/e2e/chromium"
	"gatehouse/filter/headers"
)

// nonced has scripts in its markup: one with the nonce that the filter gave the
// application, and three that an attacker could have put there. The first one
// says who ran, and which of the others the browser has told it that it stopped.
var nonced = template.Must(template.New("page").Parse(`<!doctype html><meta charset=utf-8><title>nonce</title>
<script nonce="{{.Nonce}}">
const ran = ['nonce'], stopped = [];
const all = new Promise(resolve => document.addEventListener('securitypolicyviolation', e => {
  stopped.push(e.effectiveDirective);
  if (stopped.length === 3) resolve(ran.join() + ' ran, stopped: ' + stopped.sort().join());
}));
</script>
<script>ran.push('none');</script>
<script nonce="{{.Before}}">ran.push('before');</script>
<img src="data:," onerror="ran.push('attribute')">
<main id=main>page</main>`))

// nonces is an application that keeps what it was given, as no application
// should, so that the next page can try it.
type nonces struct {
	mu    sync.Mutex
	given []string
}

func (n *nonces) page(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	nonce, before := r.Header.Get(headers.NonceHeader), "AAAAAAAAAAAAAAAAAAAAAA=="
	if len(n.given) > 0 {
		before = n.given[len(n.given)-1]
	}
	n.given = append(n.given, nonce)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := nonced.Execute(w, map[string]string{"Nonce": nonce, "Before": before}); err != nil {
		_, _ = fmt.Fprint(w, err)
	}
}

func TestOnlyTheScriptWithTheNonceOfThisVeryPageRunsInChromium(t *testing.T) {
	s := start(t)
	tab := chromium.Start(t, within, nil)
	for visit := range 3 {
		err := chromedp.Do(tab, chromedp.Navigate(s.api+"/nonce/page"), chromedp.WaitVisible(chromedp.CSS("#main")))
		if err != nil {
			t.Fatal(err)
		}
		got, err := chromedp.Run(tab, chromedp.Evaluate[string]("all", chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		if want := "nonce ran, stopped: script-src-attr,script-src-elem,script-src-elem"; got != want {
			t.Errorf("visit %d: %q, want %q", visit, got, want)
		}
	}
}
