package login

import (
	"encoding/json"
	"net/http"

	"gatehouse/filter/verdict"
)

// maxRequestID bounds what is taken over from x-request-id.
const maxRequestID = 128

// requestID is Envoy's, if it can stand in a log and a document.
func requestID(r *http.Request) string {
	text := r.Header.Get("X-Request-Id")
	if len(text) > maxRequestID {
		return ""
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return ""
		}
	}
	return text
}

func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

func writeProblem(w http.ResponseWriter, r *http.Request, p verdict.Problem) {
	switch p {
	case verdict.AuthenticationFailed:
		// A 401 must carry a challenge (RFC 9110 section 15.5.2).
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	case verdict.CheckUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	writeDocument(w, p.Status(), verdict.ContentType, p.Document(requestID(r)))
}

// writePlainProblem answers with a problem that is no refusal by a policy and
// says no more than its status (RFC 9457 section 4.2.1).
func writePlainProblem(w http.ResponseWriter, r *http.Request, status int) {
	document, err := json.Marshal(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		RequestID string `json:"request_id,omitempty"`
	}{"about:blank", http.StatusText(status), status, requestID(r)})
	if err != nil {
		document = nil // strings and a number: cannot be
	}
	writeDocument(w, status, verdict.ContentType, document)
}

// writePage answers a form that could not be accepted. It is the same for every
// cause, and loads and runs nothing.
func writePage(w http.ResponseWriter, status int, title, text string) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	writeDocument(w, status, "text/html; charset=utf-8", []byte(
		"<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>"+title+"</title>\n<h1>"+title+"</h1>\n<p>"+text+
			" <a href=\"/\">Back to the start</a></p>\n</html>\n"))
}

func writeDocument(w http.ResponseWriter, status int, contentType string, body []byte) {
	noStore(w)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // #nosec G705 -- JSON, or a page of constants; an error means that the client has gone
}

func writeJSON(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		body = []byte("{}") // strings, times and booleans: cannot be
	}
	writeDocument(w, http.StatusOK, "application/json", body)
}
