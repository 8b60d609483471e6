package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/alert"
	"gatehouse/control/api"
	"gatehouse/control/audit"
	"gatehouse/control/policy"
	"gatehouse/control/store"
)

// maxRefill bounds the events that windows are refilled with after a restart.
const maxRefill = 100_000

// openAlerts makes the engine and fills its windows with what the log has of
// their time. Without a store there are no alerts: what a sink is to be told
// would not outlive a crash.
func (c *control) openAlerts(ctx context.Context) error {
	if c.store == nil {
		return nil
	}
	sinks, err := c.sinks(c.first.compiled)
	if err != nil {
		return err
	}
	c.alerts, err = alert.New(ctx, alert.Options{
		Rules: c.first.compiled.Alerts.Rules, Sinks: sinks, Store: c.store, Events: c.events.Append,
		Registerer: c.o.Registry, Log: c.o.Log, Now: c.o.Now,
	})
	if err != nil {
		return fmt.Errorf("open the alerts: %w", err)
	}
	// All that match: with a condition, a quiet log would be read to its beginning.
	recent, err := audit.Last(ctx, c.auditDir(), maxRefill, func(event.Event) bool { return true })
	if err != nil && !errors.Is(err, audit.ErrNoLog) {
		return fmt.Errorf("refill the windows of alerts: %w", err)
	}
	since := c.o.Now().Add(-c.alerts.LongestWindow())
	c.alerts.Observe(slices.DeleteFunc(recent, func(e event.Event) bool { return e.Time.Before(since) }))
	return nil
}

func (c *control) runAlerts(ctx context.Context) {
	if c.alerts != nil {
		c.alerts.Run(ctx)
	}
}

// prepare makes all that an edited policy file says of control itself, and fails
// if any of it cannot be brought into force.
func (c *control) prepare(compiled *policy.Compiled) (prepared, error) {
	sinks, sinkErr := c.sinks(compiled)
	callers, webErr := c.web.prepare(c.o.apiSettings(compiled))
	known, mapErr := c.prepareSystems(compiled)
	drop := func() { c.conclude(known, c.systems.drop) }
	if err := errors.Join(sinkErr, webErr, mapErr); err != nil {
		drop()
		return prepared{}, err
	}
	return prepared{drop: drop, apply: func() {
		callers()
		c.useScanner(compiled)
		c.useUploads(compiled)
		c.conclude(known, c.systems.put)
		if c.alerts == nil {
			return
		}
		// They were compiled with the policy.
		if err := c.alerts.Configure(compiled.Alerts.Rules, sinks); err != nil {
			c.o.Log.Error("the rules of alerts stay those of the policy before", "error", err)
		}
	}}, nil
}

func (c *control) sinks(compiled *policy.Compiled) ([]alert.Sink, error) {
	return AlertSinks(compiled.Alerts.Sinks, c.o.Now)
}

// AlertSinks makes the sinks of a policy file. The secrets that they need must
// be readable; later they are read anew each time.
func AlertSinks(settings []policy.AlertSink, now func() time.Time) ([]alert.Sink, error) {
	sinks := make([]alert.Sink, 0, len(settings))
	var errs []error
	for _, s := range settings {
		sink, err := alertSink(s, now)
		errs = append(errs, err)
		sinks = append(sinks, sink)
	}
	return sinks, errors.Join(errs...)
}

func alertSink(s policy.AlertSink, now func() time.Time) (alert.Sink, error) {
	switch s.Kind {
	case policy.SinkAlertmanager:
		return alert.NewAlertmanager(s.Name, s.URL, now), nil
	case policy.SinkSMTP:
		password, err := secretOf(s, "password_file", s.PasswordFile)
		if err != nil {
			return nil, err
		}
		return alert.NewMail(s.Name, *s.Mail, password, now)
	default:
		key, err := secretOf(s, "secret_file", s.SecretFile)
		if err != nil {
			return nil, err
		}
		return alert.NewWebhook(s.Name, s.URL, key, now), nil
	}
}

// secretOf reads the secret of a sink; nil if it has none.
func secretOf(s policy.AlertSink, key, path string) (func() secret.Value, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // a mail server without a user
	}
	file := secret.File{Name: "alerts.sinks." + s.Name + "." + key, Path: path}
	known, err := file.Read()
	if err != nil {
		return nil, err
	}
	return rereading(file, known), nil
}

// rereading gives the secret as it is in its file now; while that cannot be
// read, as it was.
func rereading(file secret.File, known secret.Value) func() secret.Value {
	return func() secret.Value {
		if now, err := file.Read(); err == nil {
			return now
		}
		return known
	}
}

// alertList implements api.Alerts.
type alertList struct{ store *store.Store }

func (l alertList) Alerts(ctx context.Context, q api.AlertQuery) ([]api.Alert, string, error) {
	found, next, err := l.store.Alerts(ctx, q.Rule, q.State, q.Limit, q.Cursor)
	out := make([]api.Alert, len(found))
	for i, a := range found {
		out[i] = api.Alert{
			ID: a.ID, Rule: a.Rule, Severity: a.Severity, State: stateOf(a.Ended), Summary: a.Summary, Group: a.Labels,
			Count: a.Events, Started: a.Started, Updated: a.Last, Ended: a.Ended,
		}
	}
	return out, next, err
}

func stateOf(ended time.Time) string {
	if ended.IsZero() {
		return "firing"
	}
	return "resolved"
}
