package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/control"
)

const (
	defaultControl = "http://127.0.0.1:8081"
	askWithin      = 2 * time.Second
)

// rollbackFlags are those of rollback.
type rollbackFlags struct {
	stateDir, config, control, to string
	list, print, noWait           bool
	wait                          time.Duration
}

func newRollbackCommand(app *App) *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Return to the previous good policy",
		Long: "Puts the previous good policy back into the policy file, keeps the replaced file beside it, and waits\n" +
			"until control and its Envoys have it. Without --to that is the newest policy that was live and means\n" +
			"something else than the file does now. Done (0) means live; where control does not answer, the file is\n" +
			"put back all the same, and the exit code is 1, because Envoy still has what it had.",
		Example: "  gatehouse rollback\n  gatehouse rollback --list\n  gatehouse rollback --to 3f2a",
		Args:    cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.stateDir, "state-dir", defaultState, "control's folder, or the one of the whole pack (GATEHOUSE_STATE_DIR)")
	flags.StringVarP(&f.config, "config", "c", "", "policy file (default: that of the running `gatehouse up`, else gatehouse.yaml)")
	flags.StringVar(&f.control, "control", "", "control's address (default: that of the running `gatehouse up`, else "+defaultControl+")")
	flags.StringVar(&f.to, "to", "", "version to return to, or its beginning")
	flags.BoolVar(&f.list, "list", false, "only list what there is to return to, the newest first")
	flags.BoolVar(&f.print, "print", false, "only print the policy to return to, for a file that cannot be replaced")
	flags.BoolVar(&f.noWait, "no-wait", false, "do not wait until it is live")
	flags.DurationVar(&f.wait, "wait", 20*time.Second, "how long to wait until it is live")
	cmd.MarkFlagsMutuallyExclusive("list", "print", "no-wait")
	cmd.MarkFlagsMutuallyExclusive("list", "to")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		f.complete()
		switch {
		case f.list:
			return app.listPolicies(&f, *format)
		case f.print:
			return app.printPolicy(&f)
		}
		return app.rollback(cmd.Context(), &f, *format)
	}
	return cmd
}

// complete takes from up.json what the flags leave open.
func (f *rollbackFlags) complete() {
	var running struct {
		Addresses  map[string]string `json:"addresses"`
		ConfigFile string            `json:"config_file"`
	}
	if text, err := os.ReadFile(filepath.Join(f.stateDir, "up.json")); err == nil {
		_ = json.Unmarshal(text, &running) // then nothing is taken from it
	}
	if f.config == "" {
		f.config = firstSet(running.ConfigFile, "gatehouse.yaml")
	}
	if f.control == "" {
		f.control = firstSet(running.Addresses["control"], defaultControl)
	}
	whole := filepath.Join(f.stateDir, "control")
	if info, err := os.Stat(filepath.Join(whole, "policies")); err == nil && info.IsDir() {
		f.stateDir = whole
	}
}

func firstSet(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (app *App) listPolicies(f *rollbackFlags, format output) error {
	kept, err := control.KeptPolicies(f.stateDir)
	if err != nil {
		return wrong("%w", err)
	}
	if format == outputJSON {
		if kept == nil {
			kept = []control.KeptPolicy{}
		}
		return writeJSON(app.Stdout, kept)
	}
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tLIVE SINCE")
	for _, k := range kept {
		fmt.Fprintf(w, "%s\t%s\n", k.Version, k.Since.Format(time.RFC3339))
	}
	return w.Flush()
}

func (app *App) printPolicy(f *rollbackFlags) error {
	plan, err := control.PlanRollback(f.stateDir, f.config, f.to)
	if err != nil {
		return wrong("%w", err)
	}
	_, err = app.Stdout.Write(plan.Source())
	return err
}

// rollbackReport is what `rollback --output json` prints.
type rollbackReport struct {
	Version  string        `json:"version"`
	From     string        `json:"from,omitempty"` // empty: the file was no policy
	File     string        `json:"file"`
	Replaced string        `json:"replaced,omitempty"`
	Live     bool          `json:"live"`
	Reason   string        `json:"reason,omitempty"` // why it is not live
	Envoys   *control.Live `json:"envoys,omitempty"`
	Seconds  float64       `json:"seconds"`
}

func (app *App) rollback(ctx context.Context, f *rollbackFlags, format output) error {
	plan, err := control.PlanRollback(f.stateDir, f.config, f.to)
	if err != nil {
		return wrong("%w", err)
	}
	follower := &control.Follower{URL: f.control, Client: &http.Client{Timeout: askWithin}}
	away := errNotAsked
	if !f.noWait {
		away = follower.Look(ctx)
	}
	began := time.Now()
	replaced, err := plan.Apply(began)
	if err != nil {
		return wrong("%w", err)
	}
	report := rollbackReport{Version: plan.Target.Version, From: plan.From, File: plan.Config(), Replaced: replaced}
	if away == nil {
		ctx, cancel := context.WithTimeout(ctx, f.wait)
		defer cancel()
		var live control.Live
		live, away = follower.Await(ctx, plan.Target.Version)
		report.Envoys = &live
	}
	report.Seconds, report.Live = time.Since(began).Seconds(), away == nil
	if away != nil {
		report.Reason = away.Error()
	}
	if err := app.printRollback(report, format); err != nil {
		return err
	}
	return verdictOf(report, away)
}

var errNotAsked = errors.New("nobody was asked (--no-wait)")

func (app *App) printRollback(r rollbackReport, format output) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	from := "a file that is no policy"
	if r.From != "" {
		from = "policy " + r.From
	}
	fmt.Fprintf(app.Stdout, "%s holds policy %s again instead of %s\n", r.File, r.Version, from)
	if r.Replaced != "" {
		fmt.Fprintf(app.Stdout, "the replaced file is kept as %s\n", r.Replaced)
	}
	if r.Live {
		fmt.Fprintf(app.Stdout, "live after %.1fs, on %s\n", r.Seconds, countOf(r.Envoys.Envoys, "Envoy", "Envoys"))
	}
	return nil
}

func verdictOf(r rollbackReport, why error) error {
	switch {
	case r.Live || errors.Is(why, errNotAsked):
		return nil
	case errors.Is(why, control.ErrControlAway):
		return wrong("the file is put back but not live: %w; Envoy goes on with what it has until control starts and reads the file", why)
	default:
		return wrong("the file is put back but not live: %w", why)
	}
}
