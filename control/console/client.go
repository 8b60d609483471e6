package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// problem is why the API did not give what was asked for (RFC 9457).
type problem struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func (p *problem) Error() string { return fmt.Sprintf("the API answers %d: %s", p.Status, p.Title) }

// absent says that this control does not serve what was asked for.
func (p *problem) absent() bool { return p.Status == http.StatusNotFound }

// client asks the API, in this process, for the person behind a request.
type client struct{ api http.Handler }

// get reads what is at path into into. The error is a *problem.
func (c client) get(r *http.Request, path string, query url.Values, into any) error {
	// #nosec G704 -- it goes to a handler of this process, over no network
	in, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://control"+path, nil)
	if err != nil {
		return &problem{Title: "this address cannot be asked for", Status: http.StatusBadRequest}
	}
	in.URL.RawQuery = query.Encode()
	c.identify(r, in)
	// A page is read by whoever opened it and nobody else, wherever the link
	// was that led here.
	in.Header.Set("Sec-Fetch-Site", "same-origin")
	return c.do(in, into)
}

func (c client) do(in *http.Request, into any) error {
	w := &answer{header: http.Header{}, status: http.StatusOK}
	c.api.ServeHTTP(w, in)
	if err := w.problem(); err != nil {
		return err
	}
	if err := json.Unmarshal(w.body.Bytes(), into); err != nil {
		return &problem{Status: http.StatusBadGateway, Title: "the API's answer is not understood", RequestID: w.header.Get("X-Request-Id")}
	}
	return nil
}

// identify hands on who asks, from where and under which name of the request.
func (client) identify(from, to *http.Request) {
	to.RemoteAddr, to.Host = from.RemoteAddr, from.Host
	for _, name := range []string{"Cookie", "User-Agent", "X-Request-Id"} {
		to.Header[name] = from.Header[name]
	}
}

// post hands a change on with what the browser says about its origin: the API
// judges that, too.
func (c client) post(r *http.Request, path string, body []byte) *answer {
	w := &answer{header: http.Header{}, status: http.StatusOK}
	// #nosec G704 -- it goes to a handler of this process, over no network
	in, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://control"+path, bytes.NewReader(body))
	if err != nil {
		w.status = http.StatusBadRequest
		return w
	}
	c.identify(r, in)
	for _, name := range []string{"Sec-Fetch-Site", "Origin"} {
		if values := r.Header.Values(name); len(values) > 0 {
			in.Header[name] = values
		}
	}
	if len(body) > 0 {
		in.Header.Set("Content-Type", "application/json")
	} else {
		in.Body = http.NoBody
	}
	c.api.ServeHTTP(w, in)
	return w
}

// answer is an answer of the API, kept.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	begun  bool
}

var _ io.Writer = (*answer)(nil)

// problem is why the API refused, a *problem; nil if it did not.
func (a *answer) problem() error {
	if a.status < http.StatusBadRequest {
		return nil
	}
	p := &problem{Status: a.status, Title: http.StatusText(a.status)}
	if json.Unmarshal(a.body.Bytes(), p) != nil {
		p = &problem{Status: a.status, Title: http.StatusText(a.status)}
	}
	return p
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if !a.begun {
		a.begun, a.status = true, status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.body.Write(p)
}
