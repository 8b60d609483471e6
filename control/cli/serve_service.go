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
	"gatehouse/control/audit/seal"
	"gatehouse/control/store"
)

// service is what every service is given.
type service struct {
	app                     *App
	log                     *serviceLog
	instance                string
	redisURL, redisPassword *secret.Live // nil: not given
	pseudonymKey            secret.Value
	auditKey                secret.Value
	assertionKey            secret.Value
	masterKey               *secret.Live // nil: not given
}

// serving makes the RunE of a service: flags from the environment, secrets from
// their files, a logger that knows no secrets, and exit code 1 for what fails.
func (app *App) serving(c *commonFlags, run func(context.Context, *service) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		log, err := app.logger(c.logFormat, c.logLevel)
		if err != nil {
			return err
		}
		defer log.close()
		s, err := app.service(c, log)
		if err != nil {
			return err
		}
		err = log.contained("gatehouse serve "+cmd.Name(), func() error { return run(cmd.Context(), s) })
		var exit *ExitError
		if err == nil || errors.As(err, &exit) {
			return err
		}
		return wrong("%w", err)
	}
}

// storeOptions are those of the store that a flag names.
func (s *service) storeOptions(url string) (store.Options, error) {
	return s.app.storeOptions(url, s.log.Logger)
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

func (app *App) service(c *commonFlags, log *serviceLog) (s *service, err error) {
	s = &service{app: app, log: log, instance: c.instance}
	if err := app.refusePlainSecrets(log); err != nil {
		return nil, wrong("%w", err)
	}
	if s.redisURL, err = app.redisURL(c, log.Logger); err != nil {
		return nil, err
	}
	var errs []error
	for name, into := range map[string]**secret.Live{"REDIS_PASSWORD": &s.redisPassword, seal.MasterKeyName: &s.masterKey} {
		var err error
		if *into, err = app.live(name, log.Logger); err != nil {
			errs = append(errs, err)
		}
	}
	for name, into := range map[string]*secret.Value{
		"GATEHOUSE_PSEUDONYM_KEY": &s.pseudonymKey, "GATEHOUSE_AUDIT_KEY": &s.auditKey,
		"GATEHOUSE_ASSERTION_KEY": &s.assertionKey,
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

// live reads a secret that is followed when its file changes; nil if it is not
// configured.
func (app *App) live(name string, log *slog.Logger) (*secret.Live, error) {
	file, err := secret.Find(app.Env, name)
	if errors.Is(err, secret.ErrNotSet) {
		return nil, nil //nolint:nilnil // not given is neither a secret nor a mistake
	}
	if err != nil {
		return nil, err
	}
	return secret.OpenLive(file, log)
}

// redisURL is the flag's, the flag's file's, or the variable's file's; nil if it
// is not given: gatehouse.yaml may say it.
func (app *App) redisURL(c *commonFlags, log *slog.Logger) (*secret.Live, error) {
	switch {
	case c.redis != "" && c.redisURLFile != "":
		return nil, misuse("--redis and --redis-url-file are both given: keep one")
	case hasPassword(c.redis):
		return nil, misuse("--redis holds a password, which every user of this machine can see in the list of processes: " +
			"write the URL to a file with mode 0600 and pass --redis-url-file, or set REDIS_PASSWORD_FILE")
	case c.redis != "":
		return secret.Fixed([]byte(c.redis)), nil
	}
	var live *secret.Live
	var err error
	if c.redisURLFile != "" {
		live, err = secret.OpenLive(secret.File{Name: "REDIS_URL", Path: c.redisURLFile}, log)
	} else {
		live, err = app.live("REDIS_URL", log)
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	return live, nil
}

func hasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "@")
	}
	_, set := u.User.Password()
	return set || u.Query().Has("password")
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
