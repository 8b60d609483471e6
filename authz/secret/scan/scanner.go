package scan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"
	"github.com/zricethezav/gitleaks/v8/sources"

	"gatehouse/authz/secret"
)

// Scanner finds secrets by a fixed set of rules.
type Scanner struct{ detector *detect.Detector }

// New makes a Scanner with gitleaks' default rules and Gatehouse's own, which
// takes some 20 ms. Default is one that is made once.
func New() (*Scanner, error) {
	file, err := base()
	if err != nil {
		return nil, err
	}
	rules, err := finish(file)
	if err != nil {
		return nil, fmt.Errorf("read gitleaks' default rules: %w", err)
	}
	return newScanner(rules), nil
}

// NewWith is New with the rules and allowlists of the text of a .gitleaks.toml
// beside the default ones.
func NewWith(text string) (*Scanner, error) {
	rules, err := extend(text)
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	return newScanner(rules), nil
}

func newScanner(rules config.Config) *Scanner {
	d := detect.NewDetector(rules)
	// A comment that lets a line through is for code that is reviewed: in a log it
	// would let every attacker's line through.
	d.IgnoreGitleaksAllow = true
	return &Scanner{detector: d}
}

// ForFiles returns a Scanner of the same rules that passes over a line with the
// comment gitleaks:allow, as gitleaks does.
func (s *Scanner) ForFiles() *Scanner {
	d := detect.NewDetector(s.detector.Config)
	return &Scanner{detector: d}
}

var shared = sync.OnceValues(New)

// Default is the Scanner of the default rules that the process shares. The
// error, if any, is always the same: the rules are part of the program.
func Default() (*Scanner, error) { return shared() }

// Find implements secret.Finder.
func (s *Scanner) Find(text string) []secret.Found {
	return convert(s.detect(context.Background(), sources.Fragment{Raw: text}))
}

func (s *Scanner) detect(ctx context.Context, text sources.Fragment) []report.Finding {
	return s.detector.DetectContext(ctx, detect.Fragment(text)) //nolint:staticcheck // the type that replaces it comes with v9
}

// convert counts lines from 1; gitleaks does from 0.
func convert(findings []report.Finding) []secret.Found {
	found := make([]secret.Found, 0, len(findings))
	for _, f := range findings {
		found = append(found, secret.Found{Rule: f.RuleID, Line: f.StartLine + 1, Secret: secret.New([]byte(f.Secret))})
	}
	return found
}

// inOrder makes hits of findings, by line and rule, each once.
func inOrder(findings []report.Finding, name string) []Hit {
	hits := make([]Hit, 0, len(findings))
	for _, f := range findings {
		hits = append(hits, Hit{File: name, Line: f.StartLine + 1, Rule: f.RuleID})
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return slices.Compact(hits)
}
