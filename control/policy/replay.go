package policy

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"gatehouse/filter/cors"
)

// Fetch is what a page's script asks of its browser.
type Fetch struct {
	// Origin is the page's, URL the request's: absolute.
	Origin, Method, URL string
	// Header holds names, or "NAME: VALUE" where the value matters: Content-Type.
	Header []string
	// Credentials says that cookies go along (credentials: "include").
	Credentials bool
}

// Step is one decision of the browser.
type Step struct {
	// Section of the Fetch standard that it is in.
	Section string `json:"section"`
	// What was looked at, and what came of it.
	What   string `json:"what"`
	Result string `json:"result"`
	// OK is false for the step that ended the fetch.
	OK bool `json:"ok"`
}

// Replay is a fetch as the browser carries it out against a policy, step by step.
type Replay struct {
	Version string `json:"version"`
	Origin  string `json:"origin"`
	Method  string `json:"method"`
	URL     string `json:"url"`
	// Route and Policy are those that the request meets.
	Route  string `json:"route,omitempty"`
	Policy string `json:"policy"`
	Steps  []Step `json:"steps"`
	// Readable says that the script gets the response; Outcome says it in words.
	Readable bool   `json:"readable"`
	Outcome  string `json:"outcome"`
}

// replayer carries out one fetch.
type replayer struct {
	c *Compiled
	f Fetch
	r *Replay
	// unsafe are the names of the headers that need permission, in lower case,
	// sorted and once each.
	unsafe []string
}

// Replay carries the fetch out. The error is about the fetch itself: a URL or an
// origin that is none.
func (c *Compiled) Replay(f Fetch) (*Replay, error) {
	if _, mistakes := cors.ParseOrigins([]string{f.Origin}); len(mistakes) > 0 && f.Origin != "null" || strings.Contains(f.Origin, "*") {
		reason := "* is no page's origin"
		if len(mistakes) > 0 {
			reason = mistakes[0].Reason
		}
		return nil, errors.New("the page's origin: " + reason)
	}
	x := &replayer{c: c, f: f, r: &Replay{Version: c.Version, Origin: f.Origin, Method: f.Method, URL: f.URL}}
	if !strings.Contains(f.URL, "://") {
		return nil, errors.New("a browser fetches absolute URLs: https://api.example.com/path")
	}
	if err := x.run(); err != nil {
		return nil, err
	}
	return x.r, nil
}

func (x *replayer) run() error {
	actual, err := x.explain(x.f.Method, http.Header{"Origin": {x.f.Origin}})
	if err != nil {
		return err
	}
	x.r.Route, x.r.Policy = actual.Route, actual.Policy
	if meantOrigin(x.f.URL) == x.f.Origin {
		x.step("4.1", "the URL's origin is the page's", "no CORS: same origin", true)
		x.done(true, "the page reads the response: it is its own origin's")
		return nil
	}
	x.step("4.1", "the URL's origin is another than the page's", "CORS decides", true)
	if !x.method() {
		return nil
	}
	x.headers()
	if actual, err = x.explain(x.r.Method, http.Header{"Origin": {x.f.Origin}}); err != nil {
		return err
	}
	x.r.Route, x.r.Policy = actual.Route, actual.Policy
	if x.needsPreflight() {
		passed, err := x.preflight()
		if err != nil || !passed {
			return err
		}
	}
	x.actual(actual)
	return nil
}

func (x *replayer) explain(method string, header http.Header) (*Explanation, error) {
	return x.c.Explain(Query{Method: method, URL: x.f.URL, Header: header, exactMethod: true})
}

// step notes a decision; it returns ok.
func (x *replayer) step(section, what, result string, ok bool) bool {
	x.r.Steps = append(x.r.Steps, Step{Section: section, What: what, Result: result, OK: ok})
	return ok
}

func (x *replayer) done(readable bool, outcome string) {
	x.r.Readable, x.r.Outcome = readable, outcome
}

// refused ends the fetch: the script sees a network error and no reason.
func (x *replayer) refused(section, what, result string) bool {
	x.step(section, what, result, false)
	x.done(false, "the script sees a network error: "+result)
	return false
}

// method normalises as browsers do.
func (x *replayer) method() bool {
	m := cmp.Or(x.f.Method, http.MethodGet)
	upper := strings.ToUpper(m)
	switch {
	case upper == "CONNECT" || upper == "TRACE" || upper == "TRACK":
		return x.refused("2.2.1", "the method "+m, "it is forbidden to scripts")
	case upper != m && slices.Contains([]string{"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"}, upper):
		x.step("2.2.1", "the method "+m+" is normalised", upper, true)
		m = upper
	case upper != m:
		x.step("2.2.1", "the method "+m+" is taken as it is", "methods are case-sensitive", true)
	}
	x.r.Method = m
	return true
}

// headers sorts out which of them need permission.
func (x *replayer) headers() {
	for _, line := range x.f.Header {
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case cors.ForbiddenHeader(name) || overridesForbidden(name, value):
			x.step("2.2.2", "the header "+name, "dropped: it is forbidden to scripts", true)
		case safelisted(name, value):
			x.step("2.2.2", "the header "+name, "safelisted: needs no permission", true)
		default:
			x.step("2.2.2", "the header "+name, "needs permission"+contentTypeHint(name, value), true)
			if !slices.Contains(x.unsafe, name) {
				x.unsafe = append(x.unsafe, name)
			}
		}
	}
	slices.Sort(x.unsafe)
}

// overridesForbidden: Fetch section 2.2.2, "forbidden request-header", step 3.
func overridesForbidden(name, value string) bool {
	if !slices.Contains([]string{"x-http-method", "x-http-method-override", "x-method-override"}, name) {
		return false
	}
	for method := range strings.SplitSeq(strings.ToUpper(value), ",") {
		if slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, strings.TrimSpace(method)) {
			return true
		}
	}
	return false
}

func contentTypeHint(name, value string) string {
	if name == "content-type" {
		return ": its value " + cmp.Or(value, "(none given)") + " is none that a form can send"
	}
	return ""
}

// safelisted: Fetch section 2.2.2, "CORS-safelisted request-header".
func safelisted(name, value string) bool {
	if len(value) > 128 {
		return false
	}
	switch name {
	case "accept":
		return !strings.ContainsAny(value, "\"():<>?@[\\]{}\x7f")
	case "accept-language", "content-language":
		return !strings.ContainsFunc(value, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(" *,-.;=", r)
		})
	case "content-type":
		essence, _, _ := strings.Cut(strings.ToLower(value), ";")
		return !strings.ContainsAny(value, "\"():<>?@[\\]{}\x7f") && slices.Contains(
			[]string{"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}, strings.TrimSpace(essence))
	case "range":
		from, to, ok := strings.Cut(strings.TrimPrefix(value, "bytes="), "-")
		return ok && strings.HasPrefix(value, "bytes=") && digits(from) && from != "" && digits(to)
	}
	return false
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
