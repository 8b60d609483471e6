package cli

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/secret"
	"gatehouse/authz/secret/scan"
)

// secretRow is one line of the report; it never holds a secret.
type secretRow struct {
	Name    string `json:"name"`
	Use     string `json:"use"`
	File    string `json:"file,omitempty"`
	Mode    string `json:"mode,omitempty"`
	AgeDays *int   `json:"age_days,omitempty"`
	State   string `json:"state"` // ok, not set, missing, bad
	Problem string `json:"problem,omitempty"`
}

// secretReport is what `secret check --output json` prints.
type secretReport struct {
	OK      bool        `json:"ok"`
	Secrets []secretRow `json:"secrets"`
	// Environment has what stands in plain variables.
	Environment []string `json:"environment"`
}

func newSecretCheck(app *App) *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that every secret is set, well kept and well formed",
		Long: "Check each secret that Gatehouse reads: that its file is there, readable, closed to others, long enough,\n" +
			"of its form and used for nothing else, and how old it is; and that none stands in a plain environment\n" +
			"variable. With --config also the files that a gatehouse.yaml names: Redis, the certificate's key, the\n" +
			"API's tokens, the keys of alert sinks. No secret is printed. The exit code is 1 when something is wrong.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "gatehouse.yaml whose secret files are checked too")
	format := addOutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return app.checkSecrets(config, *format) }
	return cmd
}

func (app *App) checkSecrets(config string, format output) error {
	report := secretReport{OK: true, Environment: []string{}}
	var known sameSecrets
	for _, k := range keptSecrets() {
		report.add(app.checkKept(k, &known))
	}
	if config != "" {
		compiled, err := loadPolicy(config)
		if err != nil {
			return err
		}
		for _, k := range configuredSecrets(compiled) {
			report.add(checkFile(k, &known))
		}
	}
	finder, err := scan.Default()
	if err != nil {
		return wrong("%w", err)
	}
	refused, foreign := secret.Environ(app.environ(), finder)
	for _, err := range append(refused, foreign...) {
		report.Environment = append(report.Environment, err.Error())
	}
	report.OK = report.OK && len(refused) == 0
	if err := app.printSecrets(report, format); err != nil {
		return err
	}
	if !report.OK {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

func (r *secretReport) add(row secretRow) {
	r.Secrets = append(r.Secrets, row)
	r.OK = r.OK && (row.State == "ok" || row.State == "not set")
}

func (app *App) checkKept(k kept, known *sameSecrets) secretRow {
	if k.path = app.Env(k.name + secret.FileSuffix); k.path != "" {
		return checkFile(k, known)
	}
	row := secretRow{Name: k.name, Use: k.use, State: "not set"}
	if k.needed {
		row.State, row.Problem = "missing", "write it to a file with mode 0600 and set "+k.name+secret.FileSuffix+" to the file's path"
	}
	return row
}

func checkFile(k kept, known *sameSecrets) secretRow {
	row := secretRow{Name: k.name, Use: k.use, File: k.path, State: "ok"}
	if info, err := os.Stat(k.path); err == nil {
		days := int(time.Since(info.ModTime()).Hours() / 24)
		row.Mode, row.AgeDays = fmt.Sprintf("%04o", info.Mode().Perm()), &days
	}
	v, err := secret.File{Name: k.name, Path: k.path}.Read()
	if err == nil {
		if err = k.fits(v); err == nil {
			err = known.add(k, v)
		}
		if err != nil {
			err = fmt.Errorf("secret %s: file %s %w", k.name, k.path, err)
		}
	}
	if err != nil {
		row.State, row.Problem = "bad", err.Error()
	}
	return row
}

func (app *App) printSecrets(r secretReport, format output) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	table := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	row := func(cells ...any) { _, _ = fmt.Fprintf(table, "%v\t%v\t%v\t%v\t%v\n", cells...) } // Flush tells
	row("SECRET", "STATE", "MODE", "AGE", "FILE")
	for _, s := range r.Secrets {
		age := "-"
		if s.AgeDays != nil {
			age = fmt.Sprintf("%dd", *s.AgeDays)
		}
		row(s.Name, s.State, dash(s.Mode), age, dash(s.File))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return app.printProblems(app.Stderr, r)
}

func (app *App) printProblems(w io.Writer, r secretReport) error {
	for _, s := range r.Secrets {
		if s.Problem != "" {
			if _, err := fmt.Fprintf(w, "%s: %s\n", s.Name, s.Problem); err != nil {
				return err
			}
		}
	}
	for _, problem := range r.Environment {
		if _, err := fmt.Fprintln(w, problem); err != nil {
			return err
		}
	}
	return nil
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
