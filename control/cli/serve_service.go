package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatehouse/authz/secret"
)

// service is what every service is given.
type service struct {
	log                                   *slog.Logger
	instance                              string
	redisURL, redisPassword, pseudonymKey secret.Value
	auditKey                              secret.Value
}

// serving makes the RunE of a service: flags from the environment, secrets from
// their files, a logger that knows no secrets, and exit code 1 for what fails.
func (app *App) serving(c *commonFlags, run func(context.Context, *service) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		s, err := app.service(c)
		if err != nil {
			return err
		}
		err = run(cmd.Context(), s)
		var exit *ExitError
		if err == nil || errors.As(err, &exit) {
			return err
		}
		return wrong("%w", err)
	}
}

// fromEnvironment sets the flags that the command line left alone.
func fromEnvironment(flags *pflag.FlagSet, env func(string) string) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value := env(name); value != "" && !f.Changed && f.Name != "help" {
			if err := flags.Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
}

func (app *App) service(c *commonFlags) (*service, error) {
	log, err := app.logger(c.logFormat, c.logLevel)
	if err != nil {
		return nil, misuse("%w", err)
	}
	s := &service{log: log, instance: c.instance}
	if err := app.refusePlainSecrets(); err != nil {
		return nil, wrong("%w", err)
	}
	if s.redisURL, err = app.redisURL(c); err != nil {
		return nil, err
	}
	var errs []error
	for name, into := range map[string]*secret.Value{
		"REDIS_PASSWORD": &s.redisPassword, "GATEHOUSE_PSEUDONYM_KEY": &s.pseudonymKey,
		"GATEHOUSE_AUDIT_KEY": &s.auditKey,
	} {
		var err error
		if *into, err = secret.Load(app.Env, name); err != nil && !errors.Is(err, secret.ErrNotSet) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, wrong("%w", err)
	}
	return s, nil
}

// refusePlainSecrets holds also where the flags make the secret unnecessary: it
// stands in the environment all the same.
func (app *App) refusePlainSecrets() error {
	var errs []error
	for _, name := range []string{"REDIS_URL", "REDIS_PASSWORD", "GATEHOUSE_PSEUDONYM_KEY", "GATEHOUSE_AUDIT_KEY"} {
		if app.Env(name) != "" {
			errs = append(errs, secret.PlainError{Name: name})
		}
	}
	return errors.Join(errs...)
}

// redisURL is the flag's, the flag's file's, or the variable's file's.
func (app *App) redisURL(c *commonFlags) (secret.Value, error) {
	switch {
	case c.redis != "" && c.redisURLFile != "":
		return secret.Value{}, misuse("--redis and --redis-url-file are both given: keep one")
	case hasPassword(c.redis):
		return secret.Value{}, misuse("--redis holds a password, which every user of this machine can see in the list of processes: " +
			"write the URL to a file with mode 0600 and pass --redis-url-file, or set REDIS_PASSWORD_FILE")
	case c.redis != "":
		return secret.New([]byte(c.redis)), nil
	}
	file := secret.File{Name: "REDIS_URL", Path: c.redisURLFile}
	if file.Path == "" {
		var err error
		if file, err = secret.Find(app.Env, "REDIS_URL"); errors.Is(err, secret.ErrNotSet) {
			return secret.Value{}, nil // gatehouse.yaml may say it
		} else if err != nil {
			return secret.Value{}, wrong("%w", err)
		}
	}
	v, err := file.Read()
	if err != nil {
		return secret.Value{}, wrong("%w", err)
	}
	return v, nil
}

func hasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "@")
	}
	_, set := u.User.Password()
	return set || u.Query().Has("password")
}

// logger writes to standard error what a service has to say.
func (app *App) logger(format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level is %q: write debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		return slog.New(secret.Redact(slog.NewJSONHandler(app.Stderr, options))), nil
	case "text":
		return slog.New(secret.Redact(slog.NewTextHandler(app.Stderr, options))), nil
	}
	return nil, fmt.Errorf("--log-format is %q: write json or text", format)
}

// labelled adds the label room to every metric, so that two rooms of one
// process may have metrics of one name.
type labelled struct {
	of   prometheus.Gatherer
	room string
}

// Gather implements prometheus.Gatherer.
func (l labelled) Gather() ([]*dto.MetricFamily, error) {
	families, err := l.of.Gather()
	name := "room"
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			metric.Label = append(metric.Label, &dto.LabelPair{Name: &name, Value: &l.room})
		}
	}
	return families, err
}
