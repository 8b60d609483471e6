package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/control/audit"
	"gatehouse/control/store"
)

// indexFlags say where the index is.
type indexFlags struct {
	logFolder

	store string
}

func (f *indexFlags) add(cmd *cobra.Command) {
	f.logFolder.add(cmd)
	addStoreFlag(cmd.Flags(), &f.store, defaultStore(), "the index")
}

// with opens the store for as long as run takes.
func (f *indexFlags) with(ctx context.Context, app *App, run func(*store.Store) error) error {
	return app.withStore(ctx, f.store, run)
}

// searchFlags are those of audit search.
type searchFlags struct {
	indexFlags

	reveal   bool
	query    store.EventQuery
	from, to string
}

func newAuditSearch(app *App) *cobra.Command {
	var f searchFlags
	cmd := &cobra.Command{
		Use:   "search [TEXT]",
		Short: "Find events by what they say, through the index; the newest first",
		Long: "Find events by what they say, through the index in the store; TEXT stands in the rule or the reason.\n" +
			"What is printed is read from the log itself. An event can be found a moment after it was logged.",
		Args: cobra.MaximumNArgs(1),
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.query.Types, "type", nil, "only events of this type; may be repeated")
	for name, field := range map[string]*string{
		"id": &f.query.ID, "subject": &f.query.Subject, "client": &f.query.Client, "request-id": &f.query.RequestID,
		"outcome": &f.query.Outcome, "severity": &f.query.Severity, "feature": &f.query.Feature, "rule": &f.query.Rule,
	} {
		flags.StringVar(field, name, "", "only events with this "+name)
	}
	flags.StringVar(&f.from, "from", "", "not before this time: 2026-01-02T15:04:05Z or 2026-01-02")
	flags.StringVar(&f.to, "to", "", "before this time")
	flags.IntVarP(&f.query.Limit, "lines", "n", 50, "how many to print at most, up to 500")
	flags.StringVar(&f.query.Cursor, "cursor", "", "go on behind the page that gave this cursor")
	addReveal(cmd, &f.reveal)
	format := addOutputFlag(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, args []string) (err error) {
		if f.query.From, f.query.To, err = period(f.from, f.to); err != nil {
			return err
		}
		if f.query.Limit < 1 || f.query.Limit > store.MaxPage {
			return misuse("-n is %d: write 1 to %d", f.query.Limit, store.MaxPage)
		}
		if len(args) > 0 {
			f.query.Text = args[0]
		}
		return f.with(ctx, app, func(s *store.Store) error { return f.search(ctx, app, s, *format) })
	})
	return cmd
}

func (f *searchFlags) search(ctx context.Context, app *App, s *store.Store, format output) error {
	page, err := s.SearchEvents(ctx, f.query)
	if errors.Is(err, store.ErrBadCursor) {
		return misuse("%w", err)
	}
	if err != nil {
		return err
	}
	leaves := make([]uint64, 0, len(page.Events))
	for _, e := range page.Events {
		leaves = append(leaves, e.Leaf)
	}
	events, err := audit.At(ctx, f.path(), leaves)
	if err != nil {
		return fmt.Errorf("%w: is the index (--store) that of this log? `gatehouse audit reindex` makes it so", err)
	}
	p := newEventPrinter(app.Stdout, format)
	if f.reveal {
		if p.reveal, err = openRevealer(ctx, app, f.stateDir, s); err != nil {
			return err
		}
	}
	for i, e := range events {
		if e.ID != page.Events[i].ID {
			return fmt.Errorf("the index says that entry %d is event %s, and the log has %s there: run `gatehouse audit reindex`", leaves[i], printable(page.Events[i].ID), printable(e.ID))
		}
		if err := p.print(ctx, e); err != nil {
			return err
		}
	}
	if page.Next != "" {
		_, err = fmt.Fprintf(app.Stderr, "there are more: --cursor %s\n", page.Next)
	}
	return err
}

func newAuditReindex(app *App) *cobra.Command {
	var f indexFlags
	cmd := &cobra.Command{
		Use:   "reindex",
		Short: "Build the search index anew from the log alone, also while control runs",
		Args:  cobra.NoArgs,
	}
	f.add(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error {
		return f.with(ctx, app, func(s *store.Store) error {
			n, err := audit.Reindex(ctx, f.path(), s)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.Stdout, "%d events can be searched for\n", n)
			return err
		})
	})
	return cmd
}
