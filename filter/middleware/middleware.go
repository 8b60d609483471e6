// Package middleware runs the filter's pipeline in a net/http server, for
// applications without a proxy and for tests of the very code that Envoy loads.
//
// It promises the same verdicts as the Wasm module. It is not imported by the
// module: net/http would more than double its size. What Envoy does before the
// filter (path normalisation, trusted x-forwarded-* headers) is the server's own
// affair here.
package middleware

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/filter/abi"
	"gatehouse/filter/headers"
	"gatehouse/filter/pipeline"
	"gatehouse/filter/policy"
)

// Options adapt the middleware to a server. The zero value leaves the choice of
// a policy to the configuration's rules and default.
type Options struct {
	// Policy names the policy of a request, as route metadata does in Envoy.
	Policy func(*http.Request) string
	// Verdict hears of each finished request.
	Verdict func(*http.Request, *pipeline.Exchange)
}

// ErrRefused is what the handler gets from reading a body that was refused. The
// client gets the problem document if no response has begun.
var ErrRefused = errors.New("the request's body was refused")

// New returns the middleware for a compiled configuration.
func New(set *policy.Set, o Options) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			serve(set, o, next, w, r)
		})
	}
}

func serve(set *policy.Set, o Options, next http.Handler, w http.ResponseWriter, r *http.Request) {
	head := pipeline.Request{Headers: lines(r), EndOfStream: r.Body == nil || r.Body == http.NoBody, Random: random{}}
	if o.Policy != nil {
		head.RoutePolicy = o.Policy(r)
	}
	x := pipeline.Begin(set, head)
	out := &response{ResponseWriter: w, exchange: x}
	if x.Reply() != nil {
		out.reply()
	} else {
		r = r.Clone(r.Context())
		for _, name := range x.Drop() {
			deleteFold(r.Header, name)
		}
		if nonce := x.Nonce(); nonce != "" {
			r.Header.Set(headers.NonceHeader, nonce)
		}
		if x.Inspecting() {
			r.Body = &body{ReadCloser: r.Body, exchange: x}
		}
		next.ServeHTTP(out, r)
		out.finish()
	}
	if o.Verdict != nil {
		o.Verdict(r, x)
	}
}

// random is the operating system's.
type random struct{}

func (random) Fill(b []byte) error {
	_, err := rand.Read(b)
	return err
}

// deleteFold also takes names that are not in canonical form.
func deleteFold(h http.Header, name string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			delete(h, key)
		}
	}
}

func lines(r *http.Request) [][2]string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	out := make([][2]string, 0, len(r.Header)+5)
	out = append(out, [2]string{":method", r.Method}, [2]string{":authority", r.Host},
		[2]string{":path", r.URL.RequestURI()}, [2]string{":scheme", scheme})
	if r.ContentLength >= 0 {
		out = append(out, [2]string{"content-length", strconv.FormatInt(r.ContentLength, 10)})
	}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if lower == "content-length" {
			continue
		}
		for _, value := range values {
			out = append(out, [2]string{lower, value})
		}
	}
	return out
}

// body gives the handler only what has been judged.
type body struct {
	io.ReadCloser
	exchange *pipeline.Exchange
	held     []byte // read, not yet given to the handler
	holding  bool
	err      error // what comes after held
}

const readSize = 16 << 10

func (b *body) Read(p []byte) (int, error) {
	for b.err == nil && (b.holding || len(b.held) == 0) {
		b.fill()
	}
	if errors.Is(b.err, ErrRefused) {
		return 0, b.err
	}
	if len(b.held) == 0 {
		return 0, b.err
	}
	n := copy(p, b.held)
	b.held = b.held[n:]
	return n, nil
}

func (b *body) fill() {
	start := len(b.held)
	b.held = append(b.held, make([]byte, readSize)...)
	n, err := b.ReadCloser.Read(b.held[start:])
	b.held = b.held[:start+n]
	if n > 0 {
		b.holding = b.exchange.Body(b.held[start:])
		for _, e := range b.exchange.Edits() {
			if e.FromEnd > len(b.held) {
				b.exchange.Fail("a file name to be rewritten has left already")
				break
			}
			copy(b.held[len(b.held)-e.FromEnd:], e.Bytes)
		}
	}
	if err != nil {
		b.err = err
		if errors.Is(err, io.EOF) {
			b.exchange.End()
		}
	}
	if b.exchange.Reply() != nil {
		b.held, b.err = nil, ErrRefused
	}
}

// response applies the policy when the handler's response begins, or replaces
// it if the body was refused before.
type response struct {
	http.ResponseWriter
	exchange *pipeline.Exchange
	begun    bool
	replaced bool
}

func (w *response) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.begun {
		return
	}
	if w.exchange.Reply() != nil {
		w.reply()
		return
	}
	w.begun = true
	canonical(w.Header())
	w.exchange.Respond(view{w.Header(), status})
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.replaced {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// FlushError begins the response first, or the server would, without the policy:
// http.ResponseController would find the server's own.
func (w *response) FlushError() error {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.replaced {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that know of http.Flusher only.
func (w *response) Flush() { _ = w.FlushError() }

// Unwrap lets http.ResponseController reach the server's writer. A handler that
// hijacks the connection writes the response itself, without the policy.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) finish() {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
}

func (w *response) reply() {
	w.begun, w.replaced = true, true
	reply := w.exchange.Reply()
	clear(w.Header())
	for _, h := range reply.Headers {
		w.Header().Set(h[0], h[1])
	}
	w.exchange.Respond(view{w.Header(), reply.Status})
	w.ResponseWriter.WriteHeader(reply.Status)
	// A client that is gone cannot be told.
	_, _ = w.ResponseWriter.Write(reply.Body)
}

// canonical gives each header the name that Set and Del look for: letter case makes
// no difference to clients (RFC 9110 section 5.1), and handlers can write to the map.
func canonical(h http.Header) {
	for name, values := range h {
		if key := http.CanonicalHeaderKey(name); key != name {
			delete(h, name)
			h[key] = append(h[key], values...)
		}
	}
}

// view is the pipeline's view of an http.Header.
type view struct {
	http.Header
	status int
}

func (v view) Status() int        { return v.status }
func (v view) Remove(name string) { v.Del(name) }

func (v view) Value(name string) (string, bool) {
	lines := v.Values(name)
	if len(lines) == 0 {
		return "", false
	}
	return lines[0], true
}

func (v view) SetLines(name string, values []string) {
	v.Header[http.CanonicalHeaderKey(name)] = values
}

func (v view) RemoveAll(names *abi.Names, but ...string) {
	for _, name := range names.List() {
		if !slices.Contains(but, name) {
			v.Remove(name)
		}
	}
}
