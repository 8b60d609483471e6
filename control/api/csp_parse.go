package api

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// Media types of reports.
const (
	mediaCSPReport = "application/csp-report"   // CSP Level 3, section 5.5 (report-uri)
	mediaReports   = "application/reports+json" // Reporting API, section 3.4
)

// maxReports of one body are counted; browsers send a few dozen at most.
const maxReports = 100

// violation is what is kept of one report.
type violation struct{ disposition, directive, blocked, page string }

var errNoReports = errors.New("no reports in this body")

// parseReports reads either form. What is no violation of a policy is left out.
func parseReports(mediaType string, body []byte) ([]violation, error) {
	if mediaType == mediaCSPReport {
		var legacy struct {
			Report *legacyReport `json:"csp-report"`
		}
		if err := json.Unmarshal(body, &legacy); err != nil || legacy.Report == nil {
			return nil, errNoReports
		}
		return []violation{legacy.Report.violation()}, nil
	}
	var all []modernReport
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, errNoReports
	}
	var found []violation
	for _, r := range all[:min(len(all), maxReports)] {
		if v, ok := r.violation(); ok {
			found = append(found, v)
		}
	}
	return found, nil
}

// legacyReport: CSP Level 3, section 5.3.
type legacyReport struct {
	Document    string `json:"document-uri"`
	Blocked     string `json:"blocked-uri"`
	Effective   string `json:"effective-directive"`
	Violated    string `json:"violated-directive"`
	Disposition string `json:"disposition"`
}

func (r *legacyReport) violation() violation {
	return newViolation(r.Disposition, firstOf(r.Effective, r.Violated), r.Blocked, r.Document)
}

// modernReport: Reporting API, section 3.4, and the bodies of CSP Level 3,
// Permissions Policy, COOP and COEP.
type modernReport struct {
	Type string `json:"type"`
	URL  string `json:"url"`
	Body struct {
		Document    string `json:"documentURL"`
		Blocked     string `json:"blockedURL"`
		Effective   string `json:"effectiveDirective"`
		Disposition string `json:"disposition"`
		Feature     string `json:"policyId"` // permissions-policy-violation
	} `json:"body"`
}

func (r *modernReport) violation() (violation, bool) {
	page := firstOf(r.Body.Document, r.URL)
	switch r.Type {
	case "csp-violation":
		return newViolation(r.Body.Disposition, r.Body.Effective, r.Body.Blocked, page), true
	case "permissions-policy-violation":
		return newViolation(r.Body.Disposition, "permissions-policy", r.Body.Feature, page), true
	case "coep", "coop":
		return newViolation(r.Body.Disposition, r.Type, r.Body.Blocked, page), true
	}
	return violation{}, false
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// newViolation keeps what groups, and nothing of people: no path beyond its
// first part, no query, no fragment.
func newViolation(disposition, directive, blocked, page string) violation {
	directive, _, _ = strings.Cut(strings.TrimSpace(directive), " ")
	v := violation{
		disposition: "enforce", directive: word(directive, "unknown"), blocked: blockedSource(blocked), page: pageOf(page),
	}
	if disposition == "report" || disposition == "reporting" {
		v.disposition = "report"
	}
	return v
}

const maxWord = 64

// word takes what looks like a directive, a keyword or a scheme.
func word(s, otherwise string) string {
	s = strings.ToLower(s)
	if s == "" || len(s) > maxWord || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return otherwise
	}
	return s
}

const maxOrigin = 200

// blockedSource is the origin of what was blocked, or the word for it: inline,
// eval, data, blob.
func blockedSource(s string) string {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return "unknown"
	case err != nil:
		return "unreadable"
	case u.Scheme != "" && u.Host != "" && len(u.Host) <= maxOrigin && printableHost(u.Host):
		return strings.ToLower(word(u.Scheme, "unknown") + "://" + u.Host)
	case u.Scheme != "" && u.Host == "":
		return word(u.Scheme, "unreadable") + ":"
	}
	return word(s, "unreadable")
}

// pageOf is host and first part of the path.
func pageOf(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || len(u.Host) > maxOrigin || !printableHost(u.Host) {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if word(first, "") == "" && first != "" {
		first = "…"
	}
	return strings.ToLower(u.Host) + "/" + first
}

func printableHost(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '<' || r == '>' })
}
