package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/limit"
	"gatehouse/control/policy"
	"gatehouse/control/simulate"
)

func newLimitCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "limit",
		Short: "See what limits do, or would do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return misuse("say what to do: gatehouse limit top, show, reset or simulate")
		},
	}
	cmd.AddCommand(newLimitSimulateCommand(app), newLimitTopCommand(app), newLimitShowCommand(app), newLimitResetCommand(app))
	return cmd
}

// simulateFlags are those of limit simulate.
type simulateFlags struct {
	rate, algorithm string
	zone            string
	burst           int64
	options         simulate.Options
}

func newLimitSimulateCommand(app *App) *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate [LOG...]",
		Short: "Replay an access log against a limit, and say what it would have refused",
		Long: "Replay access logs against a limit that is not in force: Envoy's default format, the common and combined\n" +
			"formats, or JSON by line. Without a file, or for -, it reads standard input. Clients that had been refused\n" +
			"might have tried again: the log does not know.",
		Example: "  gatehouse limit simulate --rate 50/s --by ip access.log\n" +
			"  gatehouse limit simulate --rate 1000/1h --by user --algorithm gcra --burst 50 yesterday.json",
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.rate, "rate", "", "requests and window, as in gatehouse.yaml: 50/s, 100/60s")
	flags.StringSliceVar(&f.options.By, "by", []string{"ip"}, "what separates counters: ip, user, path, or fields of JSON lines")
	flags.StringVar(&f.algorithm, "algorithm", string(limit.SlidingWindow), "sliding_window, fixed_window, gcra, two_bucket or quota")
	flags.StringVar(&f.zone, "time-zone", "", "quota: whose calendar, such as Europe/Berlin; UTC unless told")
	flags.Int64Var(&f.burst, "burst", 0, "what gcra admits at once after a rest; 0 is as many as the rate's")
	flags.IntVar(&f.options.Hops, "trusted-hops", 0, "proxies of your own in front of the Envoy whose log it is")
	flags.IntVar(&f.options.IPv6Prefix, "ipv6-prefix", limit.DefaultIPv6Prefix, "bits of an IPv6 address that are one client")
	flags.StringVar(&f.options.Time, "time-field", "", "the field of JSON lines with the time; the usual ones unless told")
	flags.StringVar(&f.options.IP, "ip-field", "", "the field with the client's address")
	flags.StringVar(&f.options.User, "user-field", "", "the field with the user")
	flags.StringVar(&f.options.Path, "path-field", "", "the field with the path")
	flags.IntVar(&f.options.Top, "top", 10, "how many of the most refused keys are told")
	out := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		if err := f.resolve(); err != nil {
			return err
		}
		logs, done, err := app.logs(files)
		if err != nil {
			return err
		}
		defer done()
		report, err := simulate.Run(cmd.Context(), f.options, logs...)
		switch {
		case errors.Is(err, limit.ErrSpec) || errors.Is(err, simulate.ErrNoKey):
			return misuse("%w", err)
		case err != nil:
			return wrong("%w", err)
		case *out == outputJSON:
			return writeJSON(app.Stdout, report)
		}
		return printSimulation(app.Stdout, f.rate, report)
	}
	return cmd
}

func (f *simulateFlags) resolve() error {
	if f.rate == "" {
		return misuse("say which limit to try: --rate 50/s")
	}
	rate, err := policy.ParseRate(f.rate)
	if err != nil {
		return misuse("--rate %w", err)
	}
	if f.options.Hops < 0 || f.options.Top < 0 {
		return misuse("--trusted-hops and --top are not negative")
	}
	f.options.Spec = limit.Spec{
		Name: "simulated", Algorithm: limit.Algorithm(f.algorithm), Requests: rate.Requests, Window: rate.Window, Burst: f.burst,
	}
	return f.quota(rate)
}

// quota has a calendar; no other algorithm does.
func (f *simulateFlags) quota(rate policy.Rate) error {
	switch quota := f.algorithm == string(limit.Quota); {
	case quota && rate.Period == "":
		return misuse("a quota is for a calendar's day or month: --rate 1000/day")
	case quota:
		calendar, err := limit.NewCalendar(rate.Period, f.zone)
		if err != nil {
			return misuse("--time-zone: %w", err)
		}
		f.options.Spec.Calendar = calendar
	case rate.Period != "":
		return misuse("--rate %s is for a calendar's %s: write --algorithm quota, or a window such as 24h", f.rate, rate.Period)
	case f.zone != "":
		return misuse("--time-zone is for --algorithm quota")
	case f.algorithm == string(limit.Concurrency):
		return misuse("an access log does not tell which requests were under way at once: concurrency cannot be replayed")
	}
	return nil
}

// logs opens the files; done closes them.
func (app *App) logs(files []string) (logs []io.Reader, done func(), err error) {
	var opened []*os.File
	done = func() {
		for _, f := range opened {
			_ = f.Close() // were only read
		}
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if name == "-" {
			logs = append(logs, app.Stdin)
			continue
		}
		f, err := os.Open(name) // #nosec G304 -- the file that the user names
		if err != nil {
			done()
			return nil, nil, wrong("%w", err)
		}
		opened = append(opened, f)
		logs = append(logs, f)
	}
	return logs, done, nil
}

func printSimulation(w io.Writer, rate string, r simulate.Report) error {
	if r.Requests == 0 {
		fmt.Fprintf(w, "No request of %d lines has what the limit counts by; %d could not be read.\n", r.Lines, r.Unread)
	} else {
		fmt.Fprintf(w, "%s would have refused %d of %d requests (%.2f %%), of %d of %d keys, from %s to %s.\n",
			rate, r.Refused, r.Requests, 100*float64(r.Refused)/float64(r.Requests), r.Hit, r.Keys,
			r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339))
	}
	for _, note := range []struct {
		n    int
		text string
	}{
		{r.Without, "%d requests lack a part of the key: the limit does not apply to them.\n"},
		{r.OutOfOrder, "%d lines are older than the one before, and were counted at its time.\n"},
		{r.Unread, "%d lines could not be read:\n"},
	} {
		if note.n > 0 {
			fmt.Fprintf(w, note.text, note.n)
		}
	}
	for _, example := range r.Examples {
		fmt.Fprintf(w, "  %s\n", example)
	}
	if r.Crowded {
		fmt.Fprintln(w, "There were more keys than are told apart; those beyond were counted as one, so that the figures are too high.")
	}
	if len(r.Top) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "\nKEY\tREQUESTS\tREFUSED")
	for _, k := range r.Top {
		fmt.Fprintf(table, "%s\t%d\t%d\n", k.Key, k.Requests, k.Refused)
	}
	return table.Flush()
}
