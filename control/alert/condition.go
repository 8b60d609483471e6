package alert

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"

	"gatehouse/authz/event"
)

const (
	maxEvalCost = 10_000   // of one evaluation, in CEL's own units
	maxText     = 64 << 10 // bytes that a field of an event is taken to have at most, and entries of its detail
)

// texts are the fields that are strings, by the names that conditions have for them.
var texts = map[string]func(*event.Event) string{
	"event.type":     func(e *event.Event) string { return string(e.Type) },
	"event.severity": func(e *event.Event) string { return string(e.Severity) },
	"event.outcome":  func(e *event.Event) string { return string(e.Outcome) },
	"event.source":   func(e *event.Event) string { return e.Source },
	"event.method":   func(e *event.Event) string { return e.Method },
	"event.host":     func(e *event.Event) string { return e.Host },
	"event.path":     func(e *event.Event) string { return e.Path },
	"event.route":    func(e *event.Event) string { return e.Route },
	"event.policy":   func(e *event.Event) string { return e.Policy },
	"event.subject":  func(e *event.Event) string { return e.Subject },
	"event.client":   func(e *event.Event) string { return e.Client },
	"event.feature":  func(e *event.Event) string { return e.Feature },
	"event.rule":     func(e *event.Event) string { return e.Rule },
	"event.reason":   func(e *event.Event) string { return e.Reason },
}

// environment declares each field by its full name, so that a misspelt one is a
// mistake when the rule is read, and not silently never true.
func environment() (*cel.Env, error) {
	options := []cel.EnvOption{cel.Variable("event.status", cel.IntType), cel.Variable("event.detail", cel.MapType(cel.StringType, cel.StringType))}
	for name := range texts {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make the environment of alert rules: %w", err)
	}
	return env, nil
}

// fields shows an event to a condition: it makes only what is asked for. One
// serves one event after the other.
type fields struct{ e *event.Event }

var noDetail = map[string]string{}

// ResolveName implements cel.Activation.
func (f *fields) ResolveName(name string) (any, bool) {
	if text, ok := texts[name]; ok {
		return text(f.e), true
	}
	switch name {
	case "event.status":
		return int64(f.e.Status), true
	case "event.detail":
		if f.e.Detail == nil {
			return noDetail, true
		}
		return f.e.Detail, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (*fields) Parent() cel.Activation { return nil }

// program compiles a condition, and says for which types of event it can be true.
func program(env *cel.Env, when string, fail func(key, format string, args ...any)) (cel.Program, typeSet) {
	if len(when) > maxWhen {
		fail("when", "is longer than %d bytes", maxWhen)
		return nil, nil
	}
	condition, issues := env.Compile(when)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			fail("when", "column %d: %s", e.Location.Column()+1, strings.ReplaceAll(e.Message, "\n", " "))
		}
		return nil, nil
	}
	if condition.OutputType() != cel.BoolType {
		fail("when", "is a %s: write a condition, which is true or false", condition.OutputType())
		return nil, nil
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if !cheap(env, condition) {
		options = append(options, cel.CostLimit(maxEvalCost))
	}
	p, err := env.Program(condition, options...)
	if err != nil {
		fail("when", "cannot be evaluated: %v", err)
	}
	return p, typesOf(condition)
}

// cheap says whether a condition stays below maxEvalCost whatever the event is.
// Then its cost need not be counted while it is evaluated, which is most of what
// an evaluation costs.
func cheap(env *cel.Env, condition *cel.Ast) bool {
	cost, err := env.EstimateCost(condition, sizes{})
	return err == nil && cost.Max <= maxEvalCost
}

// sizes are how large the fields of events get.
type sizes struct{}

func (sizes) EstimateSize(checker.AstNode) *checker.SizeEstimate {
	return &checker.SizeEstimate{Min: 0, Max: maxText}
}

func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil // CEL's own
}

// matches asks the rule about an event's fields. What cannot be evaluated, such
// as a key of detail that is not there, does not match.
func (c *compiled) matches(f *fields) bool {
	out, _, err := c.program.Eval(f)
	if err != nil {
		return false
	}
	matched, ok := out.Value().(bool)
	return ok && matched
}
