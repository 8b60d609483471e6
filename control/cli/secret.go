package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/authz/secret/redisauth"
	"gatehouse/authz/secret/scan"
)

func newSecretCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Look after secrets: whether they are well kept, and whether they are where they do not belong",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretCheck(app), newSecretScan(app), newSecretRotate(app))
	return cmd
}

// scanFlags are those of secret scan.
type scanFlags struct {
	report       bool
	redis        string
	redisURLFile string
}

func newSecretScan(app *App) *cobra.Command {
	var f scanFlags
	cmd := &cobra.Command{
		Use:   "scan PATH...",
		Short: "Find secrets in files, folders or a log on standard input (-)",
		Long: "Find secrets with gitleaks' default rules and those of Gatehouse's own secrets. What git ignores and\n" +
			"binary files are passed over; a .gitleaks.toml in the folder adds rules and allowlists. The secrets\n" +
			"themselves are never printed. The exit code is 1 when one is found.",
		Example: "  gatehouse secret scan .\n  journalctl -u app | gatehouse secret scan -",
		Args:    cobra.MinimumNArgs(1),
	}
	cmd.Flags().BoolVar(&f.report, "report", false, "append a secret_detected event for each; needs Redis")
	cmd.Flags().StringVar(&f.redis, "redis", "", "redis://HOST:PORT/DB or unix:///PATH, for --report; without a password")
	cmd.Flags().StringVar(&f.redisURLFile, "redis-url-file", "", "file that holds the URL of Redis, for --report")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return app.scan(cmd.Context(), args, &f, *format)
	}
	return cmd
}

func (app *App) scan(ctx context.Context, paths []string, f *scanFlags, format output) (err error) {
	report, closeReport, err := app.reporter(f)
	if err != nil {
		return err
	}
	hits := []scan.Hit{}
	found := func(h scan.Hit) error {
		hits = append(hits, h)
		report(h)
		if format == outputJSON {
			return nil
		}
		_, err := fmt.Fprintf(app.Stdout, "%s:%d:%s\n", h.File, h.Line, h.Rule)
		return err
	}
	var errs []error
	for _, path := range paths {
		if path == "-" {
			errs = append(errs, app.scanInput(ctx, found))
			continue
		}
		errs = append(errs, scan.Tree(ctx, path, found))
	}
	errs = append(errs, closeReport())
	if format == outputJSON {
		errs = append(errs, writeJSON(app.Stdout, hits))
	}
	if err := errors.Join(errs...); err != nil {
		return wrong("%w", err)
	}
	if len(hits) > 0 {
		return wrong("%s found: replace them, since whoever could read this has them", count(len(hits), "secret"))
	}
	return nil
}

func (app *App) scanInput(ctx context.Context, found func(scan.Hit) error) error {
	scanner, err := scan.Default()
	if err != nil {
		return err
	}
	err = scanner.Reader(ctx, "-", app.Stdin, found)
	if errors.Is(err, scan.ErrBinary) {
		return errors.New("standard input is no text")
	}
	return err
}

// reportWithin is how long the end of a scan waits for Redis.
const reportWithin = 10 * time.Second

// reporter appends events, if that is asked for; closing waits for Redis.
func (app *App) reporter(f *scanFlags) (report func(scan.Hit), closing func() error, err error) {
	if !f.report {
		return func(scan.Hit) {}, func() error { return nil }, nil
	}
	log, err := app.logger("text", "warn")
	if err != nil {
		return nil, nil, err
	}
	url, err := app.redisURL(&commonFlags{redis: f.redis, redisURLFile: f.redisURLFile}, log.Logger)
	if err != nil {
		return nil, nil, err
	}
	if url == nil {
		return nil, nil, misuse("--report needs Redis: pass --redis, --redis-url-file or REDIS_URL_FILE")
	}
	password, err := app.live("REDIS_PASSWORD", log.Logger)
	if err != nil {
		return nil, nil, wrong("%w", err)
	}
	client, err := redisauth.Options{URL: url.Value(), Password: password.Value()}.Open(redisauth.Tuning{
		Name: "gatehouse-secret", PoolSize: 2, Dial: 5 * time.Second, Read: 3 * time.Second, Write: 3 * time.Second,
	})
	if err != nil {
		return nil, nil, wrong("%w", err)
	}
	writer, err := event.NewWriter(event.Options{Redis: client, Source: "control", Logger: log.Logger, Guard: log.guard})
	if err != nil {
		return nil, nil, wrong("%w", err)
	}
	report = func(h scan.Hit) {
		writer.Append(event.OfSecret(secret.Detection{Rule: h.Rule, Place: fmt.Sprintf("%s:%d", h.File, h.Line), Count: 1}))
	}
	return report, func() error {
		defer log.close()
		ctx, cancel := context.WithTimeout(context.Background(), reportWithin)
		defer cancel()
		return errors.Join(writer.Close(ctx), client.Close())
	}, nil
}
