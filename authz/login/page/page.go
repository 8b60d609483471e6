// Package page draws what people see when they sign in and look after their
// account.
//
// It promises pages that work without JavaScript where that can be (passkeys
// need it), carry no inline script or style, load nothing from elsewhere, have
// labels, landmarks, and errors that are announced, and escape all that is put
// into them. Colours and type are in one style sheet whose custom properties a
// theme may set anew.
//
// It decides nothing: what may be shown to whom is login's.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets
var assets embed.FS

// Where the assets are served.
const (
	AssetsPath = "/auth/assets/"
	ThemePath  = AssetsPath + "theme.css"
)

// View is what every page shows; Body is the page's own.
type View struct {
	Title  string
	Site   string // the name of the site
	Theme  bool   // there is a theme
	CSRF   string
	Next   string
	Error  string
	Notice string
	Body   any
}

// Set is all pages. It is safe for concurrent use.
type Set struct{ pages map[string]*template.Template }

// New parses the pages. The error can only be a mistake of this package.
func New() (*Set, error) {
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list the pages: %w", err)
	}
	s := &Set{pages: map[string]*template.Template{}}
	for _, file := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name == "layout" {
			continue
		}
		t, err := template.New("layout.html").Funcs(template.FuncMap{"when": when}).ParseFS(templates, "templates/layout.html", file)
		if err != nil {
			return nil, fmt.Errorf("parse the page %s: %w", name, err)
		}
		s.pages[name] = t
	}
	return s, nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// Write answers with a page. formTo are origins, besides this one, to which a
// form may lead: browsers hold a redirect after a form to form-action, too.
func (s *Set) Write(w http.ResponseWriter, status int, name string, v View, formTo []string) error {
	t, ok := s.pages[name]
	if !ok {
		return fmt.Errorf("there is no page %q", name)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return fmt.Errorf("draw the page %s: %w", name, err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", Policy(formTo))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // #nosec G705 -- made by html/template; an error means that the client has gone
	return nil
}

// Policy is the Content-Security-Policy of the pages.
func Policy(formTo []string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action " +
		strings.Join(append([]string{"'self'"}, formTo...), " ") + "; base-uri 'none'; frame-ancestors 'none'"
}

// Assets serves the script and the style sheet.
func Assets() http.Handler {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		return http.NotFoundHandler() // a constant, valid name: cannot be
	}
	serve := http.StripPrefix(AssetsPath, http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		serve.ServeHTTP(w, r)
	})
}
