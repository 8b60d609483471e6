package policy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/filter/cors"
	"gatehouse/filter/csrf"
	"gatehouse/filter/match"
	filterpolicy "gatehouse/filter/policy"
)

// Query is a request to explain. URL is absolute, or a path for any host in
// clear text.
type Query struct {
	Method string
	URL    string
	Header http.Header // Origin and Access-Control-Request-* matter
	// exactMethod takes the method as it is written.
	exactMethod bool
}

// Explanation is what would become of a request, and because of which lines.
type Explanation struct {
	Version string `json:"version"`
	Method  string `json:"method"`
	Host    string `json:"host,omitempty"`
	Path    string `json:"path"` // as Envoy routes it: normalised
	TLS     bool   `json:"tls"`
	// Route is empty where no route matches; Outcome then says what happens.
	Route    string          `json:"route,omitempty"`
	Line     int             `json:"line,omitempty"`
	Upstream string          `json:"upstream,omitempty"`
	Policy   string          `json:"policy"`
	Outcome  string          `json:"outcome,omitempty"`
	Session  *SessionFinding `json:"session,omitempty"`
	Consent  *ConsentFinding `json:"consent,omitempty"`
	Limits   []LimitFinding  `json:"limits,omitempty"`
	Headers  []HeaderFinding `json:"headers,omitempty"`
	Removed  []HeaderFinding `json:"removed_headers,omitempty"`
	Cookies  *HeaderFinding  `json:"cookies,omitempty"`
	CORS     *CORSFinding    `json:"cors,omitempty"`
	CSRF     *CSRFFinding    `json:"csrf,omitempty"`
	Uploads  *UploadsFinding `json:"uploads,omitempty"`
	Scan     *ScanFinding    `json:"scan,omitempty"`
}

// SessionFinding says whether a session is needed.
type SessionFinding struct {
	authzpolicy.Session
	From *Place `json:"from,omitempty"`
}

// ConsentFinding says what the user must have consented to.
type ConsentFinding struct {
	authzpolicy.Consent
	From *Place `json:"from,omitempty"`
}

// LimitFinding is a limit that counts this request.
type LimitFinding struct {
	authzpolicy.Limit
	Note    string       `json:"note,omitempty"`
	Counted CountedAhead `json:"counted"`
	From    *Place       `json:"from,omitempty"`
}

// CountedAhead says whether replicas count a hot counter's requests ahead of Redis.
type CountedAhead struct {
	// How is adaptive (as many as a replica needs, a sixteenth of what is left at most),
	// ahead (Hits of them, a quarter of what is left at most) or each (in Redis).
	How  string `json:"how"`
	Hits int64  `json:"hits,omitempty"`
	// Why is the reason of a default that is not adaptive.
	Why string `json:"why,omitempty"`
	// From is where lease stands; nil: it is the default.
	From *Place `json:"from,omitempty"`
}

// CORSFinding is the answer to the request's origin.
type CORSFinding struct {
	Mode    filterpolicy.Mode `json:"mode"`
	Answer  string            `json:"answer"`
	Headers []HeaderFinding   `json:"headers,omitempty"`
	From    *Place            `json:"from,omitempty"`
}

// CSRFFinding says what becomes of a request that another site's page sends.
type CSRFFinding struct {
	Mode         filterpolicy.Mode `json:"mode"`
	TrustOrigins []string          `json:"trust_origins,omitempty"`
	Answer       string            `json:"answer"`
	From         *Place            `json:"from,omitempty"`
}

// UploadsFinding says which files may be in the request.
type UploadsFinding struct {
	filterpolicy.Uploads
	From *Place `json:"from,omitempty"`
}

