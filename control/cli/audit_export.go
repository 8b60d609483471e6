package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/control/audit"
	"gatehouse/control/audit/ocsf"
)

// exportFlags are those of audit export.
type exportFlags struct {
	logFolder

	format, from, to string
	types            []string
}

func newAuditExport(app *App) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write events, one a line, as JSON or in the form of OCSF " + ocsf.Version,
		Args:  cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.format, "format", "jsonl", "jsonl (as in the log) or ocsf")
	cmd.Flags().StringVar(&f.from, "from", "", "not before this time: 2026-01-02T15:04:05Z or 2026-01-02")
	cmd.Flags().StringVar(&f.to, "to", "", "before this time")
	cmd.Flags().StringSliceVar(&f.types, "type", nil, "only events of this type; may be repeated")
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error { return f.export(ctx, app.Stdout) })
	return cmd
}

func (f *exportFlags) export(ctx context.Context, out io.Writer) error {
	form := map[string]func(event.Event) any{
		"jsonl": func(e event.Event) any { return e },
		"ocsf":  func(e event.Event) any { return ocsf.From(e) },
	}[f.format]
	if form == nil {
		return misuse("--format is %q: write jsonl or ocsf", f.format)
	}
	from, to, err := period(f.from, f.to)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	err = audit.Scan(ctx, f.path(), func(e event.Event) error {
		if e.Time.Before(from) || !to.IsZero() && !e.Time.Before(to) || !ofType(e, f.types) {
			return nil
		}
		return encoder.Encode(form(e))
	})
	return errors.Join(err, w.Flush())
}

// period reads two times; empty ones are zero.
func period(from, to string) (begin, end time.Time, err error) {
	for _, p := range []struct {
		flag, text string
		into       *time.Time
	}{{"--from", from, &begin}, {"--to", to, &end}} {
		if p.text == "" {
			continue
		}
		if *p.into, err = time.Parse(time.RFC3339, p.text); err != nil {
			*p.into, err = time.Parse(time.DateOnly, p.text)
		}
		if err != nil {
			return begin, end, misuse("%s is %q: write 2026-01-02T15:04:05Z or 2026-01-02", p.flag, p.text)
		}
	}
	return begin, end, nil
}

// ofType says whether an event is of one of the types; all are where there are
// none.
func ofType(e event.Event, types []string) bool {
	for _, t := range types {
		if string(e.Type) == t {
			return true
		}
	}
	return len(types) == 0
}
