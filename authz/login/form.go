package login

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
)

const formType = "application/x-www-form-urlencoded"

// readForm reads a form of one of our own pages: it comes from this origin, as
// the browser attests, and with the CSRF token that the page had for bound.
func (h *handler) readForm(w http.ResponseWriter, r *http.Request, bound string) (url.Values, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != formType {
		return nil, errMediaType
	}
	if !sameSite(r) {
		return nil, errForeign
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil || !once(values) {
		return nil, errMalformed
	}
	if !h.keys.formTokenIs(values.Get("csrf"), bound) {
		return nil, errForeign
	}
	return values, nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errTooLarge
	case err != nil:
		return nil, errMalformed
	}
	return body, nil
}

// readJSON reads what a script of ours, or a client that is no browser, sends.
// Another origin's page cannot send that media type without a preflight.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return errMediaType
	}
	if foreign(r) {
		return errForeign
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return errMalformed
	}
	return nil
}
