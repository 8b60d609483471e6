package verdicts

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Case is one exchange and what must come of it.
type Case struct {
	Name string
	// Cite is the section of the standard that says so.
	Cite string
	// Policy is the route's metadata; empty leaves the choice to the rules and
	// the default of testdata/policy.json.
	Policy string
	Method string // GET if empty
	Path   string // "/" if empty
	Host   string // "app.example" if empty
	Header [][2]string
	Body   string
	// Upstream holds the headers of the application's answer, and Answers its
	// status (200 if 0). With Interim it sends 103 before.
	Upstream [][2]string
	Answers  int
	Interim  bool
	// Gateway is who answers instead of the application: nobody, or the proxy
	// itself. Where there is no proxy, its answer is played.
	Gateway string
	// TLS: the request came over TLS, as a trusted proxy says.
	TLS bool

	// Status is the client's; 200 means that the application answered.
	Status int
	// Want holds response headers and their values, "" for absent ones.
	Want map[string]string
	// Rule and Decision are the verdict's; an empty Decision is allow.
	Rule, Decision string
	// Gone lists request headers that the application must not see.
	Gone []string
	// Nonced: the application got a nonce; in Want it is written N.
	Nonced bool
	// Cites is the section of the standard that the case is about.
	Cites string
}

// Answer is what a runner saw.
type Answer struct {
	Status  int
	Header  http.Header
	Body    []byte
	Verdict Verdict
	// Seen is the request as the application saw it, nil if it never did.
	Seen http.Header
}

// Verdict is the part of the filter state that the table compares.
type Verdict struct {
	Decision, Policy, Version, Feature, Rule, Reason string
	Status                                           int
}

func (c Case) complete() Case {
	fill := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	fill(&c.Method, http.MethodGet)
	fill(&c.Path, "/")
	fill(&c.Host, "app.example")
	fill(&c.Decision, "allow")
	if c.Answers == 0 {
		c.Answers = http.StatusOK
	}
	if c.Status == 0 {
		c.Status = c.Answers
	}
	return c
}

func policyJSON(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// check compares an answer with the case.
func (c Case) check(t *testing.T, got Answer) {
	t.Helper()
	if got.Status != c.Status {
		t.Errorf("status %d, want %d; verdict %+v; %v; %.200q", got.Status, c.Status, got.Verdict, got.Header, got.Body)
	}
	for name, want := range c.Want {
		if have := c.withoutNonce(t, got, strings.Join(got.Header.Values(name), " | ")); have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
	if got.Verdict.Decision != c.Decision || got.Verdict.Rule != c.Rule {
		t.Errorf("verdict %+v, want %s by %q", got.Verdict, c.Decision, c.Rule)
	}
	if c.Decision == "deny" {
		c.checkRefusal(t, got)
	}
	for _, name := range c.Gone {
		for seen := range got.Seen {
			if strings.EqualFold(strings.ReplaceAll(seen, "_", "-"), name) {
				t.Errorf("the application saw %s: %q", seen, got.Seen[seen])
			}
		}
	}
}

// nonceSource is 128 bits in base64 (CSP Level 3 section 7.1).
var nonceSource = regexp.MustCompile(`'nonce-([A-Za-z0-9+/]{22}==)'`)

// withoutNonce writes N for the request's nonce, which must be the one that the
// application got.
func (c Case) withoutNonce(t *testing.T, got Answer, value string) string {
	t.Helper()
	nonces := got.Seen.Values("X-Csp-Nonce")
	if got.Seen != nil && len(nonces) != map[bool]int{true: 1}[c.Nonced] {
		t.Errorf("the application saw the nonces %q", nonces)
	}
	return nonceSource.ReplaceAllStringFunc(value, func(source string) string {
		if got.Seen != nil && (len(nonces) != 1 || source != "'nonce-"+nonces[0]+"'") {
			t.Errorf("the header has %s, the application has %q", source, nonces)
		}
		return "'nonce-N'"
	})
}

func (c Case) checkRefusal(t *testing.T, got Answer) {
	t.Helper()
	if got.Seen != nil {
		t.Error("the application got the whole of a refused request")
	}
	if c.Cite == citeDebug {
		return // the one refusal that tells its reason
	}
	if got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a refusal of type %q", got.Header.Get("Content-Type"))
	}
	var problem struct {
		Type   string
		Status int
	}
	if err := json.Unmarshal(got.Body, &problem); err != nil || problem.Status != c.Status || !strings.HasPrefix(problem.Type, "urn:gatehouse:problem:") {
		t.Errorf("no problem document: %s (%v)", got.Body, err)
	}
	if got.Verdict.Reason == "" || strings.Contains(string(got.Body), got.Verdict.Reason) {
		t.Errorf("the reason %q belongs into the verdict and nowhere else: %s", got.Verdict.Reason, got.Body)
	}
}
