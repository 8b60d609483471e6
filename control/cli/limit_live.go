package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"gatehouse/authz/limit"
	"gatehouse/authz/ratelimit"
	"gatehouse/authz/secret/redisauth"
)

// limitWithin bounds what a command asks of Redis.
const limitWithin = 10 * time.Second

// maxTop is the most that limit top prints.
const maxTop = 1000

// limitDesk is where counters are: Redis.
type limitDesk struct {
	redis commonFlags
}

func (d *limitDesk) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&d.redis.redis, "redis", "", "redis://HOST:PORT/DB, unix:///PATH, redis-cluster:// or redis-sentinel://, without a password (REDIS_PASSWORD_FILE)")
	flags.StringVar(&d.redis.redisURLFile, "redis-url-file", "", "file that holds the URL of Redis")
}

// with opens Redis for as long as run takes.
func (d *limitDesk) with(app *App, run func(context.Context, redis.UniversalClient, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		log, err := app.logger("text", "warn")
		if err != nil {
			return err
		}
		defer log.close()
		url, err := app.redisURL(&d.redis, log.Logger)
		if err != nil {
			return err
		}
		if url == nil {
			return misuse("counters are in Redis: pass --redis, --redis-url-file or REDIS_URL_FILE")
		}
		password, err := app.live("REDIS_PASSWORD", log.Logger)
		if err != nil {
			return wrong("%w", err)
		}
		client, err := redisauth.Options{URL: url.Value(), Password: password.Value()}.Open(redisauth.Tuning{
			Name: "gatehouse-limit", PoolSize: 2, Dial: time.Second, Read: 2 * time.Second, Write: 2 * time.Second,
		})
		if err != nil {
			return wrong("%w", err)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), limitWithin)
		defer cancel()
		return errors.Join(asWrong(run(ctx, client, args)), client.Close())
	}
}

func newLimitTopCommand(app *App) *cobra.Command {
	var desk limitDesk
	var shadow bool
	var most int
	cmd := &cobra.Command{
		Use:   "top",
		Short: "List who is being limited now, and by what",
		Long: "List the counters that refuse most, of all replicas, with about how many refusals a minute. It is approximate:\n" +
			"the last five minutes count, each half as much as the one after it, a second behind, and at most a thousand\n" +
			"counters a minute are remembered.",
		Args: cobra.NoArgs,
	}
	desk.add(cmd)
	cmd.Flags().BoolVar(&shadow, "shadow", false, "those that would be limited, by limits that only report")
	cmd.Flags().IntVar(&most, "most", 20, "how many, 1 to 1000")
	out := addOutputFlag(cmd)
	cmd.RunE = desk.with(app, func(ctx context.Context, client redis.UniversalClient, _ []string) error {
		if most < 1 || most > maxTop {
			return misuse("--most is 1 to %d", maxTop)
		}
		top, err := limit.NewRefusals(client, nil).Top(ctx, shadow, most)
		if err != nil {
			return err
		}
		if *out == outputJSON {
			return writeJSON(app.Stdout, top)
		}
		return printTop(app.Stdout, top)
	})
	return cmd
}

func printTop(w io.Writer, top []limit.Hot) error {
	if len(top) == 0 {
		fmt.Fprintln(w, "Nobody is being limited.")
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "REFUSED/MIN\tLIMIT\tALGORITHM\tNAME\tKEY")
	for _, h := range top {
		of := fmt.Sprint(h.Limit)
		if h.Window > 0 {
			of += "/" + h.Window.String()
		}
		fmt.Fprintf(table, "%.0f\t%s\t%s\t%s\t%s\n", h.Refused, of, h.Algorithm, h.Name, h.Key)
	}
	return table.Flush()
}

func newLimitShowCommand(app *App) *cobra.Command {
	var desk limitDesk
	cmd := &cobra.Command{
		Use:   "show KEY",
		Short: "Show a counter's value",
		Long:  "Show what Redis counts under a KEY of `gatehouse limit top`. What replicas hold in slices (lease) is counted as used.",
		Args:  cobra.ExactArgs(1),
	}
	desk.add(cmd)
	out := addOutputFlag(cmd)
	cmd.RunE = desk.with(app, func(ctx context.Context, client redis.UniversalClient, args []string) error {
		counters, err := limit.NewInspector(client).Show(ctx, args[0], ratelimit.Lengths()...)
		switch {
		case err != nil:
			return err
		case len(counters) == 0:
			return fmt.Errorf("there is no counter of %.120q now: see `gatehouse limit top`", args[0])
		case *out == outputJSON:
			return writeJSON(app.Stdout, counters)
		}
		table := tabwriter.NewWriter(app.Stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(table, "ALGORITHM\tVALUE\tFORGOTTEN IN")
		for _, c := range counters {
			fmt.Fprintf(table, "%s\t%s\t%s\n", c.Algorithm, c.Value, c.TTL)
		}
		return table.Flush()
	})
	return cmd
}

func newLimitResetCommand(app *App) *cobra.Command {
	var desk limitDesk
	cmd := &cobra.Command{
		Use:   "reset KEY",
		Short: "Begin one counter anew",
		Long: "Remove what Redis counts under a KEY of `gatehouse limit top`, and have the replicas forget it, which takes\n" +
			"them a quarter of a second. Places of a concurrency limit that are in use are free then: for a while, more may be\n" +
			"under way than there are.",
		Args: cobra.ExactArgs(1),
	}
	desk.add(cmd)
	cmd.RunE = desk.with(app, func(ctx context.Context, client redis.UniversalClient, args []string) error {
		inspector := limit.NewInspector(client)
		counters, err := inspector.Show(ctx, args[0], ratelimit.Lengths()...)
		if err != nil {
			return err
		}
		n, err := inspector.Reset(ctx, counters)
		if err == nil && n == 0 {
			err = fmt.Errorf("there is no counter of %.120q now: see `gatehouse limit top`", args[0])
		}
		if err == nil {
			fmt.Fprintf(app.Stdout, "%d removed\n", n)
		}
		return err
	})
	return cmd
}
