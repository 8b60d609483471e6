package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/control/demo"
	"gatehouse/control/up"
)

func newUpCommand(app *App) *cobra.Command {
	options := up.Options{Ports: up.DefaultPorts(), Stdout: app.Stdout, Stderr: app.Stderr}
	var base int
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole pack on this machine, with a demo application",
		Long: "Runs Redis, authz, control, a demo application and Envoy on the loopback interface, and prints\n" +
			"what to try. With --config, your own policy and upstreams instead of the demo. Every flag can also\n" +
			"be set as a variable: GATEHOUSE_PORT_BASE for --port-base.",
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Config, "config", "", "gatehouse.yaml to run instead of the demo's")
	flags.StringVar(&options.StateDir, "state-dir", ".gatehouse", "folder for keys, users, logs and up.json")
	flags.StringVar(&options.Envoy, "envoy", "", "the envoy binary (default: .tools, then PATH)")
	flags.StringVar(&options.Wasm, "wasm", "", "the filter (default: gatehouse.wasm beside this command)")
	flags.StringVar(&options.RedisServer, "redis-server", "", `the redis-server binary (default: PATH, then .tools), or "`+up.Embedded+`"`)
	flags.IntVar(&base, "port-base", 0, "first of eight ports in a row, instead of the usual ones")
	for _, port := range options.Ports.Named() {
		flags.IntVar(port.Number(), port.Flag, *port.Number(), "port of "+port.Use)
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		if err := choosePorts(cmd, &options, base); err != nil {
			return err
		}
		options.JSON = *format == outputJSON
		executable, err := os.Executable()
		if err != nil {
			return wrong("find this command's own file: %w", err)
		}
		options.Executable = executable
		return runUp(cmd.Context(), options)
	}
	cmd.AddCommand(newUpDemoCommand(app))
	return cmd
}

// choosePorts lays the ports from the base on, except those that were given by
// themselves. Without either, Envoy listens where a policy file of one's own says.
func choosePorts(cmd *cobra.Command, options *up.Options, base int) error {
	flags := cmd.Flags()
	based := options.Ports
	if flags.Changed("port-base") {
		var err error
		if based, err = up.PortsFrom(base); err != nil {
			return misuse("--port-base: %w", err)
		}
	} else if options.Config != "" {
		based.HTTP, based.HTTPS = 0, 0
	}
	given, wanted := options.Ports.Named(), based.Named()
	for i, port := range given {
		if !flags.Changed(port.Flag) {
			*port.Number() = *wanted[i].Number()
			continue
		}
		if n := *port.Number(); n < 1 || n > 65535 {
			return misuse("--%s %s: a port is between 1 and 65535", port.Flag, strconv.Itoa(n))
		}
	}
	return nil
}

// runUp stops the pack in order at the first signal and at once at the second.
func runUp(ctx context.Context, options up.Options) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kill := make(chan struct{})
	options.Kill = kill
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for _, act := range []func(){cancel, func() { close(kill) }} {
			select {
			case <-signals:
				act()
			case <-ended:
				return
			}
		}
	}()
	if err := up.Run(ctx, options); err != nil {
		return &ExitError{Code: ExitWrong, Err: err}
	}
	return nil
}

func newUpDemoCommand(app *App) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the demo application alone, without protection",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := app.logger("json", "info")
			if err != nil {
				return err
			}
			defer log.close()
			err = log.contained("the demo", func() error { return demo.Serve(cmd.Context(), listen, log.Logger) })
			var exit *ExitError
			if err == nil || errors.As(err, &exit) {
				return err
			}
			return wrong("%w", err)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9000", "address to listen on")
	return cmd
}
