package alert

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"gatehouse/authz/event"
)

// Severity of an alert.
type Severity string

// The severities, as Alertmanager's users write them.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Rule says which events raise an alert.
type Rule struct {
	Name string `json:"name"` // lower-case letters, digits, "_" and "-"; at most 64 bytes
	// When is a CEL expression that is true for the events that count:
	// event.type == "authentication_attempt" && event.outcome == "failure".
	When string `json:"when"`
	// MoreThan events within Window raise it: 5 is raised by the sixth. 0 is
	// raised by the first.
	MoreThan int           `json:"more_than"` // 0 to 10,000
	Window   time.Duration `json:"window"`    // 1 s to 24 h
	// GroupBy lists the fields of which each value is counted apart: client,
	// subject, type, rule, policy, route, host.
	GroupBy  []string `json:"group_by,omitempty"`
	Severity Severity `json:"severity,omitempty"` // warning if empty
	Summary  string   `json:"summary,omitempty"`
	// Quiet is how long a group must be quiet before its alert is resolved and
	// another may be raised; Window if 0, and never less.
	Quiet time.Duration `json:"deduplicate,omitempty"`
}

// Bounds of a rule.
const (
	maxMoreThan  = 10_000
	maxWindow    = 24 * time.Hour
	maxWhen      = 4096 // bytes
	maxRules     = 200
	maxGroupName = 512 // bytes of a group
)

var ruleName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// groupFields are what events can be grouped by.
var groupFields = map[string]func(*event.Event) string{
	"client":  func(e *event.Event) string { return e.Client },
	"subject": func(e *event.Event) string { return e.Subject },
	"type":    func(e *event.Event) string { return string(e.Type) },
	"rule":    func(e *event.Event) string { return e.Rule },
	"policy":  func(e *event.Event) string { return e.Policy },
	"route":   func(e *event.Event) string { return e.Route },
	"host":    func(e *event.Event) string { return e.Host },
}

// compiled is a rule that can be asked.
type compiled struct {
	Rule
	program cel.Program
	types   typeSet
	counts  *windows
}

// RuleError is one mistake; Key is the rule's field.
type RuleError struct{ Rule, Key, Reason string }

func (e *RuleError) Error() string { return fmt.Sprintf("rule %q: %s: %s", e.Rule, e.Key, e.Reason) }

// Check reports every mistake of the rules together (errors.Join).
func Check(rules []Rule) error {
	_, err := compile(rules)
	return err
}

func compile(rules []Rule) ([]compiled, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	var errs []error
	if len(rules) > maxRules {
		errs = append(errs, fmt.Errorf("%d rules are more than %d", len(rules), maxRules))
	}
	out := make([]compiled, 0, len(rules))
	for i, r := range rules {
		fail := func(key, format string, args ...any) {
			errs = append(errs, &RuleError{r.Name, key, fmt.Sprintf(format, args...)})
		}
		if slices.ContainsFunc(rules[:i], func(o Rule) bool { return o.Name == r.Name }) {
			fail("name", "stands twice")
		}
		r.check(fail)
		p, types := program(env, r.When, fail)
		out = append(out, compiled{r.filled(), p, types, newWindows()})
	}
	return out, errors.Join(errs...)
}

func (r Rule) check(fail func(key, format string, args ...any)) {
	if !ruleName.MatchString(r.Name) {
		fail("name", "must be lower-case letters, digits, _ and -, at most 64, a letter first")
	}
	if r.MoreThan < 0 || r.MoreThan > maxMoreThan {
		fail("more_than", "%d is outside 0 to %d", r.MoreThan, maxMoreThan)
	}
	if r.Window < time.Second || r.Window > maxWindow {
		fail("window", "%v is outside 1s to 24h", r.Window)
	}
	if r.Quiet < 0 || r.Quiet > 7*maxWindow {
		fail("deduplicate", "%v is outside 0 to 7 days", r.Quiet)
	}
	for i, field := range r.GroupBy {
		if groupFields[field] == nil {
			fail("group_by", "%q is no field to group by: client, host, policy, route, rule, subject or type", field)
		} else if slices.Contains(r.GroupBy[:i], field) {
			fail("group_by", "%q stands twice", field)
		}
	}
	switch r.Severity {
	case "", Info, Warning, Critical:
	default:
		fail("severity", "%q is none: info, warning or critical", r.Severity)
	}
}

func (r Rule) filled() Rule {
	r.Severity = cmp.Or(r.Severity, Warning)
	r.Quiet = max(r.Quiet, r.Window)
	if r.Summary == "" {
		r.Summary = fmt.Sprintf("more than %d events within %v", r.MoreThan, r.Window)
	}
	return r
}

// group is the event's values of the fields, as one text; false if one of them
// is empty: events without a client are nobody's.
func (c *compiled) group(e *event.Event) (key string, ok bool) {
	parts := make([]string, 0, 4)
	for _, field := range c.GroupBy {
		value := groupValue(field, e)
		if value == "" {
			return "", false
		}
		parts = append(parts, value)
	}
	return strings.Join(parts, "\x1f"), true
}

// labels are the same by their names.
func (c *compiled) labels(e *event.Event) map[string]string {
	labels := make(map[string]string, len(c.GroupBy))
	for _, field := range c.GroupBy {
		labels[field] = groupValue(field, e)
	}
	return labels
}

func groupValue(field string, e *event.Event) string {
	value := groupFields[field](e)
	return value[:min(len(value), maxGroupName)]
}
