package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/control/store"
)

func newCSPCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "csp",
		Short: "Tell what browsers report about Content-Security-Policies",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCSPReport(app))
	return cmd
}

// cspRow is a group of reports as it is printed.
type cspRow struct {
	Policy      string    `json:"policy"`
	Disposition string    `json:"disposition"`
	Directive   string    `json:"directive"`
	Blocked     string    `json:"blocked"`
	Page        string    `json:"page,omitempty"`
	Reports     int64     `json:"reports"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
}

func newCSPReport(app *App) *cobra.Command {
	var f indexFlags
	var policy string
	var limit int
	cmd := &cobra.Command{
		Use: "report", Short: "List what a policy blocks, and what it would break if it were enforced", Args: cobra.NoArgs,
		Long: "List what browsers reported, by policy, directive and blocked source, those with the most reports first.\n" +
			"EFFECT is \"would break\" for policies under csp_report_only: that is what to look at before one enforces.\n" +
			"Reports can be made up by anybody; what many browsers say over days is likely to be so.",
	}
	f.add(cmd)
	cmd.Flags().StringVar(&policy, "policy", "", "only those of this policy")
	cmd.Flags().IntVarP(&limit, "lines", "n", 50, "how many")
	format := addOutputFlag(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error {
		if limit < 1 || limit > store.MaxCSPGroups {
			return misuse("-n is %d: write 1 to %d", limit, store.MaxCSPGroups)
		}
		return f.with(ctx, app, func(s *store.Store) error {
			found, err := s.CSPReports(ctx, policy, limit)
			if err != nil {
				return err
			}
			rows := make([]cspRow, len(found))
			for i, r := range found {
				rows[i] = cspRow(r)
			}
			if *format == outputJSON {
				return writeJSON(app.Stdout, rows)
			}
			return app.printCSP(rows)
		})
	})
	return cmd
}

func (app *App) printCSP(rows []cspRow) error {
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REPORTS\tEFFECT\tPOLICY\tDIRECTIVE\tBLOCKED\tLAST SEEN\tPAGE")
	for _, r := range rows {
		effect := "blocked"
		if r.Disposition == "report" {
			effect = "would break"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Reports, effect, printable(r.Policy), printable(r.Directive), printable(r.Blocked),
			r.Last.Format(time.RFC3339), printable(r.Page))
	}
	return w.Flush()
}
