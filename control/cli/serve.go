package cli

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"gatehouse/authz"
	"gatehouse/authz/secret"
	"gatehouse/control"
)

// newServeCommand is serve, which serves all, with the rooms as subcommands.
func newServeCommand(app *App) *cobra.Command {
	cmd := newServeAllCommand(app)
	cmd.Use = "serve"
	cmd.Short = "Run the services: authz and control in one process, or one of them"
	cmd.AddCommand(newServeAllCommand(app), newServeAuthzCommand(app), newServeControlCommand(app))
	return cmd
}

const serveHelp = `
Each flag has a variable: --xds-listen is GATEHOUSE_XDS_LISTEN; the flag goes first.
Secrets are read from the files that REDIS_URL_FILE, REDIS_PASSWORD_FILE,
GATEHOUSE_STORE_PASSWORD_FILE, GATEHOUSE_PSEUDONYM_KEY_FILE, GATEHOUSE_ASSERTION_KEY_FILE,
GATEHOUSE_MASTER_KEY_FILE, GATEHOUSE_AUDIT_KEY_FILE and GATEHOUSE_MAIL_PASSWORD_FILE name; given in plain they are refused.`

func newServeAuthzCommand(app *App) *cobra.Command {
	var o authzFlags
	var c commonFlags
	cmd := &cobra.Command{
		Use:   "authz",
		Short: "Run the decision service: ext_authz, rate limits, the access log, sign-in",
		Long: "Run the decision service that Envoy asks: sessions, limits, envoyproxy/ratelimit's service, the\n" +
			"access log, and sign-in over HTTP. With --ratelimit-config it needs neither policy nor store.\n" + serveHelp,
		Args: cobra.NoArgs,
	}
	c.add(cmd)
	o.add(cmd, "metrics-listen")
	o.addStore(cmd, "", "the users; empty serves no sign-in")
	cmd.Flags().StringVar(&o.stateDir, "state-dir", "", "folder that keeps the last good policy")
	cmd.RunE = app.serving(&c, func(ctx context.Context, s *service) error {
		options, closeStore, err := o.options(ctx, s)
		if err != nil {
			return err
		}
		return errors.Join(authz.Run(ctx, options), closeStore())
	})
	return cmd
}

func newServeControlCommand(app *App) *cobra.Command {
	var o controlFlags
	var c commonFlags
	cmd := &cobra.Command{
		Use:   "control",
		Short: "Run the control plane: the policy to Envoy and authz, the events to the audit log",
		Long: "Run the control plane: it gives the policy of gatehouse.yaml to Envoy over xDS and to authz over\n" +
			"Redis, follows the file while it is edited, and keeps the audit log.\n" + serveHelp,
		Args: cobra.NoArgs,
	}
	c.add(cmd)
	o.add(cmd)
	cmd.Flags().StringVar(&o.metricsListen, "metrics-listen", "", "address that serves /metrics besides --http-listen")
	cmd.Flags().StringVar(&o.authzAddress, "authz-address", "127.0.0.1:9001", "authz as Envoy reaches it: host:port or unix:///PATH")
	addStoreFlag(cmd.Flags(), &o.store, "", "users, keys, requests and the index of the audit log; empty serves neither API nor console")
	cmd.Flags().StringVar(&o.stateDir, "state-dir", filepath.Join(defaultState, "control"), "folder of the audit log and the last good policies")
	cmd.RunE = app.serving(&c, func(ctx context.Context, s *service) error {
		options, err := o.options(s)
		if err != nil {
			return err
		}
		return control.Run(ctx, options)
	})
	return cmd
}

func newServeAllCommand(app *App) *cobra.Command {
	var a authzFlags
	var o controlFlags
	var c commonFlags
	var stateDir string
	cmd := &cobra.Command{
		Use:   "all",
		Short: "Run authz and control in one process",
		Long:  "Run authz and control in one process, for one machine.\n" + serveHelp,
		Args:  cobra.NoArgs,
	}
	c.add(cmd)
	a.add(cmd, "")
	o.add(cmd)
	a.addStore(cmd, defaultStore(), "users, keys, requests and the index of the audit log")
	cmd.Flags().StringVar(&o.metricsListen, "metrics-listen", "127.0.0.1:9090", "address that serves /metrics of both")
	cmd.Flags().StringVar(&o.authzAddress, "authz-address", "", "authz as Envoy reaches it (default: --listen)")
	cmd.Flags().StringVar(&stateDir, "state-dir", defaultState, "folder of all that is kept")
	cmd.RunE = app.serving(&c, func(ctx context.Context, s *service) error {
		o.authzAddress = cmp.Or(o.authzAddress, a.listen)
		o.store = a.store
		a.stateDir, o.stateDir = filepath.Join(stateDir, "authz"), filepath.Join(stateDir, "control")
		return serveAll(ctx, s, &a, &o)
	})
	return cmd
}

// serveAll ends both when one ends.
func serveAll(ctx context.Context, s *service, a *authzFlags, o *controlFlags) error {
	manage, err := o.options(s)
	if err != nil {
		return err
	}
	decide, closeStore, err := a.options(ctx, s)
	if err != nil {
		return err
	}
	decide.Registry, manage.Registry = prometheus.NewRegistry(), prometheus.NewRegistry()
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	manage.Metrics = prometheus.Gatherers{
		process, labelled{decide.Registry, "authz"}, labelled{manage.Registry, "control"},
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return secret.Contain("authz", func() error { return authz.Run(running, decide) }) })
	group.Go(func() error { return secret.Contain("control", func() error { return control.Run(running, manage) }) })
	return errors.Join(group.Wait(), closeStore())
}
