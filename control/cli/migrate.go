package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gatehouse/control/migrate"
)

func newMigrateCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Write another product's configuration for this one",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return misuse("say what from: gatehouse migrate ratelimit")
		},
	}
	cmd.AddCommand(newMigrateRateLimitCommand(app))
	return cmd
}

func newMigrateRateLimitCommand(app *App) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "ratelimit",
		Short: "Print the command that takes the place of envoyproxy/ratelimit",
		Long: "Read the environment variables of envoyproxy/ratelimit, from a file or from the environment, and print the\n" +
			"equivalent command, its environment and what has no equivalent, with the reason. Values of secrets are never\n" +
			"printed. The exit code is 1 if something that changes verdicts cannot be carried over.",
		Example: "  gatehouse migrate ratelimit --env-file ratelimit.env",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&file, "env-file", "", "file of NAME=VALUE lines, - for standard input; without it, this environment")
	out := addOutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		env, err := app.foreignEnv(file)
		if err != nil {
			return err
		}
		report := migrate.RateLimit(env)
		if *out == outputJSON {
			err = writeJSON(app.Stdout, report)
		} else {
			err = printMigration(app.Stdout, report)
		}
		if err == nil && report.Changes() {
			err = wrong("what is marked as changing cannot be carried over, and changes verdicts")
		}
		return err
	}
	return cmd
}

func (app *App) foreignEnv(file string) (map[string]string, error) {
	from := app.Stdin
	switch file {
	case "":
		env := map[string]string{}
		for _, name := range migrate.Known() {
			if v := app.Env(name); v != "" {
				env[name] = v
			}
		}
		return env, nil
	case "-":
	default:
		f, err := os.Open(file) // #nosec G304 -- the file that the user names
		if err != nil {
			return nil, wrong("%w", err)
		}
		defer func() { _ = f.Close() }() // was only read
		from = f
	}
	env, err := migrate.ReadEnv(from)
	if err != nil {
		return nil, wrong("%s: %w", file, err)
	}
	return env, nil
}

func printMigration(w io.Writer, r migrate.Report) error {
	for _, name := range slices.Sorted(maps.Keys(r.Environment)) {
		fmt.Fprintf(w, "export %s=%s\n", name, shellWord(r.Environment[name]))
	}
	words := make([]string, len(r.Command))
	for i, word := range r.Command {
		words[i] = shellWord(word)
	}
	fmt.Fprintf(w, "%s\n\n", strings.ReplaceAll(strings.Join(words, " "), " --", " \\\n  --"))
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "VARIABLE\t\tWHAT BECOMES OF IT")
	for _, n := range r.Notes {
		fmt.Fprintf(table, "%s\t%s\t%s\n", n.Variable, n.Kind, n.Text)
	}
	return table.Flush()
}

// shellWord quotes what a shell would not take as one word.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@[]", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
