package crossorigin

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// script is what every page has: call says in a line what a fetch came to.
const script = `<!doctype html><meta charset=utf-8><title>page</title><main id=main>page</main><script>
async function call(url, init, headers) {
  try {
    const r = await fetch(url, init);
    let line = r.type + ' ' + r.status + (r.redirected ? ' redirected' : '');
    for (const h of headers || []) line += ' ' + h + '=' + r.headers.get(h);
    const body = r.type === 'opaque' ? '' : await r.text();
    return (line + ' ' + body).trim();
  } catch (e) { return 'refused'; }
}
async function sandboxed(url, init) {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.srcdoc = '<script>' + call + '; onmessage = async e => parent.postMessage(await call(...e.data), "*"); parent.postMessage("ready", "*");</' + 'script>';
  return new Promise(resolve => {
    onmessage = e => e.data === 'ready' ? frame.contentWindow.postMessage([url, init], '*') : resolve(e.data);
    document.body.append(frame);
  });
}
async function twice(url, init) { return await call(url, init) + ' | ' + await call(url, init); }
async function load(url) { try { return (await import(url)).word; } catch (e) { return 'refused'; } }
function xhr(url, credentials) {
  return new Promise(resolve => {
    const x = new XMLHttpRequest();
    x.open('GET', url);
    x.withCredentials = credentials;
    x.onload = () => resolve(x.status + ' ' + x.getResponseHeader('x-total') + ' ' + x.responseText);
    x.onerror = () => resolve('refused');
    x.send();
  });
}
function image(url, mode) {
  return new Promise(resolve => {
    const i = new Image();
    if (mode !== '') i.crossOrigin = mode;
    i.onload = () => resolve('shown');
    i.onerror = () => resolve('refused');
    i.src = url;
  });
}
</script>`

// pages serves the same page under every name of the machine. The page /public
// asks to be treated as one from the Internet.
func pages(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.URL.Path == "/public" {
		w.Header().Set("Content-Security-Policy", "treat-as-public-address")
	}
	_, _ = fmt.Fprint(w, script)
}

// application is behind Envoy. It thinks that it knows about CORS: the gateway is
// the authority, and the browser must not see two opinions.
func application(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "http://nobody.localhost")
	if strings.HasPrefix(r.URL.Path, "/own") {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	h.Set("X-Total", "7")
	h.Set("X-Hidden", "8")
	h.Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case "/app/sign-in":
		http.SetCookie(w, &http.Cookie{Name: "id", Value: "anna", Path: "/", HttpOnly: true})
	case "/app/module", "/open/module":
		h.Set("Content-Type", "text/javascript")
		_, _ = fmt.Fprint(w, `export const word = "loaded";`)
		return
	case "/app/image", "/open/image":
		h.Set("Content-Type", "image/svg+xml")
		h.Set("Cache-Control", "max-age=600")
		_, _ = fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`)
		return
	}
	h.Set("Content-Type", "text/plain")
	who := "nobody"
	if c, err := r.Cookie("id"); err == nil {
		who = c.Value
	}
	_, _ = fmt.Fprintf(w, "%s by %s", r.Method, who)
}

// serve listens on an address of the block; the names under .localhost are the
// machine's own for a browser.
func serve(t *testing.T, addr string, handler http.HandlerFunc) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// site is all that a scenario needs to know.
type site struct {
	app, evil, public string // pages
	api, other        string // the API under two names
	log               string
}

func start(t *testing.T) site {
	t.Helper()
	ports := pack.ReservePorts(t)
	port := func(i int) string { _, p, _ := net.SplitHostPort(ports.Addr(i)); return p }
	s := site{
		app: "http://app.localhost:" + port(1), evil: "http://evil.localhost:" + port(1), public: "http://app.localhost:" + port(1) + "/public",
		api: "http://app.localhost:" + port(0), other: "http://other.localhost:" + port(0),
	}
	serve(t, ports.Addr(1), pages)
	documents := &nonces{}
	serve(t, ports.Addr(3), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nonce/page" {
			documents.page(w, r)
			return
		}
		application(w, r)
	})
	s.log = startEnvoy(t, ports, s)
	return s
}
