// Package policy turns the plugin's JSON into an immutable set of policies and
// chooses one for a request.
//
// It promises to report every mistake of a configuration at once, each with its
// place, and never to choose nothing silently: a request for which no policy is
// named, or one that does not exist, is an error that the caller must refuse. It
// does not decide about requests; filter/pipeline does, with what it holds.
package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/filter/abi"
	"gatehouse/filter/cors"
	"gatehouse/filter/csrf"
	"gatehouse/filter/headers"
	"gatehouse/filter/match"
	"gatehouse/filter/upload"
	"gatehouse/filter/verdict"
)

// Set is a compiled Config; immutable and safe for concurrent use.
type Set struct {
	version   string
	hold      bool
	gather    int
	rules     []rule
	policies  map[string]*Compiled
	byDefault *Compiled // what default_policy names; nil if it names none
	// metadata and decisions: see Config.
	metadata, decisions bool
	scanService         string
}

// ScanService is the cluster of the scan service, empty if no policy scans.
func (s *Set) ScanService() string { return s.scanService }

// None is a set without policies, for what fails before there is one.
func None() *Set { return &Set{} }

// ReadsMetadata tells whether route and virtual-host metadata can name a policy.
func (s *Set) ReadsMetadata() bool { return s.metadata }

// Publishes tells whether the verdict is to be published, once the status of the
// response is known (0: not yet). A plain pass that ends in a server error is
// always told: a check behind the filter may have failed before it could say
// which policy it was for.
func (s *Set) Publishes(v *verdict.Verdict, status int) bool {
	return !s.decisions || v.Decision != verdict.Allow || v.Rule != "" || len(v.Files) > 0 || status >= 500
}

type rule struct {
	match  match.Rule
	policy string
}

// Compiled is one policy. A feature that is nil is off; Report says that it is
// evaluated and recorded only.
type Compiled struct {
	Name          string
	Headers       *headers.Policy
	HeadersReport bool
	CORS          *cors.Policy
	CORSReport    bool
	CSRF          *csrf.Policy
	CSRFReport    bool
	Uploads       *upload.Policy
	UploadsReport bool
	// Vary is what every response must vary on, but those to preflights; empty if
	// the policy answers the same to all.
	Vary string

	plans [2]*abi.Plan // without and with TLS
}

// Fallback is the default policy, for what never got one of its own; nil if there
// is none.
func (s *Set) Fallback() *Compiled { return s.byDefault }

// Version identifies the configuration.
func (s *Set) Version() string { return s.version }

// HoldRequestHeaders tells whether the host lets the filter keep request
// headers back.
func (s *Set) HoldRequestHeaders() bool { return s.hold }

// GatherBody is how many bytes of a body the host should keep for the filter to read
// them at once.
func (s *Set) GatherBody() int { return s.gather }

// Lookup returns the policy of that name.
func (s *Set) Lookup(name string) (*Compiled, bool) {
	p, ok := s.policies[name]
	return p, ok
}

// Names lists the policies in order.
func (s *Set) Names() []string {
	names := make([]string, 0, len(s.policies))
	for name := range s.policies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Selector is what the choice of a policy depends on.
type Selector struct {
	// Route and VirtualHost are the names in the metadata
	// filter_metadata.gatehouse.policy, empty where there is none.
	Route, VirtualHost string
	Method             string
	Authority          string // :authority as received
	Path               string // :path as received
}

// ErrNoPolicy: nothing names a policy for the request.
var ErrNoPolicy = errors.New("no metadata, rule or default_policy names a policy for this request")

// Select chooses: route metadata, virtual-host metadata, the first matching
// rule, default_policy. The first that is set wins, also if what it names does
// not exist, which is an error.
func (s *Set) Select(q *Selector) (*Compiled, error) {
	name := s.name(q)
	if name == "" {
		if s.byDefault == nil {
			return nil, ErrNoPolicy
		}
		return s.byDefault, nil
	}
	p, ok := s.policies[name]
	if !ok {
		return nil, fmt.Errorf("policy %q does not exist in configuration %q", name, s.version)
	}
	return p, nil
}

// name is empty where nothing but default_policy is left.
func (s *Set) name(q *Selector) string {
	if q.Route != "" {
		return q.Route
	}
	if q.VirtualHost != "" {
		return q.VirtualHost
	}
	for i := range s.rules {
		if s.rules[i].match.Matches(q.Method, q.Authority, q.Path) {
			return s.rules[i].policy
		}
	}
	return ""
}

// Compile validates c and reports all of its mistakes together.
func Compile(c Config) (*Set, error) {
	k := &compiler{}
	s := &Set{
		version: c.Version, hold: c.HoldRequestHeaders, gather: int(c.GatherBody),
		policies: make(map[string]*Compiled, len(c.Policies)), metadata: !c.IgnoreMetadata,
	}
	k.scans = c.ScanService != ""
	if c.GatherBody < 0 || c.GatherBody > MaxGatherBody {
		k.fail("gather_body", fmt.Sprintf("must be 0 to %d bytes", MaxGatherBody))
	}
	if c.GatherBody > 0 && !c.HoldRequestHeaders {
		k.fail("gather_body", "does nothing without hold_request_headers: bodies are gathered before anything has gone on")
	}
	switch c.Verdicts {
	case "", VerdictsAll:
	case VerdictsDecisions:
		s.decisions = true
	default:
		k.fail("verdicts", fmt.Sprintf("%q is not all or decisions", c.Verdicts))
	}
	if len(c.Policies) == 0 {
		k.fail("policies", "is empty: a filter without policies refuses every request")
	}
	for _, name := range sortedNames(c.Policies) {
		s.policies[name] = k.policy(name, c.Policies[name])
	}
	s.byDefault = s.policies[c.DefaultPolicy]
	if c.DefaultPolicy != "" && s.byDefault == nil {
		k.fail("default_policy", fmt.Sprintf("policy %q does not exist", c.DefaultPolicy))
	}
	for i, r := range c.Rules {
		s.rules = append(s.rules, k.rule(i, r, c.Policies))
	}
	if len(k.errs) > 0 {
		return nil, errors.Join(k.errs...)
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(s.policies)), func(p *Compiled) bool { return p.scans() }) {
		s.scanService = c.ScanService
	}
	return s, nil
}

