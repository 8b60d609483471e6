package intake

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/audit/seal"
)

// Sealer seals readable fields for good; *seal.Keyring does.
type Sealer interface {
	// SealAll returns the texts in the order of the items; empty for a subject
	// that was erased.
	SealAll(ctx context.Context, items []seal.Item) ([]string, error)
}

// sealFor bounds the questions of one batch to the store of keys.
const sealFor = 5 * time.Second

// reseal opens what was sealed for the way and seals it under keys that can be
// destroyed, before anything is kept. What does not open is dropped, the event
// stays. When the keys cannot be reached, the batch fails and stays in the
// stream: neither lost nor kept under a key that erases nothing.
func (i *Intake) reseal(ctx context.Context, events []event.Event) error {
	i.openTransit(events)
	if i.o.Seal == nil {
		i.dropPersonal(events)
		return nil
	}
	items := make([]seal.Item, len(events))
	for n, e := range events {
		items[n] = seal.Item{Subject: e.Subject, Fields: e.Personal}
	}
	ctx, cancel := context.WithTimeout(ctx, sealFor)
	defer cancel()
	texts, err := i.o.Seal.SealAll(ctx, items)
	if err != nil {
		return fmt.Errorf("seal the readable fields of events: %w", err)
	}
	for n := range events {
		if len(events[n].Personal) > 0 && texts[n] == "" {
			i.metrics.sealDropped.WithLabelValues(droppedErased).Inc()
		}
		events[n].Sealed, events[n].Personal = texts[n], nil
	}
	return nil
}

func (i *Intake) openTransit(events []event.Event) {
	var failed int
	var id string
	for n := range events {
		if err := i.o.Transit.Open(&events[n]); errors.Is(err, event.ErrTransit) {
			failed++
			id = events[n].ID
		}
	}
	if failed > 0 {
		i.metrics.sealDropped.WithLabelValues(droppedUnreadable).Add(float64(failed))
		i.o.Logger.Error("sealed fields of events do not open and are dropped; the events are kept", "events", failed, "last", id, "error", event.ErrTransit)
	}
}

func (i *Intake) dropPersonal(events []event.Event) {
	for n := range events {
		if len(events[n].Personal) > 0 {
			i.metrics.sealDropped.WithLabelValues(droppedNoKey).Inc()
		}
		events[n].Personal = nil
	}
}

// Why readable fields of an event were dropped.
const (
	droppedUnreadable = "unreadable"    // not sealed under our pseudonym key
	droppedErased     = "erased"        // the subject's key was destroyed
	droppedNoKey      = "no_master_key" // there is nothing to seal them with
)

// inTransit finds what was sealed for the way. In a file it would outlive the
// destruction of the subject's key.
var inTransit = regexp.MustCompile(`t1\.[A-Za-z0-9_-]+`)

func withoutTransit(text string) string { return inTransit.ReplaceAllString(text, "[sealed]") }
