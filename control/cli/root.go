package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// App is what a command may touch of the world outside.
type App struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Env            func(string) string
	// Environ is the whole environment; nil where only Env can be asked.
	Environ func() []string
	// Adopt makes a service's logger that of the process, so that what libraries
	// log by themselves goes through it; nil leaves them alone.
	Adopt func(*slog.Logger)
}

// commands lists them all, one a line.
func (app *App) commands() []*cobra.Command {
	return []*cobra.Command{
		newCheckCommand(app),
		newExplainCommand(app),
		newRenderCommand(app),
		newLimitCommand(app),
		newMigrateCommand(app),
		newSniffCommand(app),
		newUpCommand(app),
		newServeCommand(app),
		newAuditCommand(app),
		newUserCommand(app),
		newSessionCommand(app),
		newAlertCommand(app),
		newCSPCommand(app),
		newSubjectCommand(app),
		newConsentCommand(app),
		newBreachCommand(app),
		newRecordsCommand(app),
		newRollbackCommand(app),
		newPostureCommand(app),
		newSecretCommand(app),
		newVersionCommand(app),
	}
}

// Main runs the command line of the process and returns its exit code. The
// context of every command ends with SIGINT or SIGTERM.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := &App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Getenv, Environ: os.Environ, Adopt: slog.SetDefault}
	return app.Run(ctx, os.Args[1:])
}

// Run runs one command line and returns the exit code.
func (app *App) Run(ctx context.Context, args []string) int {
	root := app.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	var exit *ExitError
	if !errors.As(err, &exit) {
		// What cobra finds wrong, before any command runs, is the use.
		exit = &ExitError{Code: ExitUsage, Err: err}
	}
	if exit.Err != nil {
		app.printError(app.Stderr, exit.Err)
	}
	return exit.Code
}

func (app *App) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "Security controls for web applications, at the edge",
		Long: "Gatehouse puts security headers, CORS, sessions, limits and upload inspection in front of\n" +
			"applications, in Envoy, from one policy file. The exit code is 0 when done, 1 when something\n" +
			"was found wrong, 2 when the command was used wrongly.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(app.Stdin)
	root.SetOut(app.Stdout)
	root.SetErr(app.Stderr)
	root.AddCommand(app.commands()...)
	return root
}