// Explain follows a request through the policy, as the filter and authz do.
func (c *Compiled) Explain(q Query) (*Explanation, error) {
	set, err := filterpolicy.Compile(c.Filter)
	if err != nil {
		return nil, fmt.Errorf("compile the filter's policy: %w", err)
	}
	e, err := newExplanation(c, q)
	if err != nil {
		return nil, err
	}
	if refusal := refusedPath(q.URL); refusal != "" {
		e.Outcome = refusal
		return e, nil
	}
	c.findRoute(e, q.Header)
	if tls := c.Envoy.TLS; tls != nil && tls.RedirectHTTP && !e.TLS && e.Host != "" {
		e.Route, e.Line, e.Upstream, e.Policy = "", 0, "", DefaultPolicy
		e.Outcome = fmt.Sprintf("redirected with 308 to https, port %d (envoy.tls.redirect_http)", tls.RedirectPort)
	}
	compiled, ok := set.Lookup(e.Policy)
	if !ok {
		return nil, fmt.Errorf("policy %q does not exist", e.Policy)
	}
	c.explainHeaders(e, compiled)
	c.explainCORS(e, compiled, q)
	c.explainCSRF(e, compiled, q)
	if e.Route != "" {
		c.explainAuthz(e)
		if u := c.Filter.Policies[e.Policy].Uploads; u != nil {
			e.Uploads = &UploadsFinding{Uploads: *u, From: c.from(e.Policy, "uploads")}
			e.Scan = c.explainScan(e.Policy, u)
		}
	}
	return e, nil
}

func newExplanation(c *Compiled, q Query) (*Explanation, error) {
	u, err := url.Parse(q.URL)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme == "" && strings.HasPrefix(q.URL, "/") && u.Host == "":
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
	default:
		return nil, errors.New("neither an http or https URL nor a path")
	}
	method := q.Method
	if !q.exactMethod {
		method = strings.ToUpper(method)
	}
	return &Explanation{
		Version: c.Version, Method: method, Host: u.Host, Path: normalPath(u.EscapedPath()), TLS: u.Scheme == "https",
	}, nil
}

// normalPath is what Envoy's normalize_path and merge_slashes leave.
func normalPath(p string) string {
	if p == "" {
		return "/"
	}
	clean := path.Clean(p)
	last := p[strings.LastIndexByte(p, '/')+1:]
	if (last == "" || last == "." || last == "..") && clean != "/" {
		clean += "/"
	}
	return clean
}

func refusedPath(raw string) string {
	raw, _, _ = strings.Cut(raw, "?")
	lower := strings.ToLower(raw)
	if strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") {
		return "refused with 400: the path has an escaped slash"
	}
	return ""
}

func (c *Compiled) findRoute(e *Explanation, header http.Header) {
	for _, r := range append([]Route{{Name: AuthPolicy, PathPrefix: AuthPrefix, Upstream: "authz", Policy: c.AuthPolicy}}, c.Routes...) {
		rule := match.Rule{Hosts: r.Hosts, Path: r.Path, PathPrefix: r.PathPrefix, Methods: r.Methods}
		if rule.Matches(c.routedMethod(e.Method, r, header), e.Host, e.Path) {
			e.Route, e.Line, e.Upstream, e.Policy = r.Name, r.Line, r.Upstream, r.Policy
			return
		}
	}
	e.Policy, e.Outcome = DefaultPolicy, "no route matches: 404"
}

// routedMethod is the method by which a route is chosen: a preflight goes where
// the request that it asks for will go, if the policy there speaks CORS.
func (c *Compiled) routedMethod(method string, r Route, header http.Header) string {
	asked := header.Get("Access-Control-Request-Method")
	config := c.Filter.Policies[r.Policy].CORS
	if method != http.MethodOptions || asked == "" || config == nil || config.Mode == filterpolicy.Off {
		return method
	}
	return asked
}

func (c *Compiled) from(policy, path string) *Place {
	p, ok := c.Origin(policy, path)
	if !ok {
		return nil
	}
	return &p
}

func (c *Compiled) explainCORS(e *Explanation, p *filterpolicy.Compiled, q Query) {
	if p.CORS == nil {
		return
	}
	request := cors.Request{
		Method: e.Method, Origins: q.Header.Values("Origin"),
		RequestMethod:  q.Header.Values("Access-Control-Request-Method"),
		RequestHeaders: q.Header.Values("Access-Control-Request-Headers"),
		PrivateNetwork: q.Header.Values("Access-Control-Request-Private-Network"),
	}
	e.CORS = &CORSFinding{Mode: filterpolicy.Enforce, From: c.from(e.Policy, "cors.allow_origins")}
	if p.CORSReport {
		e.CORS.Mode = filterpolicy.Report
	}
	e.CORS.answer(p, &request)
}

