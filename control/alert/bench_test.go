package alert

import (
	"context"
	"log/slog"
	"testing"

	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// nothing is a store without alerts.
type nothing struct{ Store }

func (nothing) Alerts(context.Context, string, string, int, string) ([]store.Alert, string, error) {
	return nil, "", nil
}

// What an event costs while it is observed, by how much the rules have to do
// with it: most are allowed requests, which no built-in rule is for.
func BenchmarkObserve(b *testing.B) {
	for _, bench := range []struct {
		name string
		e    event.Event
	}{
		{"an event that no rule is for", event.Event{Type: event.RequestAllowed, Outcome: event.Allow, Client: "c:1", Host: "app", Path: "/", Status: 200}},
		{"a sign-in that succeeds", event.Event{Type: event.AuthenticationAttempt, Outcome: event.Success, Client: "c:1", Subject: "u:1"}},
		{"a sign-in that fails", event.Event{Type: event.AuthenticationAttempt, Outcome: event.Failure, Client: "c:1", Subject: "u:1"}},
		{"an upload that is refused", event.Event{Type: event.FileUploadRejected, Rule: "type_not_allowed", Client: "c:1"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			engine, err := New(b.Context(), Options{
				Rules: Defaults(), Store: nothing{}, Events: func(event.Event) {}, Log: slog.New(slog.DiscardHandler), Now: now,
			})
			if err != nil {
				b.Fatal(err)
			}
			events := []event.Event{bench.e}
			events[0].ID, events[0].Time = "e", start
			b.ReportAllocs()
			for b.Loop() {
				engine.Observe(events)
			}
		})
	}
}
