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
	maxWhen      = 4096   // bytes
	maxEvalCost  = 10_000 // of one evaluation, in CEL's own units
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
		out = append(out, compiled{r.filled(), program(env, r.When, fail)})
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

// environment declares each field by its full name, so that a misspelt one is a
// mistake when the rule is read, and not silently never true.
func environment() (*cel.Env, error) {
	options := []cel.EnvOption{cel.Variable("event.status", cel.IntType), cel.Variable("event.detail", cel.MapType(cel.StringType, cel.StringType))}
	for name := range texts(&event.Event{}) {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make the environment of alert rules: %w", err)
	}
	return env, nil
}

func texts(e *event.Event) map[string]any {
	return map[string]any{
		"event.type": string(e.Type), "event.severity": string(e.Severity), "event.outcome": string(e.Outcome),
		"event.source": e.Source, "event.method": e.Method, "event.host": e.Host, "event.path": e.Path, "event.route": e.Route,
		"event.policy": e.Policy, "event.subject": e.Subject, "event.client": e.Client, "event.feature": e.Feature,
		"event.rule": e.Rule, "event.reason": e.Reason,
	}
}

func program(env *cel.Env, when string, fail func(key, format string, args ...any)) cel.Program {
	if len(when) > maxWhen {
		fail("when", "is longer than %d bytes", maxWhen)
		return nil
	}
	ast, issues := env.Compile(when)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			fail("when", "column %d: %s", e.Location.Column()+1, strings.ReplaceAll(e.Message, "\n", " "))
		}
		return nil
	}
	if ast.OutputType() != cel.BoolType {
		fail("when", "is a %s: write a condition, which is true or false", ast.OutputType())
		return nil
	}
	p, err := env.Program(ast, cel.CostLimit(maxEvalCost))
	if err != nil {
		fail("when", "cannot be evaluated: %v", err)
	}
	return p
}

// matches asks the rule about an event's fields. What cannot be evaluated, such
// as a key of detail that is not there, does not match.
func (c *compiled) matches(fields map[string]any) bool {
	out, _, err := c.program.Eval(fields)
	if err != nil {
		return false
	}
	matched, ok := out.Value().(bool)
	return ok && matched
}

func fieldsOf(e *event.Event) map[string]any {
	fields := texts(e)
	fields["event.status"] = int64(e.Status)
	detail := e.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	fields["event.detail"] = detail
	return fields
}

// group is the event's values of the fields; false if one of them is empty:
// events without a client are nobody's.
func (c *compiled) group(e *event.Event) (labels map[string]string, key string, ok bool) {
	labels = make(map[string]string, len(c.GroupBy))
	parts := make([]string, 0, len(c.GroupBy))
	for _, field := range c.GroupBy {
		value := groupFields[field](e)
		if value == "" {
			return nil, "", false
		}
		if len(value) > maxGroupName {
			value = value[:maxGroupName]
		}
		labels[field] = value
		parts = append(parts, value)
	}
	return labels, strings.Join(parts, "\x1f"), true
}
