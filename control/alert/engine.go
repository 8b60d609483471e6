package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// Store keeps alerts and what sinks are to be told; *store.Store does.
type Store interface {
	RaiseAlert(ctx context.Context, a store.Alert, sinks []string) (fresh bool, err error)
	CountAlert(ctx context.Context, id string, events int64, last time.Time) error
	ResolveAlert(ctx context.Context, id string, sinks []string) (ended bool, err error)
	Alerts(ctx context.Context, rule, state string, limit int, cursor string) ([]store.Alert, string, error)
	DueDeliveries(ctx context.Context, sink string, limit int) ([]store.Delivery, error)
	Delivered(ctx context.Context, id string) error
	Undelivered(ctx context.Context, id, reason string, next time.Time) error
}

// Options of New; Rules and Sinks may be empty and be set later by Configure.
type Options struct {
	Rules []Rule
	Sinks []Sink
	Store Store
	// Events takes what the engine itself has to report.
	Events     func(event.Event)
	Registerer prometheus.Registerer // may be nil
	Log        *slog.Logger
	Now        func() time.Time
}

// Engine counts events and raises alerts. It is safe for concurrent use.
type Engine struct {
	o       Options
	metrics *metrics
	wake    chan struct{}

	mu     sync.Mutex
	rules  []compiled
	index  index // of rules
	firing map[alertKey]*firing
	sinks  []Sink
	shown  fields // what a condition is looking at

	sending map[string]bool      // by sink, guarded by mu
	resent  map[string]time.Time // by sink; of the loop alone
	flights sync.WaitGroup
}

// alertKey is what there is one alert of at a time.
type alertKey struct{ rule, group string }

// firing is an alert that is not over.
type firing struct {
	alert  store.Alert
	kept   bool // that the store has it
	stale  bool // that the store has an older count
	ending bool // that it is over as soon as the store has taken that
}

const (
	lookEvery  = time.Second
	storeFor   = 5 * time.Second
	firingPage = 500
)

// New compiles the rules; their mistakes are reported together. Alerts that fire
// are taken up from the store.
func New(ctx context.Context, o Options) (*Engine, error) {
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		o: o, metrics: m, wake: make(chan struct{}, 1), firing: map[alertKey]*firing{},
		sending: map[string]bool{}, resent: map[string]time.Time{},
	}
	if err := e.Configure(o.Rules, o.Sinks); err != nil {
		return nil, err
	}
	return e, e.takeUp(ctx)
}

func (e *Engine) takeUp(ctx context.Context) error {
	for cursor := ""; ; {
		found, next, err := e.o.Store.Alerts(ctx, "", "firing", firingPage, cursor)
		if err != nil {
			return fmt.Errorf("take up the alerts that fire: %w", err)
		}
		for _, a := range found {
			e.firing[alertKey{a.Rule, a.GroupKey}] = &firing{alert: a, kept: true}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// Configure replaces rules and sinks. What a rule has counted stays if the rule
// does. After an error nothing has changed.
func (e *Engine) Configure(rules []Rule, sinks []Sink) error {
	fresh, err := compile(rules)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range fresh {
		same := func(old compiled) bool { return reflect.DeepEqual(old.Rule, fresh[i].Rule) }
		if old := slices.IndexFunc(e.rules, same); old >= 0 {
			fresh[i].counts = e.rules[old].counts
		}
	}
	e.rules, e.index, e.sinks = fresh, newIndex(fresh), sinks
	return nil
}

// LongestWindow is how far back Observe must be told of events after a restart.
func (e *Engine) LongestWindow() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	longest := time.Duration(0)
	for _, r := range e.rules {
		longest = max(longest, r.Window)
	}
	return longest
}

// own says whether it is the engine's own report, which must not raise alerts in
// turn.
func own(t event.Type) bool {
	return t == event.AlertRaised || t == event.AlertResolved || t == event.AlertUndelivered
}

// Observe counts events that are in the log. It waits for nothing but other
// calls of Observe. An alert is named after the event that raised it, so that
// events that come again after a crash raise no second one.
func (e *Engine) Observe(events []event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	raised := false
	for i := range events {
		if own(events[i].Type) {
			continue
		}
		e.shown.e = &events[i]
		for _, r := range e.index.of(events[i].Type) {
			raised = r.matches(&e.shown) && e.count(r, &events[i]) || raised
		}
	}
	e.shown.e = nil
	if raised {
		select {
		case e.wake <- struct{}{}:
		default: // one notice is waiting
		}
	}
}

func (e *Engine) count(r *compiled, ev *event.Event) (raised bool) {
	group, ok := r.group(ev)
	if !ok {
		return false
	}
	key := alertKey{r.Name, group}
	above, evicted := r.counts.add(group, ev.Time, r.MoreThan, r.Window)
	if evicted {
		e.metrics.evicted.WithLabelValues(r.Name).Inc()
	}
	if f := e.firing[key]; f != nil {
		f.alert.Events++
		if ev.Time.After(f.alert.Last) {
			f.alert.Last = ev.Time
		}
		f.stale, f.ending = true, false
		return false
	}
	if !above {
		return false
	}
	e.firing[key] = &firing{alert: store.Alert{
		ID: event.DeriveID("alert", r.Name, group, ev.ID), Rule: r.Name, GroupKey: group, Labels: r.labels(ev),
		Severity: string(r.Severity), Summary: r.Summary, Events: int64(r.MoreThan) + 1,
		Started: ev.Time.UTC(), Last: ev.Time.UTC(), Quiet: r.Quiet,
	}}
	return true
}

// Run keeps what was raised, ends what is over, and tells the sinks, until ctx
// ends and what is under way is done.
func (e *Engine) Run(ctx context.Context) {
	defer e.flights.Wait()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		e.step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-e.wake:
		}
	}
}

