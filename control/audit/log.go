package audit

import (
	"context"

	"gatehouse/authz/event"
)

// Log is where events are kept for good.
type Log interface {
	// Append returns once the events are durable, with those of them that the
	// log did not have yet, in their order. After an error it has all of them,
	// none, or some; appending them again adds only what is missing.
	Append(ctx context.Context, events []event.Event) ([]event.Event, error)
	// Close lets go of the log. Nothing is lost by not closing it.
	Close() error
}

var _ Log = (*Tlog)(nil)
