package cli

import (
	"github.com/spf13/cobra"

	"gatehouse/control/render"
)

func newRenderCommand(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Write the policy as configuration that runs without a control plane",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return misuse("say what to render: gatehouse render envoy")
		},
	}
	cmd.AddCommand(newRenderEnvoyCommand(app))
	return cmd
}

func newRenderEnvoyCommand(app *App) *cobra.Command {
	var config string
	var options render.Options
	cmd := &cobra.Command{
		Use:   "envoy",
		Short: "Write a static Envoy configuration to standard output",
		Long: "Write the static Envoy configuration that a gatehouse.yaml means: listeners, routes, the filter with its\n" +
			"policy, authz and the upstreams. authz then reads its part with `serve authz --policy-file`.",
		Example: "  gatehouse render envoy --config gatehouse.yaml > envoy.yaml && envoy --mode validate -c envoy.yaml",
		Args:    cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&config, "config", "c", "gatehouse.yaml", "the policy file")
	flags.StringVar(&options.WasmPath, "wasm", "/usr/lib/gatehouse/gatehouse.wasm", "the filter's module, as Envoy sees it")
	flags.StringVar(&options.AuthzAddress, "authz-address", "127.0.0.1:9001", "authz's listener: host:port or unix:///path")
	flags.StringVar(&options.ScanAddress, "scan-address", "127.0.0.1:9002", "where a control serves scans, for policies that have files scanned: host:port or unix:///path")
	flags.StringVar(&options.AdminListen, "admin-listen", "127.0.0.1:9901", "Envoy's admin interface")
	cmd.RunE = func(*cobra.Command, []string) error {
		compiled, err := loadPolicy(config)
		if err != nil {
			return err
		}
		text, err := render.Envoy(compiled, options)
		if err != nil {
			return wrong("render %s: %w", config, err)
		}
		_, err = app.Stdout.Write(text)
		return err
	}
	return cmd
}