func (e *Engine) step(ctx context.Context) {
	if err := e.keep(ctx); err != nil && ctx.Err() == nil {
		e.metrics.storeErrors.Inc()
		e.o.Log.Error("alerts cannot be kept; they will be as soon as the store answers", "error", err)
	}
	e.deliver(ctx)
}

// keep brings the store up to date with what fires.
func (e *Engine) keep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	var errs []error
	for key, f := range e.pending() {
		errs = append(errs, e.keepOne(ctx, key, f))
	}
	return errors.Join(errs...)
}

// pending copies what the store does not know yet, so that it is asked without
// the lock.
func (e *Engine) pending() map[alertKey]firing {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.o.Now()
	out := map[alertKey]firing{}
	for key, f := range e.firing {
		f.ending = f.kept && !now.Before(f.alert.Last.Add(f.alert.Quiet))
		if !f.kept || f.stale || f.ending {
			out[key] = *f
		}
	}
	return out
}

func (e *Engine) keepOne(ctx context.Context, key alertKey, f firing) error {
	switch {
	case !f.kept:
		fresh, err := e.o.Store.RaiseAlert(ctx, f.alert, e.sinkNames())
		if err != nil {
			return err
		}
		if fresh {
			e.metrics.raised.WithLabelValues(f.alert.Rule, f.alert.Severity).Inc()
			e.report(event.AlertRaised, f.alert)
		}
		e.settle(key, f, !fresh)
	case f.ending:
		ended, err := e.o.Store.ResolveAlert(ctx, f.alert.ID, e.sinkNames())
		if err != nil {
			return err
		}
		if ended {
			e.report(event.AlertResolved, f.alert)
		}
		e.settle(key, f, true)
	default:
		if err := e.o.Store.CountAlert(ctx, f.alert.ID, f.alert.Events, f.alert.Last); err != nil {
			return err
		}
		e.settle(key, f, false)
	}
	return nil
}

// settle notes what the store now knows. Events may have come while it was asked:
// then an alert that goes on is stale, and one that is over is followed by
// another if they are too many by themselves.
func (e *Engine) settle(key alertKey, known firing, over bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.firing[key]
	if f == nil {
		return
	}
	meanwhile := f.alert.Events - known.alert.Events
	if !over {
		f.kept, f.stale = true, meanwhile > 0
		return
	}
	delete(e.firing, key)
	i := slices.IndexFunc(e.rules, func(r compiled) bool { return r.Name == known.alert.Rule })
	switch {
	case i < 0: // the rule is gone, and so are its counts
	case meanwhile > int64(e.rules[i].MoreThan):
		next := f.alert
		next.ID, next.Started, next.Events = event.DeriveID("alert after", known.alert.ID), f.alert.Last, meanwhile
		e.firing[key] = &firing{alert: next}
	case meanwhile == 0 && known.ending:
		e.rules[i].counts.forget(known.alert.GroupKey)
	}
}

func (e *Engine) sinkNames() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := make([]string, len(e.sinks))
	for i, s := range e.sinks {
		names[i] = s.Name()
	}
	return names
}

func (e *Engine) report(t event.Type, a store.Alert) {
	severity := map[Severity]event.Severity{Info: event.Info, Warning: event.Warning, Critical: event.Critical}[Severity(a.Severity)]
	detail := map[string]string{"alert": a.ID, "count": strconv.FormatInt(a.Events, 10)}
	maps.Copy(detail, a.Labels)
	e.o.Events(event.Event{
		ID: event.DeriveID(string(t), a.ID), Type: t, Severity: severity, Outcome: event.Report, Feature: "alerts", Rule: a.Rule,
		Reason: a.Summary, Client: a.Labels["client"], Subject: a.Labels["subject"], Detail: detail,
	})
	e.o.Log.Warn("alert", "what", strings.TrimPrefix(string(t), "alert_"), "rule", a.Rule, "severity", a.Severity, "events", a.Events, "group", a.Labels)
}
