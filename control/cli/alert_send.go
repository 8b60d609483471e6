package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/control"
	"gatehouse/control/alert"
	"gatehouse/control/policy"
)

// sentRow is what came of a test alert.
type sentRow struct {
	Sink   string `json:"sink"`
	Kind   string `json:"kind"`
	Answer string `json:"answer"` // of the other side: a status, or the mail server's reply
	Millis int64  `json:"millis"`
}

func newAlertSend(app *App) *cobra.Command {
	var config, name string
	cmd := &cobra.Command{
		Use:   "send --sink NAME",
		Short: "Send a test alert through a sink of the policy file, and say what came back",
		Long: "Send a test alert (rule \"test\", severity info) through one sink of the policy file, once and at once,\n" +
			"and say what the other side answered. Nothing is kept: no alert, no delivery, no dead letter. An\n" +
			"Alertmanager takes it for over after three minutes.",
		Example: "  gatehouse alert send --sink on-call --config gatehouse.yaml",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&config, "config", "c", "gatehouse.yaml", "the policy file whose sink is tried")
	cmd.Flags().StringVar(&name, "sink", "", "the name of the sink")
	format := addOutputFlag(cmd)
	cmd.RunE = app.auditing(func(ctx context.Context, _ []string) error {
		if name == "" {
			return misuse("--sink is missing: name a sink of %s", config)
		}
		compiled, err := loadPolicy(config)
		if err != nil {
			return err
		}
		setting, err := sinkNamed(compiled.Alerts.Sinks, name, config)
		if err != nil {
			return err
		}
		row, err := tryAlertSink(ctx, setting)
		if err != nil {
			return err
		}
		if *format == outputJSON {
			return writeJSON(app.Stdout, row)
		}
		_, err = fmt.Fprintf(app.Stdout, "%s (%s) took the test alert in %d ms: %s\n", row.Sink, row.Kind, row.Millis, printable(row.Answer))
		return err
	})
	return cmd
}

func sinkNamed(sinks []policy.AlertSink, name, config string) (policy.AlertSink, error) {
	i := slices.IndexFunc(sinks, func(s policy.AlertSink) bool { return s.Name == name })
	if i >= 0 {
		return sinks[i], nil
	}
	known := make([]string, len(sinks))
	for i, s := range sinks {
		known[i] = s.Name
	}
	if len(known) == 0 {
		return policy.AlertSink{}, fmt.Errorf("%s has no sinks: add one under alerts.sinks", config)
	}
	return policy.AlertSink{}, fmt.Errorf("%s has no sink %q: there are %s", config, name, strings.Join(known, ", "))
}

// tryAlertSink makes only the sink that is tried: what is wrong with the others is
// not asked here.
func tryAlertSink(ctx context.Context, setting policy.AlertSink) (sentRow, error) {
	sinks, err := control.AlertSinks([]policy.AlertSink{setting}, time.Now)
	if err != nil {
		return sentRow{}, err
	}
	began := time.Now()
	answer, err := alert.SendTest(ctx, sinks[0], began)
	if err != nil {
		return sentRow{}, fmt.Errorf("sink %s did not take the test alert: %w", setting.Name, err)
	}
	return sentRow{setting.Name, setting.Kind, answer, time.Since(began).Milliseconds()}, nil
}
