package demo

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

// NonceHeader carries the nonce of the request's Content-Security-Policy, set by
// the filter. The page needs it for its script.
const NonceHeader = "X-Csp-Nonce"

// visitCookie is set as carelessly as many applications do: nothing but a name
// and a value. What its name promises, Gatehouse adds.
const visitCookie = "__Host-visit=1"

// page is the start page, ready but for the nonce.
type page struct {
	text          *template.Template
	Style, Script string // integrity of the files (Subresource Integrity 3.5)
}

func newPage() (*page, error) {
	text, err := template.ParseFS(assets, "assets/index.html")
	if err != nil {
		return nil, fmt.Errorf("the demo's page: %w", err)
	}
	p := &page{text: text}
	for file, to := range map[string]*string{"assets/style.css": &p.Style, "assets/app.js": &p.Script} {
		data, err := assets.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the demo's page: %w", err)
		}
		sum := sha512.Sum384(data)
		*to = "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return p, nil
}

func (a application) start(p *page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var out bytes.Buffer
		err := p.text.Execute(&out, struct {
			*page
			Nonce string
		}{p, r.Header.Get(NonceHeader)})
		if err != nil {
			a.log.Error("the start page cannot be written", "error", err)
			http.Error(w, "the page cannot be written", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Add("Set-Cookie", visitCookie)
		if _, err := w.Write(out.Bytes()); err != nil {
			a.log.Debug("the client went away", "error", err)
		}
	}
}