// vary puts together what the features that are enforced look at.
func (p *Compiled) vary() string {
	isolates := p.CSRF != nil && !p.CSRFReport
	switch {
	case p.CORS == nil || p.CORSReport || p.CORS.Vary() == "":
		if isolates {
			return csrf.Vary
		}
		return ""
	case isolates:
		return cors.MergeVary([]string{p.CORS.Vary()}, csrf.Vary)
	}
	return p.CORS.Vary()
}

func (p *Compiled) scans() bool { return p.Uploads != nil && p.Uploads.Scan() != nil }

// Mistake is one mistake of a configuration; Where is its path in the JSON.
type Mistake struct{ Where, What string }

func (m *Mistake) Error() string { return m.Where + ": " + m.What }

type compiler struct {
	errs  []error
	scans bool // there is a scan service
}

func (k *compiler) fail(where, what string) {
	k.errs = append(k.errs, &Mistake{where, what})
}

// under reports each of the joined errors with its place.
func (k *compiler) under(where string, err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			k.under(where, e)
		}
		return
	}
	k.fail(where, err.Error())
}

func (k *compiler) rule(i int, r Rule, policies map[string]Policy) rule {
	where := fmt.Sprintf("rules.%d", i)
	m := match.Rule{Hosts: r.Hosts, Path: r.Path, PathPrefix: r.PathPrefix, Methods: r.Methods}
	if what := m.Mistake(); what != "" {
		k.fail(where, what)
	}
	if _, ok := policies[r.Policy]; !ok {
		k.fail(where+".policy", fmt.Sprintf("policy %q does not exist", r.Policy))
	}
	return rule{m, r.Policy}
}

func (k *compiler) policy(name string, p Policy) *Compiled {
	where := "policies." + name
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < 0x21 || r == 0x7f }) {
		k.fail(where, "a policy's name is not empty and has no spaces or control characters")
	}
	out := &Compiled{Name: name}
	if p.Headers != nil && k.mode(where+".headers", p.Headers.Mode, &out.HeadersReport) {
		compiled, err := p.Headers.Compile()
		k.under(where+".headers", err)
		out.Headers = compiled
	}
	if p.CORS != nil && k.mode(where+".cors", p.CORS.Mode, &out.CORSReport) {
		compiled, err := cors.Compile(cors.Config{
			AllowOrigins: p.CORS.AllowOrigins, AllowCredentials: p.CORS.AllowCredentials,
			AllowMethods: p.CORS.AllowMethods, AllowHeaders: p.CORS.AllowHeaders, ExposeHeaders: p.CORS.ExposeHeaders,
			MaxAge: p.CORS.MaxAge, AllowPrivateNetwork: p.CORS.AllowPrivateNetwork, Debug: p.CORS.Debug,
		})
		k.under(where+".cors", err)
		out.CORS = compiled
	}
	if p.CSRF != nil && k.mode(where+".csrf", p.CSRF.Mode, &out.CSRFReport) {
		compiled, err := csrf.Compile(csrf.Config{TrustOrigins: p.CSRF.TrustOrigins})
		k.under(where+".csrf", err)
		out.CSRF = compiled
	}
	out.Vary = out.vary()
	if p.Uploads != nil && k.mode(where+".uploads", p.Uploads.Mode, &out.UploadsReport) {
		compiled, err := upload.Compile(p.Uploads.Config())
		k.under(where+".uploads", err)
		if p.Uploads.Scan != nil {
			for _, m := range p.Uploads.Scan.mistakes() {
				k.fail(where+".uploads."+m.Where, m.What)
			}
		}
		if out.Uploads = compiled; compiled != nil && compiled.Scan() != nil && !k.scans {
			k.fail(where+".uploads.scan", "files are to be scanned, but scan_service names no cluster")
		}
	}
	out.plan()
	return out
}

// mode tells whether the feature is on, and stores whether it only reports. A
// feature that is off is still a part of the configuration, but not compiled:
// off is how one gets past a mistake in it.
func (k *compiler) mode(where string, m Mode, report *bool) bool {
	switch m {
	case "", Enforce:
		return true
	case Report:
		*report = true
		return true
	case Off:
		return false
	}
	k.fail(where+".mode", fmt.Sprintf("%q is no mode: enforce, report or off", m))
	return false
}

func sortedNames(m map[string]Policy) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
