package console

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Root is where the console is served.
const Root = "/console"

// within bounds the making of one page.
const within = 15 * time.Second

// Options of New.
type Options struct {
	// API answers under /v1/ for whoever a request's cookies name.
	API http.Handler
	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means slog.Default()
}

type console struct {
	api   client
	now   func() time.Time
	log   *slog.Logger
	pages map[string]*template.Template
}

// New returns the handler of Root and all below it. The error is a page that
// cannot be read, which is a mistake of this package.
func New(o Options) (http.Handler, error) {
	c := &console{api: client{o.API}, now: o.Now, log: o.Log}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	if err := c.parse(); err != nil {
		return nil, err
	}
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	mux := http.NewServeMux()
	files := http.StripPrefix(Root+"/assets/", http.FileServerFS(assets))
	mux.HandleFunc("GET "+Root+"/assets/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=300")
		files.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET "+Root+"/sign-in", c.signInPage)
	mux.HandleFunc("POST "+Root+"/sign-in", c.signIn)
	mux.HandleFunc("POST "+Root+"/sign-out", c.signOut)
	mux.HandleFunc("GET "+Root, c.page(c.overview))
	mux.HandleFunc("GET "+Root+"/events", c.page(c.events))
	mux.HandleFunc("GET "+Root+"/events/{id}", c.page(c.event))
	mux.HandleFunc("GET "+Root+"/alerts", c.page(c.alerts))
	mux.HandleFunc("GET "+Root+"/requests", c.page(c.requests))
	mux.HandleFunc("GET "+Root+"/requests/{id}", c.page(c.request))
	mux.HandleFunc("POST "+Root+"/requests/{id}/verify", c.change(c.verify))
	mux.HandleFunc("GET "+Root+"/requests/{id}/plan", c.page(c.plan))
	mux.HandleFunc("POST "+Root+"/requests/{id}/run", c.change(c.run))
	mux.HandleFunc("GET "+Root+"/policy", c.page(c.policy))
	mux.HandleFunc("GET "+Root+"/csp", c.page(c.csp))
	mux.HandleFunc("GET "+Root+"/limits", c.page(c.limits))
	mux.HandleFunc("POST "+Root+"/limits/reset", c.change(c.resetLimit))
	mux.HandleFunc("GET "+Root+"/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Root+"/" {
			http.Redirect(w, r, Root, http.StatusMovedPermanently)
			return
		}
		c.render(w, r, http.StatusNotFound, "message", view{Title: "Nothing here", Data: message{Text: "There is no page at this address."}})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header())
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		mux.ServeHTTP(w, r.WithContext(ctx))
	}), nil
}

// headers are the strict ones; what the pages need is allowed by name.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// view is what every page is made of.
type view struct {
	Title  string
	Active string // entry of the navigation
	Me     me
	Now    time.Time
	Data   any
}

// message is a page that only says something.
type message struct {
	Text      string
	RequestID string
}

// content makes the data of a page for a person; its error is a *problem.
type content func(r *http.Request, who me) (name string, v view, err error)

// caller is who looks; false says that they were answered that nobody knows them.
func (c *console) caller(w http.ResponseWriter, r *http.Request) (who me, ok bool) {
	// Who brings nothing is nobody, and nobody was refused: they begin here.
	if !bringsSession(r) {
		c.fail(w, r, me{}, &problem{Status: http.StatusUnauthorized})
		return who, false
	}
	if err := c.api.get(r, "/v1/me", nil, &who); err != nil {
		c.fail(w, r, me{}, err)
		return who, false
	}
	return who, true
}

// page asks who looks, and sends whom nobody knows to sign in.
func (c *console) page(make content) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := c.caller(w, r)
		if !ok {
			return
		}
		name, v, err := make(r, who)
		if err != nil {
			c.fail(w, r, who, err)
			return
		}
		v.Me = who
		c.render(w, r, http.StatusOK, name, v)
	}
}

// bringsSession says whether a request has a cookie of ours, right or wrong.
func bringsSession(r *http.Request) bool {
	return slices.ContainsFunc(r.Cookies(), func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, "__Host-gatehouse") })
}

func (c *console) fail(w http.ResponseWriter, r *http.Request, who me, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{Status: http.StatusInternalServerError, Title: "Something went wrong"}
	}
	if p.Status == http.StatusUnauthorized {
		http.Redirect(w, r, Root+"/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	text := map[int]string{
		http.StatusForbidden:          "Your role does not allow this page.",
		http.StatusNotFound:           "This is not there, or this control does not serve it.",
		http.StatusTooManyRequests:    "Too many pages in a short time. Wait a moment and try again.",
		http.StatusServiceUnavailable: "Something that this page needs cannot be reached now. Try again in a moment.",
	}[p.Status]
	if text == "" {
		text = "This page cannot be shown now."
	}
	c.render(w, r, p.Status, "message", view{Title: p.Title, Me: who, Data: message{Text: text, RequestID: p.RequestID}})
}

// render makes a page whole before it sends any of it.
func (c *console) render(w http.ResponseWriter, r *http.Request, code int, name string, v view) {
	v.Now = c.now().UTC()
	var page bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&page, "layout", v); err != nil {
		c.log.ErrorContext(r.Context(), "a page of the console cannot be made", "page", name, "error", err)
		http.Error(w, "This page cannot be made; the log knows why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = page.WriteTo(w) // the reader has gone, then
}
