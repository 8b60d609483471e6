package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"gatehouse/authz/secret"
	"gatehouse/authz/secret/scan"
)

// writeLogWithin is how long the end of a service waits for the log's reader.
const writeLogWithin = 2 * time.Second

// ExitCrash is the exit code of a service that panicked, as the runtime's own.
const ExitCrash = 2

// serviceLog is where a service says what it has to say, and what keeps secrets
// out of it.
type serviceLog struct {
	*slog.Logger
	handler *secret.Handler
	guard   *secret.Guard
}

// logger writes to standard error. Lines are looked at for secrets first.
func (app *App) logger(format, level string) (*serviceLog, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, misuse("--log-level is %q: write debug, info, warn or error", level)
	}
	var next slog.Handler
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		next = slog.NewJSONHandler(app.Stderr, options)
	case "text":
		next = slog.NewTextHandler(app.Stderr, options)
	default:
		return nil, misuse("--log-format is %q: write json or text", format)
	}
	finder, err := scan.Default()
	if err != nil {
		return nil, wrong("%w", err)
	}
	guard := secret.NewGuard(finder, time.Now)
	handler := secret.NewHandler(next, secret.Options{Guard: guard})
	log := slog.New(handler)
	if app.Adopt != nil {
		app.Adopt(log)
	}
	return &serviceLog{Logger: log, handler: handler, guard: guard}, nil
}

// close writes what waits. What is said later is written as it comes.
func (l *serviceLog) close() {
	ctx, cancel := context.WithTimeout(context.Background(), writeLogWithin)
	defer cancel()
	_ = l.handler.Close(ctx) // whoever does not read the log misses its end
}

// contained runs a service. Its panic is logged like all else, without secrets,
// and ends the command; the runtime would write it to standard error as it is.
func (l *serviceLog) contained(name string, run func() error) error {
	err := secret.Contain(name, run)
	var p *secret.PanicError
	if !errors.As(err, &p) {
		return err
	}
	l.Error("the service panicked and ends", "place", p.Place, "panic", p.Value, "stack", p.Stack)
	return &ExitError{Code: ExitCrash, Err: p}
}

// refusePlainSecrets refuses secrets in plain variables, also where flags make
// them unnecessary: they stand in the environment all the same. Others' secrets
// are warned of and reported.
func (app *App) refusePlainSecrets(log *serviceLog) error {
	refused, foreign := secret.Environ(app.environ(), log.guard.Finder())
	if err := errors.Join(refused...); err != nil {
		return err
	}
	for _, err := range foreign {
		var f secret.ForeignError
		if errors.As(err, &f) {
			log.Warn(f.Error())
			log.guard.Report(f.Rule, "environment variable "+f.Name)
		}
	}
	return nil
}

// environ is the whole environment, or what can be asked for by name.
func (app *App) environ() []string {
	if app.Environ != nil {
		return app.Environ()
	}
	var entries []string
	for _, name := range secret.Names() {
		if value := app.Env(name); value != "" {
			entries = append(entries, name+"="+value)
		}
	}
	return entries
}

// printError prints why a command failed. The text may quote what somebody else
// wrote, so it is looked at as a log line is.
func (app *App) printError(w io.Writer, err error) {
	text := secret.Scrub(err.Error())
	if finder, broken := scan.Default(); broken == nil {
		text = secret.NewGuard(finder, nil).Clean("error", text)
	}
	_, _ = fmt.Fprintf(w, "gatehouse: %s\n", text) // nobody is left to tell
}
