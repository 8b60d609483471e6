package api

import (
	"context"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"

	"gatehouse/authz/event"
)

// maxRequestID bounds what is taken over from x-request-id, in bytes.
const maxRequestID = 128

type requestIDKey struct{}

// wholeBodyKey is where a body is kept that is bounded by its operation.
type wholeBodyKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// RequestIDFrom names the call of ctx in the log, in events and in problems.
func RequestIDFrom(ctx context.Context) string { return requestID(ctx) }

// takeRequestID is the caller's, if it can stand in a log, or a new one.
func takeRequestID(r *http.Request) string {
	text := r.Header.Get("X-Request-Id")
	if text == "" || len(text) > maxRequestID || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return event.NewID()
	}
	return text
}

// clientIP is the address that the connection comes from. Control stands behind
// no proxy whose headers it could believe.
func clientIP(r *http.Request) string {
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return at.Addr().Unmap().WithZone("").String()
	}
	return ""
}

// guard does what must be done for every request, whatever it asks for.
func (s *Server) guard(mux *http.ServeMux) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		w := &tracked{ResponseWriter: plain}
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, takeRequestID(r)))
		SecureHeaders(w.Header())
		w.Header().Set("X-Request-Id", requestID(r.Context()))
		defer s.recovered(w, r)
		switch ok, wait, first := s.limits.address(clientIP(r), 1); {
		case !ok:
			if first {
				s.reportFlood(r)
			}
			writeProblem(w, r, tooMany(wait))
			return
		}
		if origin.Check(r) != nil {
			s.reportForeign(r)
			writeProblem(w, r, forbidden("a page of another origin may not call this API"))
			return
		}
		// One more than an operation reads, so that the operation says 413.
		// registerUploads alone reads the whole.
		r = r.WithContext(context.WithValue(r.Context(), wholeBodyKey{}, r.Body))
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody+1)
		if handler, pattern := mux.Handler(r); pattern == "" {
			notFound(w, r, handler)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// SecureHeaders are those of every answer of the API: it is no page, is kept
// nowhere, and may be framed, sniffed or embedded by nobody.
func SecureHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// recovered answers for a handler that panicked. What it was about to say is
// lost; that it happened is not.
func (s *Server) recovered(w *tracked, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // a value that was panicked with, not an error in a chain
		panic(cause)
	}
	s.log.ErrorContext(r.Context(), "a call panicked", "request_id", requestID(r.Context()),
		"cause", cause, "stack", string(debug.Stack()))
	if w.begun { // half an answer must not look like a whole one
		panic(http.ErrAbortHandler)
	}
	writeProblem(w, r, NewProblem(http.StatusInternalServerError, "", "the call could not be carried out; the log knows why under this request_id"))
}

// tracked knows whether an answer has begun.
type tracked struct {
	http.ResponseWriter
	begun bool
}

// Unwrap lets http.ResponseController find the connection.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tracked) WriteHeader(status int) {
	t.begun = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracked) Write(b []byte) (int, error) {
	t.begun = true
	return t.ResponseWriter.Write(b)
}

// notFound turns what the mux would answer, 404 or 405, into a problem.
func notFound(w http.ResponseWriter, r *http.Request, would http.Handler) {
	answer := discard{header: http.Header{}}
	would.ServeHTTP(&answer, r)
	p := NewProblem(http.StatusNotFound, "", "there is nothing at this path; /openapi.json lists what there is")
	if answer.status == http.StatusMethodNotAllowed {
		p = NewProblem(http.StatusMethodNotAllowed, "", "this path does not take this method").with("Allow", answer.header.Get("Allow"))
	}
	writeProblem(w, r, p)
}

// discard is an answer of which only status and header are wanted.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
