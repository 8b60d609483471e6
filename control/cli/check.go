package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gatehouse/authz/secret"
	"gatehouse/authz/secret/scan"
	"gatehouse/control/policy"
)

// checkReport is what `check --output json` prints.
type checkReport struct {
	OK        bool           `json:"ok"`
	File      string         `json:"file"`
	Version   string         `json:"version,omitempty"`
	Policies  int            `json:"policies"`
	Routes    int            `json:"routes"`
	Upstreams int            `json:"upstreams"`
	Errors    []policy.Error `json:"errors"`
	Warnings  []policy.Error `json:"warnings"`
	// Environment tells of secrets in plain variables: those of ours make it fail.
	Environment []string `json:"environment"`
}

func newCheckCommand(app *App) *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Find everything that is wrong with a gatehouse.yaml",
		Long: "Find everything that is wrong with a gatehouse.yaml, without running anything: each mistake with\n" +
			"file, line, column, the offending text and what to do. Warnings do not make it fail.",
		Example: "  gatehouse check gatehouse.yaml\n  gatehouse check --schema > gatehouse.schema.json",
		Args: func(cmd *cobra.Command, args []string) error {
			if schema {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of gatehouse.yaml, for editors, and stop")
	format := addOutputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if schema {
			return app.printSchema()
		}
		return app.check(args[0], *format)
	}
	return cmd
}

func (app *App) printSchema() error {
	text, err := policy.JSONSchema()
	if err != nil {
		return wrong("%w", err)
	}
	_, err = app.Stdout.Write(text)
	return err
}

func (app *App) check(file string, format output) error {
	compiled, err := loadPolicy(file)
	var found policy.Errors
	if err != nil && !errors.As(err, &found) {
		return err
	}
	report := checkReport{OK: err == nil, File: file, Errors: found, Warnings: []policy.Error{}}
	if found == nil {
		report.Errors = []policy.Error{}
	}
	if compiled != nil {
		report.Version, report.Routes, report.Upstreams = compiled.Version, len(compiled.Routes), len(compiled.Upstreams)
		report.Policies = countOwnPolicies(compiled)
		report.Warnings = append(report.Warnings, compiled.Warnings...)
	}
	if err := app.checkEnvironment(&report); err != nil {
		return err
	}
	if err := app.printCheck(report, format); err != nil {
		return err
	}
	if !report.OK {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func (app *App) checkEnvironment(r *checkReport) error {
	finder, err := scan.Default()
	if err != nil {
		return wrong("%w", err)
	}
	refused, foreign := secret.Environ(app.environ(), finder)
	r.Environment = []string{}
	for _, err := range append(refused, foreign...) {
		r.Environment = append(r.Environment, err.Error())
	}
	r.OK = r.OK && len(refused) == 0
	return nil
}

func (app *App) printCheck(r checkReport, format output) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	for _, e := range r.Errors {
		fmt.Fprintln(app.Stderr, e)
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(app.Stderr, "warning:", w)
	}
	for _, e := range r.Environment {
		fmt.Fprintln(app.Stderr, e)
	}
	if len(r.Errors) > 0 {
		fmt.Fprintf(app.Stderr, "%s: %s\n", r.File, count(len(r.Errors), "mistake"))
	}
	if !r.OK {
		return nil
	}
	_, err := fmt.Fprintf(app.Stdout, "%s: ok: version %s, %s, %s, %s\n", r.File, r.Version,
		countOf(r.Policies, "policy", "policies"), count(r.Routes, "route"), count(r.Upstreams, "upstream"))
	return err
}

// countOwnPolicies leaves out the built-in policies and those that the
// compilation makes for routes with settings of their own.
func countOwnPolicies(c *policy.Compiled) int {
	n := 0
	for name := range c.Filter.Policies {
		if policy.IsWritten(name) {
			n++
		}
	}
	return n
}

func count(n int, what string) string { return countOf(n, what, what+"s") }

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// loadPolicy reads and compiles a gatehouse.yaml. The error is a policy.Errors
// if the file could be read.
func loadPolicy(file string) (*policy.Compiled, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, wrong("read the policy file: %w", err)
	}
	compiled, err := policy.Load(file, data)
	if err != nil {
		return nil, &ExitError{Code: ExitWrong, Err: err}
	}
	return compiled, nil
}
