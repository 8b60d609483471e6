package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/control/audit"
)

func newAuditCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read, search and verify the audit log",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditTail(app), newAuditSearch(app), newAuditVerify(app), newAuditProve(app),
		newAuditExport(app), newAuditReindex(app), newAuditKeygen(app))
	return cmd
}

// logFolder says where the log is.
type logFolder struct{ stateDir, dir string }

func (f *logFolder) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.stateDir, "state-dir", defaultState, "control's folder, or the one of the whole pack (GATEHOUSE_STATE_DIR)")
	cmd.Flags().StringVar(&f.dir, "dir", "", "the log's own folder, instead")
}

func (f *logFolder) path() string {
	if f.dir != "" {
		return f.dir
	}
	return auditDir(f.stateDir)
}

// auditing makes the RunE of a command: flags from the environment, and exit
// code 1 for what fails.
func (app *App) auditing(run func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		err := run(cmd.Context(), args)
		var exit *ExitError
		if err == nil || errors.As(err, &exit) {
			return err
		}
		return wrong("%w", err)
	}
}

// tailFlags are those of audit tail.
type tailFlags struct {
	logFolder

	follow    bool
	lines     int
	types     []string
	requestID string
}

func newAuditTail(app *App) *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print the newest events, and with -f those that come",
		Args:  cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with new events until interrupted")
	cmd.Flags().IntVarP(&f.lines, "lines", "n", 20, "how many of the newest events to print first")
	cmd.Flags().StringSliceVar(&f.types, "type", nil, "only events of this type (file_upload_rejected); may be repeated")
	cmd.Flags().StringVar(&f.requestID, "request-id", "", "only events of this request")
	format := addOutputFlag(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error {
		if f.lines < 0 {
			return misuse("-n is %d: write 0 or more", f.lines)
		}
		return f.tail(ctx, newEventPrinter(app.Stdout, *format))
	})
	return cmd
}

func (f *tailFlags) tail(ctx context.Context, p *eventPrinter) error {
	dir := f.path()
	if !f.follow {
		return f.newest(ctx, dir, p.print)
	}
	// The newest are printed once nothing can be missed any more; what is
	// appended meanwhile comes twice and is printed once.
	printed := map[string]bool{}
	return audit.Follow(ctx, dir, func() error {
		err := f.newest(ctx, dir, func(e event.Event) error {
			printed[e.ID] = true
			return p.print(e)
		})
		if errors.Is(err, audit.ErrNoLog) {
			return nil // there will be one
		}
		return err
	}, func(e event.Event) error {
		if printed[e.ID] || !f.match(e) {
			return nil
		}
		return p.print(e)
	})
}

func (f *tailFlags) newest(ctx context.Context, dir string, print func(event.Event) error) error {
	events, err := audit.Last(ctx, dir, f.lines, f.match)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := print(e); err != nil {
			return err
		}
	}
	return nil
}

func (f *tailFlags) match(e event.Event) bool {
	if f.requestID != "" && e.RequestID != f.requestID {
		return false
	}
	return ofType(e, f.types)
}

// auditDir finds the log under the folder of control or of the whole pack.
func auditDir(stateDir string) string {
	whole := filepath.Join(stateDir, "control", "audit")
	if info, err := os.Stat(whole); err == nil && info.IsDir() {
		return whole
	}
	return filepath.Join(stateDir, "audit")
}
