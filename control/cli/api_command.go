package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// column of a table: a heading, and the field of the answer that it shows.
type column struct{ head, field string }

// apiCommand is a command that makes one call and prints the answer.
type apiCommand struct {
	use, short string
	args       cobra.PositionalArgs
	columns    []column // of a list, or of one thing; nil prints all fields
	flags      func(*cobra.Command)
	// call says what to call; its error is misuse.
	call func(args []string) (call, error)
	// save names the file that the answer goes to; nil prints it.
	save func() string
	// plain is the one field of the answer that is printed, as it is; empty prints
	// all of them.
	plain string
}

// group makes a command of several, which share the flags of the API.
func (app *App) apiGroup(use, short string, commands ...apiCommand) *cobra.Command {
	var f apiFlags
	group := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		Long: short + ".\n\nThe command calls control's API; --token-file names the file with a token that may do so.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.add(group)
	for _, c := range commands {
		group.AddCommand(app.apiSub(&f, c))
	}
	return group
}

// apiAlone makes a command that is in no group.
func (app *App) apiAlone(c apiCommand) *cobra.Command {
	var f apiFlags
	cmd := app.apiSub(&f, c)
	cmd.Long = c.short + ".\n\nThe command calls control's API; --token-file names the file with a token that may do so."
	f.add(cmd)
	return cmd
}

func (app *App) apiSub(f *apiFlags, c apiCommand) *cobra.Command {
	cmd := &cobra.Command{Use: c.use, Short: c.short, Args: c.args}
	if c.flags != nil {
		c.flags(cmd)
	}
	var format *output
	if c.save == nil {
		format = addOutputFlag(cmd)
	}
	var key string
	cmd.Flags().StringVar(&key, "idempotency-key", "", "the same key for a call that is tried again: it is done once")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		in, err := c.call(args)
		if err != nil {
			return misuse("%w", err)
		}
		in.key = key
		client, err := f.client()
		if err != nil {
			return err
		}
		if c.save != nil {
			return asWrong(app.download(cmd.Context(), client, in, c.save()))
		}
		text, err := client.json(cmd.Context(), in)
		if err != nil {
			return asWrong(err)
		}
		if c.plain != "" && *format == outputTable {
			return asWrong(printPlain(app.Stdout, c.plain, text))
		}
		return asWrong(printAnswer(app.Stdout, *format, c.columns, text))
	}
	return cmd
}

// asWrong keeps an exit code that was chosen.
func asWrong(err error) error {
	var exit *ExitError
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return wrong("%w", err)
}

// download writes an answer to a new file, whole or not at all, readable by its
// owner only; "-" is standard output.
func (app *App) download(ctx context.Context, client *apiClient, in call, path string) (err error) {
	answer, err := client.send(ctx, in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if path == "-" {
		_, err := io.Copy(app.Stdout, answer.Body)
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".gatehouse-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	n, err := io.Copy(file, answer.Body)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Link(file.Name(), path) // not Rename: what is there stays
	}
	if err = errors.Join(err, os.Remove(file.Name())); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = fmt.Fprintf(app.Stdout, "wrote %d bytes to %s\n", n, path)
	return err
}

// printAnswer prints what the API has answered: a page of things as a table, one
// thing line by line.
func printAnswer(out io.Writer, format output, columns []column, text json.RawMessage) error {
	if len(text) == 0 {
		_, err := fmt.Fprintln(out, "done")
		return err
	}
	if format == outputJSON {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return fmt.Errorf("read control's answer: %w", err)
		}
		return writeJSON(out, v)
	}
	var page struct {
		Items      []map[string]any `json:"items"`
		NextCursor string           `json:"next_cursor"`
	}
	if err := json.Unmarshal(text, &page); err == nil && page.Items != nil {
		return printRows(out, columns, page.Items, page.NextCursor)
	}
	var one map[string]any
	if err := json.Unmarshal(text, &one); err != nil {
		return fmt.Errorf("control's answer has another form than expected: %w: pass --output json", err)
	}
	return printFields(out, one)
}

// printPlain prints a text that another program reads, such as a proof.
func printPlain(out io.Writer, field string, answer json.RawMessage) error {
	var one map[string]any
	if err := json.Unmarshal(answer, &one); err != nil {
		return fmt.Errorf("control's answer has another form than expected: %w: pass --output json", err)
	}
	text, ok := one[field].(string)
	if !ok {
		return fmt.Errorf("control's answer has no %s: pass --output json", field)
	}
	_, err := io.WriteString(out, text)
	return err
}

func printRows(out io.Writer, columns []column, rows []map[string]any, next string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, row := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = cellOf(row[c.field])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if next == "" {
		return nil
	}
	_, err := fmt.Fprintf(out, "more: --cursor %s\n", next)
	return err
}

func printFields(out io.Writer, one map[string]any) error {
	names := make([]string, 0, len(one))
	for name := range one {
		if name != "$schema" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range names {
		fmt.Fprintf(w, "%s\t%s\n", printable(name), cellOf(one[name]))
	}
	return w.Flush()
}

// cellOf is a value on one line, with nothing that moves a terminal's cursor.
func cellOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		if v == "" {
			return "-"
		}
		return printable(v)
	case float64, bool:
		return fmt.Sprint(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return printable(string(text))
}
