package privacy

import (
	"context"
	"errors"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// Outbox takes the events that the store keeps to the audit log: those of
// people's rights, and those of commands on users.
type Outbox struct {
	Store  *store.Store
	Events Recorder
	Log    Log // nil: what was sent counts as logged
	Now    func() time.Time
}

// Relay sends the events that the log should have by now and has not, and
// forgets those that it has. It sends one again until the log has it.
func (o Outbox) Relay(ctx context.Context) error {
	events, err := o.Store.UnloggedEvents(ctx, o.Now(), atOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range events {
		errs = append(errs, o.one(ctx, e))
	}
	return errors.Join(errs...)
}

func (o Outbox) one(ctx context.Context, e event.Event) error {
	if o.Log == nil {
		o.Events.Append(e)
		return o.Store.EventLogged(ctx, e.ID)
	}
	has, err := o.Log.Has(ctx, e.ID)
	switch {
	case err != nil:
		return err
	case has:
		return o.Store.EventLogged(ctx, e.ID)
	}
	o.Events.Append(e)
	return o.Store.EventSent(ctx, e.ID, o.Now())
}