func (f *CORSFinding) answer(policy *filterpolicy.Compiled, r *cors.Request) {
	p := policy.CORS
	if r.IsPreflight() {
		out := p.Preflight(r)
		f.Answer = "preflight allowed, answered by the filter"
		if out.Refusal != "" {
			f.Answer = "preflight refused: " + out.Refusal
		}
		f.add(out.Headers)
		return
	}
	_, ok := p.Allowed(r.Origins)
	switch {
	case len(r.Origins) == 0:
		f.Answer = "no Origin in the request (try --origin)"
	case !ok && !p.Public():
		f.Answer = "origin not allowed: the page may not read the response"
	default:
		f.Answer = "origin allowed"
	}
	f.add(p.Actual(nil, r.Origins))
	if policy.Vary != "" {
		f.add([]cors.Header{{Name: "vary", Value: policy.Vary}})
	}
}

func (f *CORSFinding) add(headers []cors.Header) {
	for _, h := range headers {
		f.Headers = append(f.Headers, HeaderFinding{Name: h.Name, Value: h.Value})
	}
}

func (c *Compiled) explainCSRF(e *Explanation, p *filterpolicy.Compiled, q Query) {
	if p.CSRF == nil {
		return
	}
	e.CSRF = &CSRFFinding{
		Mode: filterpolicy.Enforce, TrustOrigins: c.Filter.Policies[e.Policy].CSRF.TrustOrigins,
		Answer: "not refused", From: c.from(e.Policy, "csrf"),
	}
	if p.CSRFReport {
		e.CSRF.Mode = filterpolicy.Report
	}
	r := csrf.Request{
		Method: e.Method, Authority: e.Host, TLS: e.TLS, Origins: q.Header.Values("Origin"), Site: q.Header.Values("Sec-Fetch-Site"),
		Mode: q.Header.Values("Sec-Fetch-Mode"), Dest: q.Header.Values("Sec-Fetch-Dest"),
		Upgrade: q.Header.Get("Upgrade") != "",
	}
	if p.CORS != nil && !p.CORS.Public() {
		_, r.Shared = p.CORS.Allowed(r.Origins)
	}
	if refusal := p.CSRF.Judge(&r); refusal.Rule != "" {
		e.CSRF.Answer = "refused with 403: " + refusal.Reason
	}
}

func (c *Compiled) explainAuthz(e *Explanation) {
	p := c.Authz.Policies[e.Policy]
	e.Session = &SessionFinding{Session: p.Session, From: c.from(e.Policy, "session.require")}
	if p.Consent.Purpose != "" {
		e.Consent = &ConsentFinding{Consent: p.Consent, From: c.from(e.Policy, "consent.purpose")}
	}
	for i, l := range p.Limits {
		path := fmt.Sprintf("limits[%d]", i)
		f := LimitFinding{Limit: l, From: c.from(e.Policy, path), Counted: c.countedAhead(e.Policy, path, l)}
		if strings.Contains(strings.Join(l.By, " "), "user") {
			f.Note = "counts requests with a session only"
			if p.Session.Require == authzpolicy.SessionNone || p.Session.Mode == authzpolicy.Off {
				f.Note = "never counts: this policy has no session"
			}
		}
		e.Limits = append(e.Limits, f)
	}
}

func (c *Compiled) countedAhead(policy, path string, l authzpolicy.Limit) CountedAhead {
	ahead := l.Ahead()
	out := CountedAhead{How: "each", Why: ahead.Why}
	switch {
	case ahead.Hits > 0:
		out.How, out.Hits = "ahead", ahead.Hits
	case ahead.Hits < 0:
		out.How = "adaptive"
	}
	if !ahead.Default {
		out.From = c.from(policy, path+".lease")
	}
	return out
}
