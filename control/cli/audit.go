package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/control/audit"
)

func newAuditCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read the audit log",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditTail(app))
	return cmd
}

// tailFlags are those of audit tail.
type tailFlags struct {
	stateDir  string
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
	cmd.Flags().StringVar(&f.stateDir, "state-dir", defaultState, "control's folder, or the one of the whole pack (GATEHOUSE_STATE_DIR)")
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with new events until interrupted")
	cmd.Flags().IntVarP(&f.lines, "lines", "n", 20, "how many of the newest events to print first")
	cmd.Flags().StringSliceVar(&f.types, "type", nil, "only events of this type (file_upload_rejected); may be repeated")
	cmd.Flags().StringVar(&f.requestID, "request-id", "", "only events of this request")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		if f.lines < 0 {
			return misuse("-n is %d: write 0 or more", f.lines)
		}
		if err := f.tail(cmd.Context(), newEventPrinter(app.Stdout, *format)); err != nil {
			return wrong("%w", err)
		}
		return nil
	}
	return cmd
}

func (f *tailFlags) tail(ctx context.Context, p *eventPrinter) error {
	dir := auditDir(f.stateDir)
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
	for _, t := range f.types {
		if string(e.Type) == t {
			return true
		}
	}
	return len(f.types) == 0
}

// auditDir finds the log under the folder of control or of the whole pack.
func auditDir(stateDir string) string {
	whole := filepath.Join(stateDir, "control", "audit")
	if info, err := os.Stat(whole); err == nil && info.IsDir() {
		return whole
	}
	return filepath.Join(stateDir, "audit")
}

// eventPrinter prints events as they come: JSON one a line, or columns.
type eventPrinter struct {
	out    io.Writer
	format output
	header bool
}

func newEventPrinter(out io.Writer, format output) *eventPrinter {
	return &eventPrinter{out: out, format: format}
}

const eventColumns = "%-24s  %-8s  %-23s  %-8s  %-6s  %-28s  %-14s  %s\n"

func (p *eventPrinter) print(e event.Event) error {
	if p.format == outputJSON {
		enc := json.NewEncoder(p.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(e)
	}
	if !p.header {
		p.header = true
		if _, err := fmt.Fprintf(p.out, eventColumns, "TIME", "SEVERITY", "TYPE", "OUTCOME", "STATUS", "REQUEST", "CLIENT", "WHY"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.out, eventColumns, e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), printable(string(e.Severity)),
		printable(string(e.Type)), printable(string(e.Outcome)), status(e), shortened(printable(strings.TrimSpace(e.Method+" "+e.Path)), 28),
		shortened(printable(e.Client), 14), printable(why(e)))
	return err
}

func status(e event.Event) string {
	if e.Status == 0 {
		return "-"
	}
	return strconv.Itoa(e.Status)
}

// why is the shortest true answer: the rule and the reason, else who it was
// about.
func why(e event.Event) string {
	parts := []string{}
	for _, part := range []string{e.Rule, e.Reason} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 && e.PolicyVersion != "" {
		parts = append(parts, "policy "+strings.TrimSpace(e.Policy+" "+e.PolicyVersion))
	}
	return strings.Join(parts, ": ")
}

// printable keeps what a client has sent from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, s)
}

func shortened(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-1]) + "…"
}
