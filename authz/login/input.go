package login

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds a sign-in's body in bytes.
const maxBody = 16 << 10

// credentials are what a sign-in brings.
type credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
	// Token asks for the token in the answer, for clients that are no browsers.
	Token bool `json:"token"`

	form     bool   // came as a browser's form
	page     bool   // of our own page, which says what went wrong
	next     string // form only: where to go afterwards
	jsonNext string // the same for a script
}

var (
	errMediaType = errors.New("neither application/json nor application/x-www-form-urlencoded")
	errTooLarge  = errors.New("body too large")
	errMalformed = errors.New("body malformed")
	errForeign   = errors.New("the form is not known to come from this site")
)

func (h *handler) readCredentials(w http.ResponseWriter, r *http.Request) (credentials, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return credentials{}, errMediaType
	}
	form := mediaType == "application/x-www-form-urlencoded"
	switch {
	case form && !sameSite(r):
		return credentials{form: true}, errForeign
	case !form && mediaType != "application/json":
		return credentials{}, errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return credentials{form: form}, errTooLarge
	case err != nil:
		return credentials{form: form}, errMalformed
	case form:
		return h.parseForm(r, string(body))
	}
	return parseJSON(body)
}

// parseJSON is strict: an unknown member or a second value is a mistake of the
// caller, who had better hear of it.
func parseJSON(body []byte) (credentials, error) {
	var c credentials
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return credentials{}, errMalformed
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return credentials{}, errMalformed
	}
	return c, nil
}

// parseForm takes the fields username, password, next, csrf and page, each once
// at most. csrf is our own page's; where it is sent it must be right. An
// application's form is known by sameSite alone.
func (h *handler) parseForm(r *http.Request, body string) (credentials, error) {
	c := credentials{form: true}
	values, err := url.ParseQuery(body)
	if err != nil || !once(values) {
		return c, errMalformed
	}
	c.Username, c.Password = values.Get("username"), values.Get("password")
	c.next, c.page = h.Settings().destination(values.Get("next")), values.Get("page") == "1"
	if c.page && !h.keys.formTokenIs(values.Get("csrf"), browser(r)) {
		return c, errForeign
	}
	return c, nil
}

// once says whether each field comes once at most: which of two counts would be
// for the reader to guess.
func once(values url.Values) bool {
	for _, all := range values {
		if len(all) > 1 {
			return false
		}
	}
	return true
}

// sameSite says whether the browser attests that a form was posted by a page of
// this very origin (Fetch Metadata, W3C; else Origin, RFC 6454). Another site
// could otherwise sign its visitors in as somebody else. What attests nothing is
// refused: a form without either comes from no browser of this decade.
// JSON needs no such check: a page of another origin cannot send that media
// type unless a CORS preflight allowed it.
func sameSite(r *http.Request) bool {
	if site := r.Header.Values("Sec-Fetch-Site"); len(site) > 0 {
		return len(site) == 1 && (site[0] == "same-origin" || site[0] == "none")
	}
	origins := r.Header.Values("Origin")
	if len(origins) != 1 || r.Host == "" {
		return false
	}
	origin, err := url.Parse(origins[0])
	return err == nil && (origin.Scheme == "https" || origin.Scheme == "http") && strings.EqualFold(origin.Host, r.Host)
}

// foreign says whether the browser attests that another site caused the
// request. It guards what a cookie alone could set off.
func foreign(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return false // no browser, or nothing said: SameSite=Lax has kept the cookie back
	}
	return !sameSite(r)
}
