package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/control/store"
)

func newAlertCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "Try alert rules and sinks, list alerts, and send dead letters again",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAlertTest(app), newAlertSend(app), newAlertList(app), newAlertDeadLetters(app))
	return cmd
}

// alertRow is an alert as it is printed.
type alertRow struct {
	ID       string            `json:"id"`
	Rule     string            `json:"rule"`
	Severity string            `json:"severity"`
	Group    map[string]string `json:"group,omitempty"`
	Events   int64             `json:"events"`
	Started  time.Time         `json:"started"`
	Ended    time.Time         `json:"ended,omitzero"`
	Summary  string            `json:"summary"`
}

func rowOf(a store.Alert) alertRow {
	return alertRow{a.ID, a.Rule, a.Severity, a.Labels, a.Events, a.Started, a.Ended, a.Summary}
}

const mostAlerts = 500

func newAlertList(app *App) *cobra.Command {
	var f indexFlags
	var rule string
	var firing bool
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List alerts, the newest first", Args: cobra.NoArgs}
	f.add(cmd)
	cmd.Flags().StringVar(&rule, "rule", "", "only those of this rule")
	cmd.Flags().BoolVar(&firing, "firing", false, "only those that are not over")
	cmd.Flags().IntVarP(&limit, "lines", "n", 20, "how many")
	format := addOutputFlag(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error {
		if limit < 1 || limit > mostAlerts {
			return misuse("-n is %d: write 1 to %d", limit, mostAlerts)
		}
		state := ""
		if firing {
			state = "firing"
		}
		return f.with(ctx, app, func(s *store.Store) error {
			found, _, err := s.Alerts(ctx, rule, state, limit, "")
			if err != nil {
				return err
			}
			rows := make([]alertRow, len(found))
			for i, a := range found {
				rows[i] = rowOf(a)
			}
			if *format == outputJSON {
				return writeJSON(app.Stdout, rows)
			}
			return app.printAlerts(rows)
		})
	})
	return cmd
}

func (app *App) printAlerts(rows []alertRow) error {
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STARTED\tSTATE\tSEVERITY\tRULE\tEVENTS\tGROUP\tSUMMARY")
	for _, r := range rows {
		state := "firing"
		if !r.Ended.IsZero() {
			state = "over"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.Started.Format(time.RFC3339), state, r.Severity, printable(r.Rule), r.Events,
			printable(groupText(r.Group)), printable(r.Summary))
	}
	return w.Flush()
}

func groupText(group map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(group)) {
		parts = append(parts, name+"="+group[name])
	}
	return strings.Join(parts, " ")
}

// deadRow is a dead letter as it is printed.
type deadRow struct {
	Sink     string    `json:"sink"`
	Dead     time.Time `json:"dead"`
	Attempts int64     `json:"attempts"`
	Reason   string    `json:"reason"`
	Resolved bool      `json:"resolved"`
	Alert    alertRow  `json:"alert"`
}

func newAlertDeadLetters(app *App) *cobra.Command {
	var f indexFlags
	var retry bool
	cmd := &cobra.Command{
		Use: "dead-letters", Short: "List what a sink did not take in the end; with --retry, send it again", Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&retry, "retry", false, "send all of them again: control does, within a second")
	format := addOutputFlag(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error {
		return f.with(ctx, app, func(s *store.Store) error {
			if retry {
				n, err := s.Revive(ctx)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(app.Stdout, "%s will be sent again\n", count(int(n), "message"))
				return err
			}
			return app.printDead(ctx, s, *format)
		})
	})
	return cmd
}

func (app *App) printDead(ctx context.Context, s *store.Store, format output) error {
	found, err := s.DeadDeliveries(ctx, mostAlerts)
	if err != nil {
		return err
	}
	rows := make([]deadRow, len(found))
	for i, d := range found {
		rows[i] = deadRow{d.Sink, d.Dead, d.Attempts, d.LastError, d.Resolved, rowOf(d.Alert)}
	}
	if format == outputJSON {
		return writeJSON(app.Stdout, rows)
	}
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SINCE\tSINK\tRULE\tATTEMPTS\tWHY")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", r.Dead.Format(time.RFC3339), printable(r.Sink), printable(r.Alert.Rule), r.Attempts, printable(r.Reason))
	}
	return w.Flush()
}

var errTestsFailed = errors.New("a test of the rules failed")
