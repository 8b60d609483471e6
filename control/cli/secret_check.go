package cli

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/authz/secret/scan"
	"gatehouse/control/policy"
)

// kept is one secret that Gatehouse reads.
type kept struct {
	name   string
	use    string
	needed bool
	// fits says what is wrong with the secret's form; it must not repeat it.
	fits func([]byte) error
}

// keptSecrets are those that NAME_FILE names.
func keptSecrets() []kept {
	return []kept{
		{"REDIS_URL", "where Redis is, with its password if it has one", false, fitsURL},
		{"REDIS_PASSWORD", "Redis", false, atLeast(8)},
		{"GATEHOUSE_PSEUDONYM_KEY", "pseudonyms in events; authz and control share it", true, atLeast(event.MinPseudonymKey)},
		{"GATEHOUSE_MASTER_KEY", "wraps the keys of people's readable fields", false, atLeast(32)},
		{"GATEHOUSE_AUDIT_KEY", "signs the audit log's checkpoints", false, atLeast(32)},
		{"GATEHOUSE_STORE_PASSWORD", "PostgreSQL", false, atLeast(8)},
	}
}

func atLeast(n int) func([]byte) error {
	return func(text []byte) error {
		if len(text) < n {
			return fmt.Errorf("has %d bytes: give it at least %d, such as the output of: openssl rand -base64 32", len(text), n)
		}
		if decoded, err := base64.StdEncoding.DecodeString(string(text)); err == nil && allSame(decoded) || allSame(text) {
			return errors.New("is one byte again and again: draw it with: openssl rand -base64 32")
		}
		return nil
	}
}

func allSame(text []byte) bool {
	for _, b := range text {
		if b != text[0] {
			return false
		}
	}
	return len(text) > 0
}

func fitsURL(text []byte) error {
	if _, err := redis.ParseURL(string(text)); err != nil {
		return errors.New("is no URL of Redis: write redis://host:port/db or unix:///path.sock")
	}
	return nil
}

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
		Long: "Check each secret that Gatehouse reads: that its file is there, readable, closed to others, long enough\n" +
			"and of its form, and how old it is; and that none stands in a plain environment variable. With\n" +
			"--config also the files that a gatehouse.yaml names. No secret is printed. The exit code is 1 when\n" +
			"something is wrong.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "gatehouse.yaml whose secret files are checked too")
	format := addOutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return app.checkSecrets(config, *format) }
	return cmd
}

func (app *App) checkSecrets(config string, format output) error {
	report := secretReport{OK: true, Environment: []string{}}
	for _, k := range keptSecrets() {
		report.add(app.checkKept(k))
	}
	if config != "" {
		compiled, err := loadPolicy(config)
		if err != nil {
			return err
		}
		for _, row := range checkConfigured(compiled) {
			report.add(row)
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

func (app *App) checkKept(k kept) secretRow {
	row := secretRow{Name: k.name, Use: k.use}
	path := app.Env(k.name + secret.FileSuffix)
	if path == "" {
		row.State = "not set"
		if k.needed {
			row.State, row.Problem = "missing", "write it to a file with mode 0600 and set "+k.name+secret.FileSuffix+" to the file's path"
		}
		return row
	}
	return checkFile(row, secret.File{Name: k.name, Path: path}, k.fits)
}

// checkConfigured checks the files that a policy file names.
func checkConfigured(c *policy.Compiled) []secretRow {
	var rows []secretRow
	add := func(name, use, path string, fits func([]byte) error) {
		if path != "" {
			rows = append(rows, checkFile(secretRow{Name: name, Use: use}, secret.File{Name: name, Path: path}, fits))
		}
	}
	add("redis.url_file", "where Redis is", c.Redis.URLFile, fitsURL)
	add("redis.password_file", "Redis", c.Redis.PasswordFile, atLeast(8))
	if c.Envoy.TLS != nil {
		add("envoy.tls.key_file", "the private key of Envoy's certificate", c.Envoy.TLS.KeyFile, fitsKey)
	}
	return rows
}

func checkFile(row secretRow, file secret.File, fits func([]byte) error) secretRow {
	row.File, row.State = file.Path, "ok"
	if info, err := os.Stat(file.Path); err == nil {
		days := int(time.Since(info.ModTime()).Hours() / 24)
		row.Mode, row.AgeDays = fmt.Sprintf("%04o", info.Mode().Perm()), &days
	}
	v, err := file.Read()
	if err == nil {
		if err = fits(v.Reveal()); err != nil {
			err = fmt.Errorf("secret %s: file %s %w", file.Name, file.Path, err)
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

// fitsKey wants a private key in PEM, so that a certificate given by mistake is
// noticed.
func fitsKey(text []byte) error {
	if !isPrivateKey(text) {
		return errors.New("is no private key in PEM: is it the certificate?")
	}
	return nil
}

func isPrivateKey(text []byte) bool {
	block, _ := pem.Decode(text)
	return block != nil && strings.HasSuffix(block.Type, "PRIVATE KEY")
}
