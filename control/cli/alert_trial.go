package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/control/alert"
)

// ruleTests is a file of tests of alert rules.
type ruleTests struct {
	Tests []ruleTest `yaml:"tests"`
}

// ruleTest says which alerts some events raise, and no others.
type ruleTest struct {
	Name   string          `yaml:"name"`
	Events []trialEvents   `yaml:"events"`
	Alerts []expectedAlert `yaml:"alerts"`
}

// trialEvents are count events of one kind, the first after the given time and
// then one each so often.
type trialEvents struct {
	After   time.Duration     `yaml:"after"`
	Every   time.Duration     `yaml:"every"`
	Count   int               `yaml:"count"`
	Type    event.Type        `yaml:"type"`
	Outcome event.Outcome     `yaml:"outcome"`
	Client  string            `yaml:"client"`
	Subject string            `yaml:"subject"`
	Rule    string            `yaml:"rule"`
	Reason  string            `yaml:"reason"`
	Host    string            `yaml:"host"`
	Path    string            `yaml:"path"`
	Route   string            `yaml:"route"`
	Policy  string            `yaml:"policy"`
	Status  int               `yaml:"status"`
	Detail  map[string]string `yaml:"detail"`
}

type expectedAlert struct {
	Rule  string            `yaml:"rule"`
	At    time.Duration     `yaml:"at"`
	Group map[string]string `yaml:"group"`
}

// maxTrial bounds the events of one test.
const maxTrial = 100_000

func newAlertTest(app *App) *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Run tests of alert rules: which events raise which alerts, and when",
		Long: "Run tests of alert rules. Each test of the YAML file has events (after, every, count, and an event's\n" +
			"fields) and the alerts that they raise (rule, at, group), in their order and no others.",
		Example: "  gatehouse alert test alerts_test.yaml --config gatehouse.yaml",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "the policy file whose rules are tested; the built-in rules unless told")
	cmd.RunE = app.auditing(func(_ context.Context, args []string) error {
		rules := alert.Defaults()
		if config != "" {
			compiled, err := loadPolicy(config)
			if err != nil {
				return err
			}
			rules = compiled.Alerts.Rules
		}
		return app.testRules(args[0], rules)
	})
	return cmd
}

func (app *App) testRules(file string, rules []alert.Rule) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the tests: %w", err)
	}
	var tests ruleTests
	if err := yaml.UnmarshalWithOptions(text, &tests, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(tests.Tests) == 0 {
		return fmt.Errorf("%s has no tests", file)
	}
	failed := 0
	for _, test := range tests.Tests {
		why, err := test.run(rules)
		if err != nil {
			return fmt.Errorf("%s: test %q: %w", file, test.Name, err)
		}
		if len(why) == 0 {
			fmt.Fprintf(app.Stdout, "ok    %s\n", printable(test.Name))
			continue
		}
		failed++
		fmt.Fprintf(app.Stdout, "FAIL  %s\n", printable(test.Name))
		for _, line := range why {
			fmt.Fprintf(app.Stdout, "      %s\n", printable(line))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%w: %d of %d", errTestsFailed, failed, len(tests.Tests))
	}
	return nil
}

// run returns what is other than expected.
func (t ruleTest) run(rules []alert.Rule) (why []string, err error) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var events []event.Event
	for _, some := range t.Events {
		n := max(1, some.Count)
		if len(events)+n > maxTrial {
			return nil, fmt.Errorf("more than %d events", maxTrial)
		}
		for i := range n {
			e := some.event()
			e.Time = begin.Add(some.After + time.Duration(i)*some.Every)
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	raised, err := alert.Try(rules, events)
	if err != nil {
		return nil, err
	}
	for i := range max(len(raised), len(t.Alerts)) {
		switch {
		case i >= len(raised):
			why = append(why, fmt.Sprintf("not raised: %s at %v", t.Alerts[i].Rule, t.Alerts[i].At))
		case i >= len(t.Alerts):
			why = append(why, fmt.Sprintf("raised, and not expected: %s at %v %s", raised[i].Rule, raised[i].At.Sub(begin), groupText(raised[i].Group)))
		case !t.Alerts[i].is(raised[i], begin):
			why = append(why, fmt.Sprintf("raised: %s at %v %s, expected: %s at %v %s", raised[i].Rule, raised[i].At.Sub(begin), groupText(raised[i].Group),
				t.Alerts[i].Rule, t.Alerts[i].At, groupText(t.Alerts[i].Group)))
		}
	}
	return why, nil
}

func (x expectedAlert) is(r alert.Raised, begin time.Time) bool {
	return x.Rule == r.Rule && r.At.Equal(begin.Add(x.At)) && (x.Group == nil || maps.Equal(x.Group, r.Group))
}

func (s trialEvents) event() event.Event {
	return event.Event{
		Type: s.Type, Outcome: s.Outcome, Client: s.Client, Subject: s.Subject, Rule: s.Rule, Reason: s.Reason,
		Host: s.Host, Path: s.Path, Route: s.Route, Policy: s.Policy, Status: s.Status, Detail: s.Detail,
	}
}
